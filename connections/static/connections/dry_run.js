// The panel of a dry run outside of the request's page, on the form and in the admin: it follows the run, what the reader
// unfolded stays open, and what hinders it is said.

import { keep } from "./kept_open.js";

const lost = document.querySelector("[data-dry-run-lost]");
const PATH = /\/test-request\/$/;
const isOfTest = ({ detail }) => PATH.test(detail.pathInfo?.requestPath ?? "");
const hasAnswered = (xhr) => PATH.test(new URL(xhr.responseURL || "/", location.href).pathname); // else the log-in page has

/** Say what hinders the test; nothing for "". */
export function say(words) {
  lost.textContent = words;
  lost.hidden = !words;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isOfTest(event)) return;
  const { xhr } = event.detail;
  if (xhr.status === 429) Object.assign(event.detail, { shouldSwap: true, isError: false }); // it says the limit
  if (hasAnswered(xhr)) return;
  event.detail.shouldSwap = false;
  stop();
  say("You were logged out. Log in again in another tab, then test it again.");
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
  const { xhr } = event.detail;
  const { status } = xhr;
  if (status === 0) say("The portal does not answer just now. The test goes on without this page.");
  else if (status >= 500 || status === 403 || status === 404) say("The portal cannot show the test just now. Try it again.");
  else if (hasAnswered(xhr)) say("");
});

// The admin's button: one sending for one press.
document.getElementById("dry-run-form")?.addEventListener("submit", () => {
  setTimeout(() => (document.getElementById("do-test-request").disabled = true));
});
addEventListener("pageshow", (event) => {
  const button = event.persisted && document.getElementById("do-test-request");
  if (button) button.disabled = false; // come back to by the Back button
});
