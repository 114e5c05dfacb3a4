// Searching services as people name them: pure functions, quick enough for every key over a thousand of them.
// connections/catalog/search.py does the same on the server, and tests/catalog/searches.json is run through both.

const LONGEST = 200; // characters of a search; a pasted text is not searched for whole
const MOST_WORDS = 6; // that are forgiven a typing error
const LONGEST_WORD = 30; // characters of one
const FAR = 9; // more than any distance that counts
const ALIAS = -2; // better than any place in a name; its targets follow in their order, then what begins as they do
const TYPO = 6; // worse than any place in a name

/** `entries` ({id, name, category, recommended, …}) with the texts that `search` compares. */
export function prepare(entries) {
  return entries.map((entry) => {
    const lowName = fold(entry.name);
    const lowId = entry.id.toLowerCase();
    const words = [...new Set(`${lowName} ${lowId}`.match(/[\p{L}\p{N}]+/gu))];
    return { ...entry, lowName, lowId, words, lowCategory: fold(entry.category), squeezed: squeeze(lowName + lowId) };
  });
}

/**
 * The entries in which every word of `text` occurs, by name, id, category or alias, best first; without words all of
 * them, as they came. `aliases`: what people call it -> ids of services, or what their ids begin with.
 */
export function search(entries, text, aliases = {}) {
  let words = fold(text.slice(0, LONGEST)).split(/\s+/).filter(Boolean);
  if (!words.length) return entries;
  const whole = words.join("");
  if (words.length > 1 && Object.hasOwn(aliases, whole)) words = [whole];
  for (const forgiving of [false, true]) {
    const found = ranked(entries, words, aliases, forgiving);
    if (found.length) return found;
  }
  return entries.filter((entry) => hasInOrder(entry, whole));
}

function ranked(entries, words, aliases, forgiving) {
  const scored = [];
  const whole = words.join(" ");
  const targets = words.map((word) => (Object.hasOwn(aliases, word) ? aliases[word] : []));
  if (forgiving && words.length > MOST_WORDS) return [];
  const known = words.map(() => new Map()); // words of names -> typing errors: many names share them
  for (const entry of entries) {
    let total = entry.lowId === whole || entry.lowName === whole ? -100 : 0;
    words.forEach((word, at) => (total += score(entry, word, targets[at], forgiving && known[at])));
    if (total < Infinity) scored.push([total - (entry.recommended ? 0.5 : 0), entry]);
  }
  return scored.sort((one, other) => one[0] - other[0]).map(([, entry]) => entry);
}

// 0 or less is best; Infinity where the word does not occur.
function score(entry, word, targets, known) {
  for (const [place, target] of targets.entries()) {
    if (entry.lowId === target) return ALIAS + place / 100;
    if (entry.lowId.startsWith(`${target}_`)) return ALIAS + 1 + place / 100;
  }
  const found = placeIn(entry, word);
  if (found < Infinity || !known) return found;
  let distance = FAR;
  for (const one of entry.words) {
    if (!known.has(one)) known.set(one, typos(word, one));
    distance = Math.min(distance, known.get(one));
  }
  return distance < FAR ? TYPO + distance : Infinity;
}

function placeIn(entry, word) {
  const at = entry.lowName.indexOf(word);
  if (at === 0) return 0;
  if (at > 0 && /[^\p{L}\p{N}]/u.test(entry.lowName[at - 1])) return 1;
  if (entry.lowId.startsWith(word)) return 1;
  if (at > 0) return 2;
  if (entry.lowId.includes(word)) return 3;
  return entry.lowCategory.includes(word) ? 4 : Infinity;
}

// How many letters are wrong, missing, too many or swapped; FAR where it is another word.
function typos(typed, word) {
  const most = typed.length < 4 ? 0 : typed.length < 6 ? 1 : 2;
  if (!most || typed.length > LONGEST_WORD || typed.length - word.length > most) return FAR;
  // People are still typing: the beginning of a word counts as well.
  const whole = word.length - typed.length > most ? FAR : distance(typed, word);
  const found = Math.min(whole, distance(typed, word.slice(0, typed.length)));
  return found <= most ? found : FAR;
}

// Damerau and Levenshtein's, in its restricted form ("optimal string alignment").
function distance(one, other) {
  let before = [];
  let above = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= other.length; j += 1) {
      let cost = Math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1));
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      if (swapped) cost = Math.min(cost, before[j - 2] + 1);
      row.push(cost);
    }
    [before, above] = [above, row];
  }
  return above[other.length];
}

// Where nothing contains the words: names that have the letters in this order, as in "gsheets" for Google Sheets.
function hasInOrder(entry, letters) {
  if (letters.length < 3 || entry.squeezed[0] !== letters[0]) return false;
  let at = -1;
  return [...letters].every((letter) => (at = entry.squeezed.indexOf(letter, at + 1)) >= 0);
}

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const squeeze = (text) => text.replace(/[^\p{L}\p{N}]/gu, "");
