// What was typed survives a reload, a log-out and a lost connection: it is kept in this tab (sessionStorage) until the
// server says that it has it. The form holds no secrets, so none can be kept.

import { isOpen, typeInto } from "./another.js";

const PREFIX = "request-form:";
const NEVER = new Set(["csrfmiddlewaretoken", "keep", "version", "edited", "action", "drawn_for"]);

/** The texts of `form` as name -> string or boolean, hidden and disabled controls included. */
export function texts(form) {
  const found = {};
  for (const control of form.elements) {
    if (!control.name || NEVER.has(control.name) || control.type === "submit") continue;
    if (control.type === "radio" && !control.checked) continue;
    found[control.name] = control.type === "checkbox" ? control.checked : control.value;
  }
  return found;
}

/** Whether the controls hold what the server drew: a browser puts back by itself what was typed before. */
export function isAsDrawn(form) {
  return [...form.elements].every((control) => {
    if (!control.name || NEVER.has(control.name)) return true;
    if (control.type === "checkbox" || control.type === "radio") return control.checked === control.defaultChecked;
    if (control.tagName !== "SELECT") return control.defaultValue === undefined || control.value === control.defaultValue;
    const drawn = [...control.options].findLast((option) => option.defaultSelected) ?? control.options[0];
    return !drawn || control.value === drawn.value;
  });
}

/** Put `values` into the controls of `form` that exist; a text that a list neither offers nor takes is left alone. */
export function fill(form, values) {
  for (const [name, value] of Object.entries(values)) {
    const control = form.elements.namedItem(name);
    if (!control || NEVER.has(name)) continue;
    if (control.type === "checkbox") control.checked = value === true;
    else if (control.tagName !== "SELECT" || [...control.options].some((option) => option.value === value)) control.value = value;
    else if (isOpen(control)) typeInto(control, value);
  }
}

/** The memory of one form on one address. Storage may be forbidden or full: then nothing is kept, and nothing breaks. */
export class Memory {
  constructor(form) {
    this.form = form;
    // The form is one, whichever service is chosen in it.
    const query = new URLSearchParams(location.search);
    for (const name of ["service", "q", "category"]) query.delete(name);
    this.key = PREFIX + location.pathname + (query.size ? `?${query}` : "");
  }

  read() {
    try {
      const entry = JSON.parse(sessionStorage.getItem(this.key));
      const mine = entry && entry.user === this.form.dataset.user && !filed().includes(entry.keep);
      if (entry && !mine) this.forget();
      return mine ? entry : null;
    } catch {
      return null;
    }
  }

  write() {
    const { user, draft, version } = this.form.dataset; // texts typed into a draft that changed since must not replace it
    const entry = { user, draft, version, keep: this.form.elements.namedItem("keep").value, texts: texts(this.form) };
    try {
      sessionStorage.setItem(this.key, JSON.stringify(entry));
    } catch {
      return;
    }
  }

  forget() {
    try {
      sessionStorage.removeItem(this.key);
    } catch {
      return;
    }
  }
}

/** The names of the forms that the server has stored, from its cookie. */
function filed() {
  return document.cookie.split("; ").filter((pair) => pair.startsWith("filed=")).map((pair) => pair.slice(6));
}
