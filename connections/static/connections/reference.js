// The reference in the browser: the search follows what is typed, and paper shows what a fold hides. Without this script
// the search is sent, and the server hides the same fields.

const form = document.querySelector("[data-reference-search]");
const box = form.elements.namedItem("q");
const found = form.querySelector("[data-found]");
const entries = [...document.querySelectorAll("[data-entry]")].map((element) => ({ element, words: wordsOf(element) }));

function wordsOf(element) {
  return [...element.querySelectorAll("[data-words]")].map((part) => part.textContent).join(" ").replace(/\s+/g, " ").toLowerCase();
}

function hide(key, hidden) {
  const link = document.querySelector(`[data-contents-of="${CSS.escape(key)}"]`);
  if (link) link.hidden = hidden;
}

function search() {
  const asked = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const { element, words } of entries) {
    const fits = asked.every((word) => words.includes(word));
    element.hidden = !fits;
    hide(element.id, !fits);
    shown += fits;
  }
  for (const section of document.querySelectorAll("[data-section]")) {
    section.hidden = !section.querySelector("[data-entry]:not([hidden])");
    hide(section.dataset.section, section.hidden);
  }
  if (!asked.length) found.textContent = `${entries.length} entries`;
  else if (shown) found.textContent = `${shown} of ${entries.length} entries`;
  else found.textContent = `None of ${entries.length} entries has this. Try another word.`;
}

function remember() {
  const address = new URL(location.href);
  if (box.value.trim()) address.searchParams.set("q", box.value.trim());
  else address.searchParams.delete("q");
  history.replaceState(null, "", address);
}

box.addEventListener("input", () => {
  search();
  remember();
});

function named() {
  try {
    return document.getElementById(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return null; // an address such as "#%" names nothing
  }
}

// A link to a field that the search has hidden ends the search: what one asked for by name is what one sees.
function reveal() {
  const target = named();
  if (!target?.hidden) return;
  box.value = "";
  search();
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
if (box.value) search(); // as the browser put it back
reveal();

const closed = () => document.querySelectorAll("main details:not([open])");
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...closed()];
  for (const fold of opened) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of opened) fold.open = false;
});
