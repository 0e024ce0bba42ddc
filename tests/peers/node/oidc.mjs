// An OpenID Connect provider that is not ours (npm oidc-provider), over HTTPS, configured by one JSON argument:
//   {cert, key, port, form: "keycloak" | "proconnect", client: {id, secret, redirect, left, out, named},
//    people: {login: claims}}            out: where logout tokens go; named: whether they name the session
// It prints one line {"issuer": …} and runs until its standard input ends. Its own sign-in pages take any password.
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Provider } from "oidc-provider";

const options = JSON.parse(process.argv[2]);
const strict = options.form === "proconnect";
const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const signing = { ...pair.privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256" };

const server = createServer({ cert: readFileSync(options.cert), key: readFileSync(options.key) });
await new Promise((done) => server.listen(options.port ?? 0, "127.0.0.1", done));
const issuer = `https://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  jwks: { keys: [signing] },
  clients: [{
    client_id: options.client.id,
    client_secret: options.client.secret,
    redirect_uris: [options.client.redirect],
    post_logout_redirect_uris: [options.client.left],
    backchannel_logout_uri: options.client.out,
    backchannel_logout_session_required: options.client.named,
    response_types: ["code"],
    grant_types: ["authorization_code"],
    token_endpoint_auth_method: strict ? "client_secret_post" : "client_secret_basic",
    ...(strict ? { userinfo_signed_response_alg: "RS256" } : {}),
  }],
  claims: strict
    ? { openid: ["sub"], uid: ["uid"], given_name: ["given_name"], usual_name: ["usual_name"], email: ["email"],
        siret: ["siret"] }
    : { openid: ["sub"], profile: ["name", "preferred_username", "locale", "realm_access"],
        email: ["email", "email_verified"] },
  scopes: strict ? ["openid", "uid", "given_name", "usual_name", "email", "siret"] : ["openid", "profile", "email"],
  features: { devInteractions: { enabled: true }, jwtUserinfo: { enabled: strict },
    backchannelLogout: { enabled: true } },
  fetch: (url, { dispatcher, ...rest }) => fetch(url, rest),  // its own dispatcher refuses addresses of this machine
  pkce: { required: () => !strict },
  cookies: { keys: ["test"] },
  ttl: { AccessToken: 300, AuthorizationCode: 60, IdToken: 300, Interaction: 300, Session: 300, Grant: 300 },
  findAccount: (context, login) => options.people[login] && {
    accountId: login,
    claims: () => ({ sub: login, ...options.people[login] }),
  },
});

const ASKED = new Set(["response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "acr_values", "prompt"]);
provider.use(async (context, next) => {
  if (strict && context.path === "/auth") {
    const asked = new URLSearchParams(context.querystring);
    const odd = [...asked.keys()].filter((name) => !ASKED.has(name));
    const short = ["state", "nonce"].filter((name) => (asked.get(name) ?? "").length < 32);
    if (odd.length || short.length) {
      context.status = 400;
      context.body = `refused: ${odd.concat(short).join(" ")}`;
      return;
    }
  }
  await next();
  if (strict && context.path === "/.well-known/openid-configuration") {
    delete context.body.code_challenge_methods_supported;  // ProConnect announces none
    context.body.token_endpoint_auth_methods_supported = ["client_secret_post"];
  }
});
provider.on("backchannel.error", (_, error) => console.error(`logout token: ${error.message}`));
server.on("request", provider.callback());
console.log(JSON.stringify({ issuer }));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
