// "Test request" on the form: the draft is saved first, as it is while one types, and its dry run then shows in place.

import { say } from "./dry_run.js";
import { texts } from "./form_backup.js";

export class DraftTest {
  constructor(form, autosave) {
    this.form = form;
    this.autosave = autosave;
    this.panel = document.getElementById("dry-run");
    this.since = this.panel?.querySelector("[data-typed-since]");
    this.tested = this.panel && !this.panel.hidden ? this.now() : "";
  }

  now() {
    return JSON.stringify(texts(this.form));
  }

  /** One at a time, however often it is pressed; where the draft is not saved, its line says why. */
  async ask(button) {
    if (this.asking) return;
    this.asking = true;
    button.setAttribute("aria-disabled", "true");
    const typed = this.now();
    const kept = await this.autosave.now();
    if (kept) await this.test(kept.id, typed);
    button.removeAttribute("aria-disabled");
    this.asking = false;
  }

  async test(id, typed) {
    this.tested = typed;
    this.panel.hidden = false;
    say("");
    this.typed();
    const values = { csrfmiddlewaretoken: this.form.elements.namedItem("csrfmiddlewaretoken").value };
    const asked = htmx.ajax("POST", this.panel.dataset.testUrl.replace("/0/", `/${id}/`), { source: this.panel, swap: "none", values });
    await asked.catch(() => null);
    this.panel.querySelector("h2").focus({ preventScroll: true });
    this.panel.scrollIntoView({ block: "start" });
  }

  /** Something was typed: what was tested is no longer what stands here. */
  typed() {
    if (this.since) this.since.hidden = !this.tested || this.tested === this.now();
  }
}
