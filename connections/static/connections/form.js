// The request form in the browser: what does not apply is hidden and not sent, the review follows what is typed, and
// nothing typed is lost. Without this script the form works too; the server decides everything again.

import { isAsked, judge, typeInto } from "./another.js";
import { Autosave, knows } from "./drafts.js";
import { Memory, fill, texts } from "./form_backup.js";
import { DraftTest } from "./form_test.js";
import { check, whyForced, whyRefused } from "./rules.js";

const form = document.querySelector("[data-request-form]");
const ofRequest = JSON.parse(document.getElementById("form-rules").textContent);
let { rules, fields } = ofRequest; // with those of the chosen service: see readConfig
const review = document.getElementById("review");
const said = form.querySelector("[data-form-status]");
const RETURN = "connect_card_config__redirect_uri"; // the only text that is there before anybody types
const memory = new Memory(form);
const autosave = new Autosave(form, {
  saved: (kept) => {
    original = kept;
    memory.write();
  },
  left: () => memory.write(),
});
const draftTest = new DraftTest(form, autosave);
const typed = {}; // what was typed in controls that a change of the service took away
let original = "";
let begun = {}; // the texts that the form began with
let suggestsCard = false;
let leaving = false;
let redrawn = null; // once the controls of the service that this tab kept stand there

const control = (name) => form.elements.namedItem(name);
const nameOf = (path) => path.replaceAll(".", "__");

function answer(name) {
  const element = control(name);
  if (element.type === "checkbox") return element.dataset.chosen ? element.dataset.chosen === "true" : element.checked;
  if (element.value === "") return null;
  if (fields[name].type === "boolean") return element.value === "true";
  // What is no number stays a text, so that the rules can say so.
  const isNumber = fields[name].type === "integer" && !Number.isNaN(Number(element.value));
  return isNumber ? Number(element.value) : element.value;
}

function answers() {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [field.path, answer(name)]));
}

function note(name, text) {
  const box = document.getElementById(`div_id_${name}`);
  let line = box?.querySelector(":scope > [data-note]");
  if (!box || (!line && !text)) return;
  if (!line) {
    line = document.createElement("div");
    line.className = "form-text field-note";
    line.dataset.note = "";
    line.id = `id_${name}_note`;
    box.append(line);
    const described = box.tagName === "FIELDSET" ? box : control(name);
    const before = described.getAttribute("aria-describedby");
    described.setAttribute("aria-describedby", [before, line.id].filter(Boolean).join(" "));
  }
  line.textContent = text ? text[0].toUpperCase() + text.slice(1) : "";
}

// A refused value that does not apply stays in sight until somebody changes an answer; it is not sent either way.
function hide(path, hidden, { first }) {
  const name = nameOf(path);
  const box = document.getElementById(`div_id_${name}`);
  if (!box) return;
  if (box.tagName === "FIELDSET") {
    box.hidden = hidden && !(first && box.querySelector(".field-error"));
    box.disabled = hidden;
    return;
  }
  const refused = first && document.getElementById(`id_${name}_error`);
  box.hidden = hidden && !refused;
  control(name).disabled = hidden;
}

function force(path, forced, reason) {
  const element = control(nameOf(path));
  if (reason && !element.dataset.chosen) {
    element.dataset.chosen = String(element.checked);
    element.checked = forced;
    element.disabled = true;
  } else if (!reason && element.dataset.chosen) {
    element.checked = element.dataset.chosen === "true";
    element.disabled = false;
    delete element.dataset.chosen;
  }
  note(nameOf(path), reason);
}

// The rules and the types of the chosen service come with its controls.
function readConfig() {
  const own = JSON.parse(document.getElementById("config-rules").textContent);
  rules = [...ofRequest.rules, ...own.rules];
  fields = { ...ofRequest.fields, ...own.fields };
  suggestsCard = own.suggestsCard;
}

