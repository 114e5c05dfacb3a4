// Rows that are ticked are exported alone; a press anywhere on a row opens it, unless text was selected.
const rows = document.querySelector(".list-requests");
const words = document.querySelector("[data-export-words]");
const all = document.querySelector("[data-tick-all]");
const boxes = [...document.querySelectorAll(".cell-tick input")];

function count() {
  const ticked = boxes.filter((box) => box.checked).length;
  words.textContent = ticked ? `Export ${ticked} ticked:` : "Export all:";
  all.checked = ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
}

if (rows) {
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    count();
  });
  rows.addEventListener("change", count);
  window.addEventListener("pageshow", count); // the browser may have kept the ticks
  rows.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-request-id]");
    if (!row || event.target.closest("a, button, input, label, .cell-tick") || !getSelection().isCollapsed) return;
    const link = row.querySelector(".row-link");
    if (event.ctrlKey || event.metaKey) window.open(link.href, "_blank", "noopener");
    else link.click();
  });
}
