// Keys of the lists: / search, j and k rows, a approval, ? this list. None of them fires while somebody types, and none
// changes anything: they move the focus, or open a page.

const ROWS = "tr[data-request-id], tr[data-change-id], .row-list > li";
const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog[open]";

const rows = () => [...document.querySelectorAll(ROWS)].filter((row) => row.offsetParent !== null);
const linkOf = (row) => row?.querySelector("a[href]");
const current = () => document.activeElement?.closest?.(ROWS);

function move(step) {
  const all = rows();
  const place = all.indexOf(current());
  const next = all[place < 0 ? (step > 0 ? 0 : all.length - 1) : place + step];
  linkOf(next)?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function search() {
  const box = document.querySelector("[data-search]");
  if (box) box.focus();
  else location.assign("/requests/");
}

function approve() {
  const buttons = [...document.querySelectorAll("main button[type=submit]:enabled")];
  const button = buttons.find((one) => one.textContent.trim().startsWith("Approve"));
  if (button) button.focus();
  else linkOf(current() ?? rows()[0])?.click();
}

// Who speaks to the computer would press them by a word: so they can be turned off (WCAG 2.1.4).
const OFF = "keys-off";
const turned = () => {
  try {
    return localStorage.getItem(OFF) === "yes";
  } catch {
    return false; // storage can be forbidden
  }
};
const list = document.querySelector("#keys");
const box = document.querySelector("[data-keys-off]");

function show() {
  box.checked = turned();
  list.showModal();
}

document.querySelector("[data-keys]")?.addEventListener("click", show);
box?.addEventListener("change", () => {
  try {
    localStorage.setItem(OFF, box.checked ? "yes" : "no");
  } catch {
    box.checked = false; // then the choice cannot be kept
  }
});

const KEYS = {
  "/": search,
  j: () => move(1),
  k: () => move(-1),
  a: approve,
  "?": show,
};

document.addEventListener("keydown", (event) => {
  const act = list && KEYS[event.key]; // a page without a reader has no list of keys
  if (!act || turned() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest?.(TYPING)) return;
  event.preventDefault();
  act();
});