// Another service has another default for the hand-over, as the server would have drawn it.
function suggestCard() {
  const card = control("use_connect_card");
  if (card?.type !== "checkbox") return; // a preset decides
  card.checked = suggestsCard;
  apply();
  memory.write();
  ask(0);
}

// --- the gallery: a tile chooses at once, and the address names what is chosen ---
function showGallery() {
  const gallery = document.getElementById("gallery");
  if (gallery) gallery.hidden = Boolean(control("service").value);
  const presets = document.querySelector(".presets");
  if (presets) presets.hidden = Boolean(control("service").value);
}

function choose(service) {
  const select = control("service");
  if (select.value === service) return;
  select.value = service;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

const named = () => new URLSearchParams(location.search).get("service") ?? "";

function nameService() {
  const { value } = control("service");
  if (!form.dataset.address || value === named()) return;
  const query = new URLSearchParams(location.search);
  for (const name of ["q", "category", "service"]) query.delete(name);
  if (value) query.set("service", value);
  const address = `${form.dataset.address}${query.size ? `?${query}` : ""}`;
  // Back leads from a chosen service to the gallery, not through all the services that were tried.
  if (named()) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}

document.addEventListener("click", (event) => {
  const tile = event.target.closest("[data-choose]");
  if (!tile || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  choose(tile.dataset.choose);
  document.getElementById("id_service_search")?.focus();
  scrollTo(0, 0);
});
addEventListener("popstate", () => form.dataset.address && choose(named()));
document.addEventListener("htmx:afterSettle", showGallery);

const of = (effect) => new Set(rules.filter((rule) => rule.effect === effect).map((rule) => rule.path));

// What is idle or doubtful is said while it is typed; nothing moves before the control is left.
function doubt(verdict) {
  const doubts = { ...verdict.no_effect, ...verdict.warned, ...verdict.refused };
  const doubted = ["applies", "no_effect", "advised", "warned", "refused"].flatMap((effect) => [...of(effect)]);
  for (const path of new Set(doubted)) note(nameOf(path), doubts[path]);
}

function apply({ first = false } = {}) {
  const now = answers();
  const verdict = check(now, rules);
  for (const path of [...of("applies"), ...of("advised")]) hide(path, path in verdict.hidden, { first });
  for (const path of of("forced")) force(path, verdict.forced[path], whyForced(path, now, rules));
  doubt(verdict);
  for (const path of of("refused")) narrow(path, now);
  showGallery();
}

// A list offers only what goes with the other answers; what is chosen stays.
function narrow(path, now) {
  for (const option of control(nameOf(path))?.options ?? []) {
    const out = !option.selected && Boolean(whyRefused(path, option.value, now, rules));
    option.hidden = out;
    option.disabled = out;
  }
}

// --- the review and the fields of the service, both drawn by the server ---
let waiting = 0;
const latest = { review: 0, config: 0 };

// The body of the answer, or null where a newer question was asked meanwhile or no usable answer came.
async function fragment(kind, url, options) {
  const number = ++latest[kind];
  try {
    const answer = await fetch(url, options);
    const text = await answer.text();
    if (number !== latest[kind] || leaving) return null;
    if (answer.redirected) throw new Error("You were logged out. What you typed is kept in this tab: log in again, and it is back.");
    if (!answer.ok) throw new Error("The portal cannot draw this just now, so the review may be behind. What you typed is kept.");
    said.textContent = "";
    return new DOMParser().parseFromString(text, "text/html").body;
  } catch (trouble) {
    const away = "The portal does not answer just now, so the review may be behind. What you typed is kept.";
    if (number === latest[kind] && !leaving) said.textContent = trouble instanceof TypeError ? away : trouble.message;
    return null;
  }
}

function ask(delay) {
  clearTimeout(waiting);
  waiting = setTimeout(drawReview, delay);
}

async function drawReview() {
  const drawn = await fragment("review", review.dataset.url, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!drawn) return;
  for (const words of drawn.querySelectorAll("[data-words]")) {
    const line = document.getElementById(words.dataset.words);
    if (line) line.textContent = words.textContent;
    words.remove();
  }
  for (const part of drawn.querySelectorAll("[data-into]")) {
    const place = document.getElementById(part.dataset.into);
    if (place && place.textContent !== part.textContent) place.replaceChildren(...part.childNodes);
    part.remove();
  }
  const open = [...review.querySelectorAll("details")].map((details) => details.open);
  review.replaceChildren(...drawn.childNodes);
  review.querySelectorAll("details").forEach((details, at) => (details.open = open[at]));
  document.dispatchEvent(new Event("review-drawn"));
}

// The controls that follow from the service, drawn anew: for another service, or with an entry of a list more or less.
async function swapConfig(action = "fields") {
  const holder = document.getElementById("config-fields");
  const holders = [...document.querySelectorAll("[data-of-service]")];
  for (const name of Object.keys(typed)) if (/__\d+__/.test(name) && action !== "fields") delete typed[name];
  const here = holders.flatMap((one) => [...one.querySelectorAll("input, select, textarea")]).map((element) => [element.name, element.value]);
  // The server takes so many: of what was typed for other services, the first of it goes along.
  const drawnHere = new Set(here.map(([name]) => name));
  const before = Object.entries(typed).filter(([name, text]) => text && !drawnHere.has(name));
  const kept = before.slice(0, Math.max(0, Number(holder.dataset.most) - here.length));
  Object.assign(typed, Object.fromEntries(here));
  const body = new URLSearchParams({ ...Object.fromEntries([...kept, ...here]), ...others(), action });
  const drawn = await fragment("config", holder.dataset.url, { method: "POST", body });
  if (!drawn) return false;
  const opened = document.querySelector("#group_source")?.open && action !== "fields";
  for (const one of drawn.querySelectorAll("[data-of-service]")) document.getElementById(one.id).replaceWith(one);
  if (opened) document.getElementById("group_source").open = true;
  readConfig();
  apply({ first: true });
  memory.write();
  draftTest.typed();
  ask(0);
  return true;
}

// What stands outside the controls of the service, as a browser would send it.
function others() {
  return Object.fromEntries([...new FormData(form)].filter(([name]) => !name.startsWith("config__")));
}

// Adding and removing entries of a list: without this script the buttons send the whole form.
form.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-entry]");
  if (!button) return;
  event.preventDefault();
  const { value } = button;
  const list = button.dataset.entry;
  if (!(await swapConfig(value))) return;
  autosave.typed();
  const entries = document.querySelectorAll(`[data-entry-of="${list}"]`);
  const next = value.startsWith("add:") && entries.length ? entries[entries.length - 1] : document.getElementById(`div_id_${list}`);
  next.querySelector("input, select, textarea")?.focus();
});

