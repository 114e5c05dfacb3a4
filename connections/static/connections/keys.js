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

const KEYS = {
  "/": search,
  j: () => move(1),
  k: () => move(-1),
  a: approve,
  "?": () => document.querySelector("#keys")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  if (!act || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest?.(TYPING)) return;
  event.preventDefault();
  act();
});
