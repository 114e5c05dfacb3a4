// A value that Fivetran's list lacks: the list gives way to a text, with the listed ones as suggestions.

const ANOTHER = "__another__";

/** Whether something else than the listed values may be typed in `control`. */
export const isOpen = (control) => control.tagName === "SELECT" && [...control.options].some((option) => option.value === ANOTHER);

/** Whether somebody chose in `control` to type something else. */
export const isAsked = (control) => isOpen(control) && control.value === ANOTHER;

/** Put a text control in the place of `select`, holding `text`; the new control. */
export function typeInto(select, text = "") {
  const input = document.createElement("input");
  const suggestions = document.createElement("datalist");
  const warning = document.createElement("p");
  Object.assign(input, { type: "text", name: select.name, id: select.id, value: text, autocomplete: "off", spellcheck: false });
  input.className = select.className.replace("form-select", "form-control");
  input.placeholder = select.options[0].text;
  suggestions.id = `values_${select.name}`;
  input.setAttribute("list", suggestions.id);
  for (const { value } of select.options) if (value && value !== ANOTHER) suggestions.append(new Option("", value));
  Object.assign(warning, { className: "form-text field-note mb-0", id: `${select.id}_warning`, role: "status" });
  warning.textContent = document.getElementById("config-fields").dataset.unlisted;
  const described = select.getAttribute("aria-describedby") ?? "";
  input.setAttribute("aria-describedby", `${described.replace(warning.id, "")} ${warning.id}`.trim());
  document.getElementById(warning.id)?.remove();
  const listed = new Set([...suggestions.children].map((option) => option.value));
  const judge = () => (warning.hidden = listed.has(input.value));
  input.addEventListener("input", judge);
  judge();
  select.replaceWith(input, suggestions, warning);
  return input;
}

/** Warn in `control` of what is not listed, and of nothing else. */
export function judge(control) {
  const warning = document.getElementById(`${control.id}_warning`);
  if (warning && isOpen(control)) warning.hidden = !control.selectedOptions[0]?.text.endsWith("(not listed)");
}
