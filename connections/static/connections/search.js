// Searching services: pure functions, quick enough for every key over a thousand of them.

const LONGEST = 200; // characters of a search; a pasted text is not searched for whole

/** `entries` ({id, name, category, recommended, …}) with the texts that `search` compares. */
export function prepare(entries) {
  return entries.map((entry) => {
    const lowName = fold(entry.name);
    return { ...entry, lowName, lowId: entry.id.toLowerCase(), lowCategory: fold(entry.category), squeezed: squeeze(lowName + entry.id) };
  });
}

/** The entries in which every word of `text` occurs, best first; without words all of them, as they came. */
export function search(entries, text) {
  const words = fold(text.slice(0, LONGEST)).split(/\s+/).filter(Boolean);
  if (!words.length) return entries;
  const whole = words.join(" ");
  const scored = [];
  for (const entry of entries) {
    let total = entry.lowId === whole || entry.lowName === whole ? -100 : 0;
    for (const word of words) {
      const score = rank(entry, word);
      if (score < 0) {
        total = Infinity;
        break;
      }
      total += score;
    }
    if (total !== Infinity) scored.push([total - (entry.recommended ? 0.5 : 0), entry]);
  }
  if (!scored.length) return inOrder(entries, squeeze(whole));
  return scored.sort((one, other) => one[0] - other[0]).map(([, entry]) => entry);
}

// 0 is best; -1 where the word does not occur.
function rank(entry, word) {
  if (entry.lowName.startsWith(word)) return 0;
  const at = entry.lowName.indexOf(word);
  if (at > 0 && /[^\p{L}\p{N}]/u.test(entry.lowName[at - 1])) return 1;
  if (entry.lowId.startsWith(word)) return 1;
  if (at > 0) return 2;
  if (entry.lowId.includes(word)) return 3;
  return entry.lowCategory.includes(word) ? 4 : -1;
}

// Where nothing contains the words: names that have the letters in this order, as in "gsheets" for Google Sheets.
function inOrder(entries, letters) {
  if (letters.length < 3) return [];
  return entries.filter((entry) => {
    let at = -1;
    return [...letters].every((letter) => (at = entry.squeezed.indexOf(letter, at + 1)) >= 0) && entry.squeezed[0] === letters[0];
  });
}

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const squeeze = (text) => text.replace(/[^\p{L}\p{N}]/gu, "");
