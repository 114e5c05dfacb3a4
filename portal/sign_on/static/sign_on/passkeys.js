// A form with data-passkey proves a passkey, or makes one, before it is sent. The browser is asked for what that address
// says, on the click: a challenge that came with the page would be the one of another window by then.

const ENDED = "Your session has ended. Log in again.";
const TOO_LATE = "Your log-in took too long. Begin again.";
const AWAY = "The portal does not answer just now. Try again in a minute.";
const NOT_MADE = "No passkey was made. Try again, or set up an authenticator app.";
const KNOWN = "This device has a passkey here already. Use another device, or remove that passkey first.";
const NOT_PROVED = "No passkey has answered. Try again, or type a code.";

/** Its text is for the person. */
class Refused extends Error {}

const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

function textOf(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** What the server sent, with bytes where the browser wants them. */
function prepared({ publicKey }) {
  const known = (list) => list?.map((one) => ({ ...one, id: bytesOf(one.id) }));
  const ready = { ...publicKey, challenge: bytesOf(publicKey.challenge) };
  if (publicKey.user) ready.user = { ...publicKey.user, id: bytesOf(publicKey.user.id) };
  if (publicKey.allowCredentials) ready.allowCredentials = known(publicKey.allowCredentials);
  if (publicKey.excludeCredentials) ready.excludeCredentials = known(publicKey.excludeCredentials);
  return { publicKey: ready };
}

/** The browser's answer as the server reads it. */
function sendable({ id, rawId, type, response }) {
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const parts = names.filter((name) => response[name]).map((name) => [name, textOf(response[name])]);
  return JSON.stringify({ id, rawId: textOf(rawId), type, response: Object.fromEntries(parts) });
}

async function optionsOf(form) {
  const token = form.elements.csrfmiddlewaretoken.value;
  // A redirect leads to the log-in.
  const sending = { method: "POST", redirect: "manual", headers: { "X-CSRFToken": token } };
  const answered = await fetch(form.dataset.passkey, sending).catch(() => null);
  if (!answered || answered.status >= 500) throw new Refused(AWAY);
  if (!answered.ok) throw new Refused(answered.status === 404 ? TOO_LATE : ENDED);
  const sent = await answered.json().catch(() => null); // a page in its place: the password here has ended
  if (!sent) throw new Refused(ENDED);
  return prepared(sent);
}

async function answer(form) {
  const asked = await optionsOf(form);
  const isNew = Boolean(asked.publicKey.user);
  try {
    return sendable(isNew ? await navigator.credentials.create(asked) : await navigator.credentials.get(asked));
  } catch (error) {
    if (isNew && error.name === "InvalidStateError") throw new Refused(KNOWN);
    throw new Refused(isNew ? NOT_MADE : NOT_PROVED);
  }
}

const without = document.querySelector("[data-no-passkeys]");
if (without && window.PublicKeyCredential) without.remove();

for (const form of document.querySelectorAll("[data-passkey]")) {
  form.hidden = !window.PublicKeyCredential;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector("[data-passkey-problem]");
    problem.hidden = true;
    try {
      form.elements.credential.value = await answer(form);
      form.submit();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem.textContent = error.message;
      problem.hidden = false;
    }
  });
}
