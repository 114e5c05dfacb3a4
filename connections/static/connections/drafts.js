// Drafts saved as one types: the form's text goes to the server a moment after the last key, into one draft of its own.
// It says when it did, and what hinders it; a lost network is waited for. What is typed stays in the tab besides.

import { texts } from "./form_backup.js";

const PAUSE = 1500; // ms without a key
const LONGEST = 10_000; // ms of typing without a pause
const PATIENCE = 8000; // ms for an answer
const RETRIES = [3000, 6000, 15_000, 30_000]; // ms, the last one again and again

const ANSWERED = [409, 422, 429]; // with words: it changed elsewhere, it is too large, there are too many
const KEPT = "What you typed is kept in this tab.";

/** A refusal that trying again would not change. */
class Refused extends Error {}

export class Autosave {
  /**
   * `saved` is called with the JSON of the form's texts that the server now holds, `left` once the last words are on
   * their way, after which nobody here knows the draft's version.
   */
  constructor(form, { saved, left }) {
    this.form = form;
    this.saved = saved;
    this.left = left;
    this.said = form.querySelector("[data-draft-status]");
    this.stopped = !form.dataset.autosave;
    this.unsaved = false;
    this.since = 0;
    this.timer = 0;
    this.failures = 0;
    this.running = null;
    this.held = ""; // the texts that the server was last heard to hold
    for (const click of ["click", "auxclick"]) form.addEventListener(click, (event) => this.beside(event.target.closest("a.field-reference")));
    addEventListener("online", () => this.unsaved && this.save());
    addEventListener("pagehide", () => this.leave());
  }

  /** Something was typed. */
  typed() {
    if (this.stopped) return;
    this.unsaved = true;
    this.since ||= Date.now();
    this.wait(Math.max(0, Math.min(PAUSE, this.since + LONGEST - Date.now())));
  }

  /** Save no more: the form is being sent. Resolves when nothing is on its way any longer. */
  async stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  /** Delete the draft of this form, if the server has one. */
  async discard() {
    await this.stop();
    try {
      await fetch(this.form.dataset.discard, { method: "POST", body: this.body(), signal: AbortSignal.timeout(PATIENCE) });
    } catch {
      return; // it stays among the drafts
    }
  }

  wait(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), delay);
  }

  save() {
    if (this.stopped || !this.unsaved || this.running) return;
    this.begin();
  }

  /** Save at once, whatever was typed; the draft's id and version, or null where it is not saved. */
  async now() {
    clearTimeout(this.timer);
    await this.running;
    return this.stopped ? null : this.begin();
  }

  begin() {
    this.running = this.send().finally(() => {
      this.running = null;
      if (this.unsaved && !this.stopped) this.wait(this.failures ? RETRIES[Math.min(this.failures, RETRIES.length) - 1] : PAUSE);
    });
    return this.running;
  }

  async send() {
    const sent = JSON.stringify(texts(this.form));
    this.unsaved = false;
    this.since = 0;
    try {
      const answer = await fetch(this.form.dataset.autosave, {
        method: "POST",
        body: this.body(),
        signal: AbortSignal.timeout(PATIENCE),
      });
      const kept = await read(answer);
      this.stored(kept, sent);
      return kept;
    } catch (trouble) {
      this.failed(trouble);
      return null;
    }
  }

  stored({ id, version }, sent) {
    this.failures = 0;
    this.form.dataset.draft = id;
    knows(this.form, version);
    this.held = sent;
    this.saved(sent);
    this.saidAt = Date.now();
    this.sayAge();
  }

  /** A link to the reference, which then shows the settings of this draft. */
  beside(link) {
    const { draft } = this.form.dataset;
    if (!link || !draft) return;
    const address = new URL(link.href);
    address.searchParams.set("request", draft);
    link.href = address;
  }

  // How long ago: of use to the eye, and no news for a screen reader.
  sayAge() {
    clearTimeout(this.aging);
    const seconds = Math.round((Date.now() - this.saidAt) / 1000);
    const age = seconds < 60 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
    if (!this.age?.isConnected) {
      this.age = Object.assign(document.createElement("span"), { ariaHidden: "true" });
      this.said.replaceChildren("Draft saved ", this.age);
    }
    this.age.textContent = age;
    this.aging = setTimeout(() => this.sayAge(), seconds < 60 ? 5000 : 60_000);
  }

  failed(trouble) {
    if (trouble instanceof Refused) {
      this.say(trouble.message);
      return;
    }
    this.unsaved = true;
    this.failures += 1;
    const seconds = RETRIES[Math.min(this.failures, RETRIES.length) - 1] / 1000;
    this.say(`The draft is not saved: the portal does not answer. Trying again every ${seconds} seconds. ${KEPT}`);
  }

  /** The last words, as the page goes away. */
  leave() {
    if (this.stopped || !this.unsaved || JSON.stringify(texts(this.form)) === this.held) return;
    fetch(this.form.dataset.autosave, { method: "POST", body: this.body(), keepalive: true }).catch(() => null);
    this.form.dataset.version = "";
    this.left();
  }

  body() {
    const body = new URLSearchParams(new FormData(this.form));
    body.delete("action");
    body.set("user", this.form.dataset.user);
    if (this.form.dataset.version) body.set("version", this.form.dataset.version);
    return body;
  }

  say(words) {
    clearTimeout(this.aging);
    if (this.said && this.said.textContent !== words) this.said.textContent = words;
  }
}

/** The form's texts belong to this version of its draft: the server refuses them where the draft has another by now. */
export function knows(form, version) {
  form.dataset.version = version;
  const known = form.elements.namedItem("version");
  if (known) known.value = version;
}

async function read(answer) {
  if (answer.redirected || answer.status === 403) {
    throw new Refused(`The draft is not saved: you were logged out. ${KEPT} Log in again, and it is back.`);
  }
  if (ANSWERED.includes(answer.status)) throw new Refused((await answer.json()).words);
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}
