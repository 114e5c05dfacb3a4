// Parts of an open page that are exchanged: what the reader did with the old one is so in the new one.

/** What the reader opened or closed in `old` is so in `next`, and the focus stays where it was. */
export function keep(old, next) {
  for (const was of old.querySelectorAll("details[id]")) {
    const is = next.querySelector(`#${CSS.escape(was.id)}`);
    if (is) is.open = was.open;
  }
  const focused = document.activeElement;
  if (!old.contains(focused)) return;
  const same = place(focused);
  if (same) document.addEventListener("htmx:afterSettle", () => document.querySelector(same)?.focus({ preventScroll: true }), { once: true });
}

/** A selector that finds the element again after a swap; htmx itself finds those that have an id. */
function place(element) {
  if (element.matches("details[id] > summary")) return `#${CSS.escape(element.parentElement.id)} > summary`;
  if (element.matches("[data-copy]")) return `[data-copy="${CSS.escape(element.dataset.copy)}"]`;
  return "";
}
