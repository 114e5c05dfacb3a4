// The form for a change of the schedule: what does not apply is hidden and not sent, by the rules of the request form.
// Without this script it works too; the server decides everything again.

import { check } from "./rules.js";

const form = document.querySelector("[data-change-form]");
const { rules, fields } = JSON.parse(document.getElementById("form-rules").textContent);
const control = (name) => form.elements.namedItem(name);

function answers() {
  const typed = Object.entries(fields).map(([name, field]) => {
    const text = control(name).value;
    return [field.path, text === "" ? null : field.type === "integer" ? Number(text) : text];
  });
  return Object.fromEntries(typed);
}

function note(name, text) {
  const box = document.getElementById(`div_id_${name}`);
  let line = box.querySelector("[data-note]");
  if (!line && !text) return;
  if (!line) {
    line = document.createElement("div");
    line.className = "form-text field-note";
    line.dataset.note = "";
    box.append(line);
  }
  line.textContent = text ? text[0].toUpperCase() + text.slice(1) : "";
}

function apply() {
  const verdict = check(answers(), rules);
  for (const [name, field] of Object.entries(fields)) {
    const hidden = field.path in verdict.hidden;
    document.getElementById(`div_id_${name}`).hidden = hidden;
    control(name).disabled = hidden;
    note(name, verdict.no_effect[field.path]);
  }
}

form.addEventListener("change", apply);
apply();
