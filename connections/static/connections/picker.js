// The service picker: a combobox with a list (WAI-ARIA APG, "editable combobox with list autocomplete") before the plain
// select, which stays the form's control and is all there is without this script. What is typed searches name, id and
// category; the list itself comes from the server once, and from the select's own options until then.

import { prepare, search } from "./search.js";

const SHOWN = 50; // options drawn at once: nobody reads more, and every key redraws them
const PAGE = 10; // options that PageUp and PageDown jump over

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const element = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });

class Picker {
  constructor(select) {
    this.select = select;
    this.found = [];
    this.active = -1;
    this.entries = prepare([...select.options].filter((option) => option.value).map(fromOption));
    this.build();
    this.listen();
    this.settle();
    this.load();
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  // --- the pieces ---
  build() {
    const { select } = this;
    this.box = element("div", "picker");
    this.input = element("input", "form-control form-select picker-input");
    Object.assign(this.input, { type: "text", id: `${select.id}_search`, autocomplete: "off", spellcheck: false, placeholder: "Type a name, an id or a category" });
    this.input.setAttribute("autocapitalize", "off");
    const label = select.labels[0]?.textContent.trim() || "Service";
    const described = select.getAttribute("aria-describedby");
    const listId = `${select.id}_list`;
    const roles = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": listId, "aria-label": `${label}: search by name, id or category` };
    for (const [name, value] of Object.entries(roles)) this.input.setAttribute(name, value);
    if (described) this.input.setAttribute("aria-describedby", described);
    if (select.classList.contains("is-invalid")) {
      this.input.classList.add("is-invalid");
      this.input.setAttribute("aria-invalid", "true");
    }
    this.list = element("ul", "picker-list");
    this.list.id = listId;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Services");
    this.more = element("p", "picker-more");
    this.panel = element("div", "picker-panel");
    this.panel.hidden = true;
    this.panel.append(this.list, this.more);
    this.said = element("p", "visually-hidden");
    this.said.setAttribute("role", "status");
    this.about = element("p", "picker-about form-text");
    this.about.id = `${select.id}_about`;
    this.about.hidden = true;
    this.box.append(this.input, this.panel, this.said);
    select.before(this.box);
    select.after(this.about);
    select.classList.add("picker-native");
    select.tabIndex = -1;
    select.setAttribute("aria-hidden", "true");
    this.input.disabled = select.disabled;
  }

  listen() {
    const { input, select, panel } = this;
    // A click on the label, or a link of the error summary, arrives at the control: it is handed on.
    select.addEventListener("focus", () => input.focus());
    select.addEventListener("change", () => this.settle());
    for (const kind of ["input", "change"]) input.addEventListener(kind, (event) => event.stopPropagation());
    input.addEventListener("input", () => this.show());
    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => this.isOpen || this.show({ all: true }));
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => this.leave());
    // The focus stays in the input; only a click, and not a touch that scrolls, chooses.
    panel.addEventListener("mousedown", (event) => event.preventDefault());
    panel.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.choose(this.found[Number(option.dataset.at)]);
    });
  }

  async load() {
    try {
      const answer = await fetch(this.select.dataset.services, { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) return;
      const { services, aliases, fetched_at: fetchedAt } = await answer.json();
      this.fetchedAt = fetchedAt;
      this.aliases = aliases;
      const offered = new Set(this.entries.map((entry) => entry.id));
      const rows = services.map(([id, name, category, lifecycle, guide, recommended, note]) => ({ id, name, category, lifecycle, guide, recommended, note }));
      const known = new Set(rows.map((row) => row.id));
      // What a person chose before and is offered no longer stays in the list, to be seen.
      const kept = this.entries.filter((entry) => !known.has(entry.id));
      for (const row of rows) if (!offered.has(row.id)) this.select.add(new Option(row.name, row.id));
      this.entries = prepare([...kept, ...rows]);
    } catch {
      return; // the select's own options serve
    }
    if (this.isOpen) this.show();
    else this.settle();
  }

  // --- the list ---
  show({ all = false, move = 0 } = {}) {
    const words = all || this.input.value === this.chosenText ? "" : this.input.value;
    const found = search(this.entries, words, this.aliases);
    this.found = found.slice(0, SHOWN);
    const chosen = this.found.findIndex((entry) => entry.id === this.select.value);
    this.list.replaceChildren(...this.rows(words));
    this.options = [...this.list.querySelectorAll("[role=option]")];
    const rest = found.length - this.found.length;
    const none = `No service is called “${words.trim().slice(0, 60)}”.`;
    const facts = [rest ? `${rest} more: type to narrow them down` : "", this.age()];
    this.more.textContent = found.length ? facts.filter(Boolean).join(" · ") : none;
    this.more.hidden = !this.more.textContent;
    this.list.hidden = !found.length;
    this.panel.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.said.textContent = found.length ? `${found.length} service${found.length === 1 ? "" : "s"}` : none;
    if (words.trim()) this.point(0);
    else this.point(chosen >= 0 ? chosen : move > 0 ? 0 : move < 0 ? this.found.length - 1 : -1);
  }

  // How old the portal's copy of Fivetran's list is.
  age() {
    const minutes = Math.round((Date.now() - new Date(this.fetchedAt ?? NaN)) / 60000);
    if (Number.isNaN(minutes)) return "";
    const [number, unit] = minutes < 60 ? [minutes, "minute"] : minutes < 2880 ? [Math.round(minutes / 60), "hour"] : [Math.round(minutes / 1440), "day"];
    return `as Fivetran listed them ${ago.format(-Math.max(number, 0), unit)}`;
  }

  rows(words) {
    const rows = [];
    const grouped = !words.trim() && this.found.some((entry) => entry.recommended);
    let list = null;
    let heading = "";
    this.found.forEach((entry, at) => {
      const title = entry.recommended ? "Recommended by your company" : "All services";
      if (grouped && title !== heading) {
        heading = title;
        const group = element("li", "picker-group");
        const name = element("span", "picker-heading", title);
        name.id = `${this.list.id}_${rows.length}`;
        list = element("ul", "picker-list");
        list.setAttribute("role", "group");
        list.setAttribute("aria-labelledby", name.id);
        group.setAttribute("role", "presentation");
        group.append(name, list);
        rows.push(group);
      }
      if (list) list.append(this.row(entry, at, grouped));
      else rows.push(this.row(entry, at, grouped));
    });
    return rows;
  }

  row(entry, at, grouped) {
    const row = element("li", "picker-option");
    row.id = `${this.list.id}_at_${at}`;
    row.dataset.at = at;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(entry.id === this.select.value));
    const symbol = element("span", "picker-symbol", initials(entry.name));
    symbol.setAttribute("aria-hidden", "true");
    const text = element("span", "picker-text");
    text.append(element("span", "picker-name", entry.name), element("span", "picker-id", [entry.id, entry.category].filter(Boolean).join(" · ")));
    row.append(symbol, text);
    if (entry.lifecycle) row.append(element("span", "tag tag-warning", entry.lifecycle));
    if (entry.recommended && !grouped) row.append(element("span", "tag tag-success", "recommended"));
    return row;
  }

  point(at) {
    this.options[this.active]?.classList.remove("picker-active");
    this.active = at;
    const option = this.options[at];
    option?.classList.add("picker-active");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.panel.hidden = true;
    this.active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  // --- keys ---
  key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE };
    if (event.isComposing) return;
    if (event.key in steps) {
      event.preventDefault();
      this.move(steps[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault(); // it chooses, and never sends the form
      if (this.isOpen && this.active >= 0) this.choose(this.found[this.active]);
      else if (!this.isOpen) this.show();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (!this.isOpen) this.input.value = "";
      else this.settle();
    }
  }

  move(step) {
    if (!this.isOpen) {
      this.show({ move: step });
      return;
    }
    const last = this.found.length - 1;
    if (last < 0) return;
    const at = this.active + step;
    if (Math.abs(step) === 1) this.point(at > last ? 0 : at < 0 ? last : at);
    else this.point(Math.min(Math.max(at, 0), last));
  }

  // --- choosing ---
  choose(entry) {
    const changed = this.select.value !== (entry?.id ?? "");
    this.select.value = entry?.id ?? "";
    this.settle();
    this.said.textContent = entry ? `${entry.name} is chosen` : "";
    if (!changed) return;
    for (const kind of ["input", "change"]) this.select.dispatchEvent(new Event(kind, { bubbles: true }));
  }

  // What was typed and not chosen: a whole name or id is taken, nothing at all takes the choice back, else it stays.
  leave() {
    const words = this.input.value.trim().toLowerCase();
    if (this.input.value === this.chosenText) this.settle();
    else if (!words) this.choose(null);
    else {
      const same = this.entries.filter((entry) => entry.id === words || entry.lowName === words);
      if (same.length === 1) this.choose(same[0]);
      else this.settle();
    }
  }

  // Show what the control holds.
  settle() {
    const { select } = this;
    const entry = this.entries.find((one) => one.id === select.value);
    this.chosenText = select.value ? (entry?.name ?? select.selectedOptions[0]?.textContent ?? "") : "";
    this.input.value = this.chosenText;
    this.close();
    this.tell(entry);
  }

  tell(entry) {
    const parts = [];
    if (entry?.lifecycle) parts.push(element("span", "tag tag-warning", entry.lifecycle));
    if (entry?.note) parts.push(element("span", "", entry.note));
    if (entry?.guide?.startsWith("https://")) {
      const link = element("a", "", `Fivetran’s guide to ${entry.name}`);
      Object.assign(link, { href: entry.guide, rel: "noopener noreferrer", target: "_blank" });
      link.append(element("span", "visually-hidden", " (opens in a new tab)"));
      parts.push(link);
    }
    this.about.replaceChildren(...parts.flatMap((part) => [part, " "]));
    this.about.hidden = !parts.length;
  }
}

function fromOption(option) {
  const name = option.textContent.trim();
  return { id: option.value, name, category: "", lifecycle: "", guide: "", recommended: false, note: "" };
}

/** Two letters that stand for a service: the foreign picture would tell Fivetran who is looking. */
function initials(name) {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? ["?"];
  return (words.length > 1 ? words[0][0] + words[1][0] : words[0].slice(0, 2)).toUpperCase();
}

for (const select of document.querySelectorAll("select[data-services]")) new Picker(select);
