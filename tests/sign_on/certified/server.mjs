// node server.mjs PORT REDIRECT_URI PEOPLE: an OpenID Connect provider with one client. PEOPLE is a file with JSON,
// subject -> claims, that is read at each log-in. Its page asks for the subject alone.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [port, redirectUri, people] = process.argv.slice(2);
const PAGE = `<!DOCTYPE html><html lang="en"><title>Example</title><form method="post">
<label>Name <input name="login"></label><button>Sign in</button></form></html>`;

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "portal", client_secret: "provider-secret", redirect_uris: [redirectUri] }],
  claims: {
    openid: ["sub"],
    profile: ["preferred_username", "given_name", "family_name"],
    email: ["email", "email_verified"],
    groups: ["groups"],
  },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  async findAccount(_context, subject) {
    const claims = JSON.parse(readFileSync(people, "utf-8"))[subject];
    return claims && { accountId: subject, claims: async () => ({ sub: subject, ...claims }) };
  },
});

// What the company's administrators have agreed to for everybody.
async function consent({ params, session, grantId }) {
  const known = grantId && (await provider.Grant.find(grantId));
  const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return { consent: { grantId: await grant.save() } };
}

async function interaction(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (details.prompt.name === "consent") {
    return provider.interactionFinished(request, response, await consent(details), { mergeWithLastSubmission: true });
  }
  if (request.method !== "POST") {
    return response.setHeader("Content-Type", "text/html").end(PAGE);
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const accountId = new URLSearchParams(Buffer.concat(chunks).toString()).get("login");
  return provider.interactionFinished(request, response, { login: { accountId } });
}

const answer = provider.callback();
createServer((request, response) => {
  if (request.url === "/favicon.ico") return response.writeHead(204).end();
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  return interaction(request, response).catch((error) => response.writeHead(500).end(String(error)));
}).listen(Number(port), "127.0.0.1");
