// A form with data-passkey proves a passkey, or makes one, before it is sent. The browser is asked for what that address
// says, on the click: a challenge that came with the page would be the one of another window by then.

const PROBLEM = "The browser made no passkey. Try again, or use another way.";

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

async function answer(form) {
  const token = form.elements.csrfmiddlewaretoken.value;
  const options = await fetch(form.dataset.passkey, { method: "POST", headers: { "X-CSRFToken": token } });
  const asked = prepared(await options.json());
  const found = asked.publicKey.user ? await navigator.credentials.create(asked) : await navigator.credentials.get(asked);
  return sendable(found);
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
    } catch {
      problem.textContent = PROBLEM;
      problem.hidden = false;
    }
  });
}