// --- typing ---
// A choice is made again in a moment; a text is worth a draft. A draft that exists follows every change.
function hasTyped() {
  if (form.dataset.version || autosave.held) return true;
  const typedIn = (one) => one.name && /^text(area)?$/.test(one.type) && one.value !== (begun[one.name] ?? "");
  return [...form.elements].some((one) => typedIn(one) && one.value !== one.dataset.proposed);
}

form.addEventListener("input", () => {
  doubt(check(answers(), rules));
  draftTest.typed();
  memory.write();
  if (hasTyped()) autosave.typed();
  ask(500);
});
form.addEventListener("change", (event) => {
  if (isAsked(event.target)) typeInto(event.target).focus();
  else judge(event.target);
  apply();
  if (event.target.name === "service") {
    nameService();
    swapConfig().then((drawn) => drawn && suggestCard());
  }
  memory.write();
  draftTest.typed();
  if (hasTyped()) autosave.typed();
  ask(150);
});

// A link to a control (of the error summary, of the review, of the reference) opens the group that holds it.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#id_']");
  const target = link && document.getElementById(link.hash.slice(1));
  if (!target) return;
  event.preventDefault();
  leadTo(target);
});

function leadTo(target) {
  const group = target.closest("details");
  if (group) group.open = true;
  target.closest("[data-field]").hidden = false;
  // Of radio buttons the chosen one takes the focus.
  (target.closest("[data-field]").querySelector("input[type=radio]:checked") ?? target).focus();
  target.closest("[data-field]").scrollIntoView({ block: "nearest" });
}

