// A request's page that follows the request: what htmx may swap, and what the reader is told when the line is down.

import { keep } from "./kept_open.js";

const lost = document.querySelector("[data-live-lost]");
const isStatus = (xhr) => /\/(requests|changes)\/\d+\/(status|test-request)\/$/.test(new URL(xhr.responseURL || "/", location.href).pathname);
const typed = (element) => [...element.querySelectorAll("textarea, input[type=text]")].some((area) => area.value.trim() !== "");

document.addEventListener("htmx:beforeSwap", (event) => {
  if (isStatus(event.detail.xhr)) return;
  // Logged out: the answer is the log-in page. Opening it loses nothing, unless something was typed here.
  event.detail.shouldSwap = false;
  if (!typed(document)) location.reload();
});

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  // A reason that is being typed stays until it is sent; the answer to it says what has happened meanwhile. A test that
  // goes on is followed by its own part: exchanged meanwhile, that one's answer would find nothing to exchange.
  if (typed(target) || target.querySelector("#dry-run-live[hx-get]")) event.detail.shouldSwap = false;
  else keep(target, fragment);
});

// "An approver decides next" is no longer so once somebody has: the banner of what the reader did goes with the status.
const status = () => document.querySelector("#live [data-status]")?.dataset.status;
let shown = status();
document.addEventListener("htmx:afterSettle", () => {
  if (status() === shown) return;
  shown = status();
  document.querySelector(".banner.alert-success")?.remove();
});

for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => lost?.classList.add("shown"));
}
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) lost?.classList.remove("shown");
});
