// The destination's name: the buttons that take over a suggested one, and the rule's name by itself while the control
// is empty or still holds what the rule said before. What is suggested is drawn by the server.

let given = ""; // the name that the rule gave last

function use(button) {
  const control = document.getElementById(button.dataset.useFor);
  if (!control) return;
  control.value = button.dataset.useName;
  if ("byRule" in button.dataset) given = control.value;
  control.dataset.proposed = control.value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-use-name]");
  if (!button) return;
  use(button);
  document.getElementById(button.dataset.useFor)?.focus();
});

// After each drawing of the review; never under somebody's hands.
document.addEventListener("review-drawn", () => {
  const button = document.querySelector("#name-notes [data-by-rule]");
  const control = button && document.getElementById(button.dataset.useFor);
  if (!control || control === document.activeElement) return;
  if (control.value === "" || control.value === given) use(button);
});