// --- sending once, leaving with care ---
form.addEventListener("submit", (event) => {
  if (leaving) {
    event.preventDefault();
    return;
  }
  if (event.submitter?.value === "test") {
    event.preventDefault();
    draftTest.ask(event.submitter);
    return;
  }
  if (autosave.running) {
    // One after the other: the server would take the one for a change in another window.
    event.preventDefault();
    autosave.stop().then(() => form.requestSubmit(event.submitter));
    return;
  }
  autosave.stop();
  leaving = true;
  memory.write();
  const pressed = event.submitter;
  // After the browser has read the form: a disabled button would not be sent.
  setTimeout(() => {
    for (const button of form.querySelectorAll("button[name=action]")) button.disabled = true;
    if (pressed?.dataset.sending) pressed.textContent = pressed.dataset.sending;
  });
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // Back: the page as it is now, with what was typed
});
window.addEventListener("beforeunload", (event) => {
  if (!leaving && hasTyped() && JSON.stringify(texts(form)) !== original) event.preventDefault();
});

addEventListener("online", () => said.textContent && ask(0));

// --- what was typed before ---
function restore() {
  const entry = memory.read();
  const now = JSON.stringify(texts(form));
  if (!entry || "posted" in form.dataset) return;
  if (entry.draft) form.dataset.draft = entry.draft;
  if (entry.version) knows(form, entry.version); // browsers put texts back by themselves too, but not what they belong to
  if (named()) delete entry.texts.service; // the address says which
  const before = JSON.stringify({ ...texts(form), ...entry.texts, form_token: control("form_token").value });
  if (before === now) return;
  for (const [name, text] of Object.entries(entry.texts)) if (name.startsWith("config__")) typed[name] = text;
  fill(form, entry.texts);
  control("keep").value = entry.keep;
  document.querySelector("[data-restored]").hidden = false;
  if (control("service").value) redrawn = swapConfig();
  ask(0);
}

document.querySelector("[data-discard]").addEventListener("click", async () => {
  memory.forget();
  leaving = true;
  // A draft with an address of its own is more than what this tab kept of it.
  await (control("version") ? autosave.stop() : autosave.discard());
  location.reload();
});

for (const select of form.querySelectorAll("select")) if (isAsked(select)) typeInto(select); // as the browser put it back
readConfig();
form.dataset.version = control("version")?.value ?? "";
begun = texts(form);
if ("posted" in form.dataset) for (const one of form.querySelectorAll("[data-field] :is(input, textarea)")) begun[one.name] = one.name === RETURN ? one.value : "";
original = JSON.stringify(texts(form));
restore();
// Back: the browser put the service back by itself, without the controls that follow from it.
if (control("service").value !== document.getElementById("config-fields").dataset.service) swapConfig();
apply({ first: true });
draftTest.begin({ restored: !document.querySelector("[data-restored]").hidden, redrawn });
if ("posted" in form.dataset && hasTyped()) autosave.typed(); // what was submitted and refused is not lost either
document.querySelector("[data-error-summary], [data-banner]")?.focus();
const led = location.hash.startsWith("#id_") && document.getElementById(location.hash.slice(1));
if (led) {
  // The browser would keep it when the form is sent, and lead there again, away from what is wrong.
  history.replaceState(history.state, "", location.pathname + location.search);
  if (!document.querySelector("[data-error-summary]")) leadTo(led);
}
