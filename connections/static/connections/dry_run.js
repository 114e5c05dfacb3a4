// The panel of a dry run outside of the request's page, on the form and in the admin: it follows the run, what the reader
// unfolded stays open, and what hinders it is said.

import { keep } from "./kept_open.js";

const lost = document.querySelector("[data-dry-run-lost]");
const PATH = /\/test-request\/$/;
const isOfTest = ({ detail }) => PATH.test(detail.pathInfo?.requestPath ?? "");
const hasAnswered = (xhr) => PATH.test(new URL(xhr.responseURL || "/", location.href).pathname); // else the log-in page has

function write(line, words) {
  line.textContent = words;
  line.hidden = !words;
}

/** Say why no test was asked for; nothing for "". It stands until the next one is asked for. */
export function refuse(words) {
  write(document.getElementById("dry-run-refused"), words);
}

/** Ask for a test; whether the portal took it up. What hinders it is said. */
export async function askFor(url, source, values) {
  let isTaken = false;
  const heed = ({ detail }) => (isTaken ||= detail.requestConfig.verb === "post" && detail.xhr.status === 200 && hasAnswered(detail.xhr));
  source.addEventListener("htmx:afterRequest", heed);
  refuse("");
  await htmx.ajax("POST", url, { source, swap: "none", values }).catch(() => null); // without an answer
  source.removeEventListener("htmx:afterRequest", heed);
  return isTaken;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isOfTest(event)) return;
  const { xhr } = event.detail;
  if (xhr.status === 429) Object.assign(event.detail, { shouldSwap: true, isError: false }); // it says the limit
  if (hasAnswered(xhr)) return;
  event.detail.shouldSwap = false;
  stop();
  write(lost, ["You were logged out.", lost.dataset.kept, "Log in again in another tab, then load this page again."].filter(Boolean).join(" "));
});

// A part that asks for its next version goes on until it is taken away.
function stop() {
  const live = document.getElementById("dry-run-live");
  const still = live.cloneNode(true);
  for (const name of ["hx-get", "hx-trigger"]) still.removeAttribute(name);
  live.replaceWith(still);
}

document.addEventListener("htmx:oobBeforeSwap", (event) => keep(event.detail.target, event.detail.fragment));
document.addEventListener("htmx:afterRequest", (event) => {
  if (!isOfTest(event)) return;
  const { xhr, requestConfig } = event.detail;
  if (requestConfig.verb === "post") refuseAfter(xhr);
  else follow(xhr);
});

function refuseAfter(xhr) {
  const { status } = xhr;
  if (status === 0) refuse("The test was not asked for: the portal does not answer. Try it again.");
  else if (status === 403) refuse("The test was not asked for. Load this page again.");
  else if (status >= 400 && status !== 429) refuse("The test was not asked for: the portal cannot take it just now. Try it again.");
  else if (hasAnswered(xhr)) write(lost, "");
}

function follow(xhr) {
  const { status } = xhr;
  if (status === 0) write(lost, "The portal does not answer just now. The test goes on without this page.");
  else if (status === 403) write(lost, "The portal cannot show the test any more. Load this page again.");
  else if (status >= 500 || status === 404) write(lost, "The portal cannot show the test just now. Try it again.");
  else if (hasAnswered(xhr)) write(lost, "");
}

// The admin's button: one sending for one press, and it keeps the focus.
const button = document.getElementById("do-test-request");
document.getElementById("dry-run-form")?.addEventListener("submit", (event) => {
  if (button.hasAttribute("aria-disabled")) event.preventDefault();
  button.setAttribute("aria-disabled", "true");
});
addEventListener("pageshow", (event) => {
  if (event.persisted) button?.removeAttribute("aria-disabled"); // come back to by the Back button
});
