// An OpenID provider that is not ours: oidc-provider, certified by the OpenID Foundation, with three accounts.
//
//   node provider.mjs PORT
//
// Beside the provider's own routes: POST /judge/login?account=NAME walks through its log-in as a browser would, code
// flow with PKCE, and answers the tokens; POST /judge/rotate gives it another key of another kind. It ends by itself.

import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const redirect = `${issuer}/judge/callback`;
const resource = "urn:huitou";
const roles = { manager: ["hq-manager"], agent: ["staff", "desk"], nobody: ["staff"] };
const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

function aKey(alg) {
  const { privateKey } =
    alg === "RS256"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: base64url(randomBytes(8)) };
}

function aProvider(alg) {
  return new Provider(issuer, {
    jwks: { keys: [aKey(alg)] },
    cookies: { keys: [base64url(randomBytes(16))] },
    clients: [
      {
        client_id: "console",
        application_type: "native",
        redirect_uris: [redirect],
        grant_types: ["authorization_code"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
        id_token_signed_response_alg: alg,
      },
    ],
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: "desk",
          audience: "huitou",
          accessTokenFormat: "jwt",
          jwt: { sign: { alg } },
        }),
      },
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    extraTokenClaims: (_, token) => ({ roles: roles[token.accountId] }),
  });
}

// Says yes to whatever the provider asks of whoever the request names.
async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: params.login_hint } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope("openid");
  grant.addResourceScope(resource, "desk");
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

async function logIn(account) {
  const verifier = base64url(randomBytes(32));
  const query = new URLSearchParams({
    response_type: "code",
    client_id: "console",
    redirect_uri: redirect,
    scope: "openid desk",
    resource,
    login_hint: account,
    state: "s",
    code_challenge: base64url(createHash("sha256").update(verifier).digest()),
    code_challenge_method: "S256",
  });
  const jar = new Map();
  let url = `${issuer}/auth?${query}`;
  for (let step = 0; step < 10 && !url.startsWith(redirect); step++) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(url, { redirect: "manual", headers: { cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [pair] = set.split(";");
      const place = pair.indexOf("=");
      jar.set(pair.slice(0, place), pair.slice(place + 1));
    }
    const next = answer.headers.get("location");
    if (!next) throw new Error(`${url} answers ${answer.status}: ${await answer.text()}`);
    url = new URL(next, url).href;
  }
  const code = new URL(url).searchParams.get("code");
  if (!code) throw new Error(`no code: ${url}`);
  const form = { grant_type: "authorization_code", client_id: "console", redirect_uri: redirect, resource };
  const body = new URLSearchParams({ ...form, code, code_verifier: verifier });
  const answer = await fetch(`${issuer}/token`, { method: "POST", body });
  const tokens = await answer.text();
  if (!answer.ok) throw new Error(tokens);
  return tokens;
}

let alg = "RS256";
let provider = aProvider(alg);

createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  try {
    if (url.pathname.startsWith("/interaction/")) return await interact(request, response);
    if (url.pathname === "/judge/rotate") {
      alg = alg === "RS256" ? "ES256" : "RS256";
      provider = aProvider(alg);
      return response.end("{}");
    }
    if (url.pathname === "/judge/login") return response.end(await logIn(url.searchParams.get("account")));
    return provider.callback()(request, response);
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error.stack));
  }
}).listen(port, "127.0.0.1");

setTimeout(() => process.exit(0), 15 * 60 * 1000);
