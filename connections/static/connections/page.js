// What every page can do: times in the reader's zone, one sending for one press, copying, focus on what went wrong.

// --- times ---------------------------------------------------------------------------------------------------------
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
if (!document.cookie.split("; ").includes(`zone=${zone}`)) {
  // The server writes times, and reads the dates of filters, in this zone from the next page on.
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}
const exact = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
});

function localize(root) {
  for (const time of root.querySelectorAll("time[data-exact]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) time.textContent = exact.format(moment);
  }
}

localize(document);
for (const name of document.querySelectorAll("[data-zone-name]")) name.textContent = zone.replaceAll("_", " ");
document.addEventListener("htmx:afterSettle", () => localize(document));

// --- one sending ---------------------------------------------------------------------------------------------------
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  const button = event.submitter;
  // Only after the browser has read the form: a disabled button would not be sent.
  setTimeout(() => {
    for (const other of form.querySelectorAll("button[type=submit]")) other.disabled = true;
    if (button && !button.hasAttribute("name")) {
      button.dataset.label = button.textContent;
      button.textContent = "Sending…";
    }
  });
});
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return; // come back to by the Back button
  for (const button of document.querySelectorAll("button[data-label]")) {
    button.textContent = button.dataset.label;
    delete button.dataset.label;
  }
  for (const button of document.querySelectorAll("form[method=post] button[type=submit]:disabled")) {
    if (!button.hasAttribute("aria-describedby")) button.disabled = false;
  }
});

// --- copying -------------------------------------------------------------------------------------------------------
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // Forbidden or not over https: select it, so that the keyboard can copy it.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected: press Ctrl C";
  }
});

document.querySelector("[data-tick-rows]")?.addEventListener("click", () => {
  for (const box of document.querySelectorAll("[name=approve]:enabled")) box.checked = true;
});

// --- menus close as menus do -----------------------------------------------------------------------------------------
const openMenus = () => document.querySelectorAll(":is(.user-menu, [data-menu])[open]");
document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

document.querySelector("[data-error-summary]")?.focus();

// --- a reason that was typed when the session had ended is there again after the log-in ----------------------------------
const REASON = "decision-reason";
try {
  const kept = JSON.parse(sessionStorage.getItem(REASON) ?? "null");
  const box = document.querySelector("[name=decision_reason]");
  if (kept && !location.pathname.startsWith("/accounts/")) {
    const logsIn = document.referrer && new URL(document.referrer).pathname.startsWith("/accounts/login/");
    if (logsIn && box && !box.value && kept.path === location.pathname) {
      box.value = kept.text;
      box.closest("details")?.setAttribute("open", "");
    }
    sessionStorage.removeItem(REASON);
  }
  document.addEventListener("submit", (event) => {
    const text = event.target.elements.namedItem("decision_reason")?.value;
    if (text) sessionStorage.setItem(REASON, JSON.stringify({ path: location.pathname, text }));
  });
} catch {
  // Storage may be forbidden: then nothing is kept.
}
