// "Test request" on the form: the draft is saved first, as it is while one types, and its dry run then shows in place.

import { askFor, refuse } from "./dry_run.js";
import { isAsDrawn, texts } from "./form_backup.js";

const UNKNOWN = "unknown"; // what was tested is not what the server drew

export class DraftTest {
  constructor(form, autosave) {
    this.form = form;
    this.autosave = autosave;
    this.panel = document.getElementById("dry-run");
    this.since = this.panel?.querySelector("[data-typed-since]");
    this.isAsDrawn = isAsDrawn(form); // or the browser put texts back by itself
    this.tested = ""; // the form's texts that were tested
  }

  now() {
    return JSON.stringify(texts(this.form));
  }

  /** The form is as the reader finds it: what the server drew, or, `restored`, what this tab kept. */
  begin({ restored, redrawn }) {
    if (!this.panel) return;
    if (this.panel.hidden && this.form.dataset.draft) this.find(redrawn);
    const isSame = this.isAsDrawn && !restored && this.since.hidden;
    if (!this.panel.hidden) this.tested = isSame ? this.now() : UNKNOWN;
    this.typed();
  }

  /** A form that is loaded again knows its draft only by what this tab kept: the panel of that, if it was tested. */
  async find(redrawn) {
    await redrawn;
    const isSaved = this.form.dataset.version && !this.autosave.unsaved;
    const typed = isSaved ? this.now() : UNKNOWN;
    await htmx.ajax("GET", this.address(this.form.dataset.draft), { source: this.panel, swap: "none" }).catch(() => null);
    if (this.tested || !this.panel.querySelector("[data-checks]")) return;
    this.tested = typed;
    this.panel.hidden = false;
    this.typed();
  }

  address(draft) {
    return this.panel.dataset.testUrl.replace("/0/", `/${draft}/`);
  }

  /** One at a time, however often it is pressed; where the draft is not saved, its line says why. */
  async ask(button) {
    if (this.asking) return;
    this.asking = true;
    const words = button.textContent;
    button.setAttribute("aria-disabled", "true");
    button.textContent = button.dataset.sending;
    try {
      const kept = await this.autosave.now();
      if (kept) await this.test(kept.id, this.autosave.held);
      if (kept) this.lead(button);
    } catch {
      this.panel.hidden = false;
      refuse("The test was not asked for. Load this page again.");
    } finally {
      button.textContent = words;
      button.removeAttribute("aria-disabled");
      this.asking = false;
    }
  }

  async test(id, typed) {
    const values = { csrfmiddlewaretoken: this.form.elements.namedItem("csrfmiddlewaretoken").value };
    const isAskedFor = await askFor(this.address(id), this.panel, values);
    if (isAskedFor) this.tested = typed;
    this.panel.hidden = false;
    this.typed();
  }

  // Whoever types on meanwhile is left where they are.
  lead(button) {
    if (![button, document.body, null].includes(document.activeElement)) return;
    this.panel.querySelector("h2").focus({ preventScroll: true });
    this.panel.scrollIntoView({ block: "start" });
  }

  /** Something was typed, or came by itself: what was tested is no longer what stands here. */
  typed() {
    if (this.since) this.since.hidden = !this.tested || this.tested === this.now();
  }
}
