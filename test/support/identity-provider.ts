/** The real `oidc-provider` on this machine, with people who sign in by being named; and a stub that lies as it is told. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { Provider } from "oidc-provider";

export type ProviderPerson = {
  readonly sub: string;
  readonly preferred_username?: string;
  readonly name?: string;
  readonly email?: string;
  readonly groups?: unknown;
};

/** In a configuration file: Tidegate at this address, and this provider as the company's. `secret` is where its secret is: `file:…`, `env:…`. */
export const companyInYaml = (url: string, issuer: string, secret: string, more = ""): string => `
identity:
  url: ${url}
  providers:
    company:
      title: The company
      issuer: ${issuer}
      client_id: ${CLIENT.id}
      client_secret: "\${${secret}}"
${more}`;

/** Where the company's groups are. */
export const GROUPS_IN_YAML = "      scopes: [openid, profile, groups]\n      claims: { groups: groups }\n";

export const CLIENT = { id: "tidegate", secret: "a secret of the tests that is long enough" };

type After = Pick<TestContext, "after">;

async function listening(
  t: After,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server: Server = createServer((request, response) => handle(request, response));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(
    () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A certified provider. Whoever comes is signed in as `next` without being asked, and consents to everything. */
export type RealProvider = {
  readonly issuer: string;
  next: ProviderPerson;
  /** What it calls the way in which whoever comes signs in; null: nothing. */
  acr: string | null;
  /** What its token endpoint refuses with, whatever is asked; null: it answers by itself. */
  refuses: string | null;
  /** How often it was asked there. */
  asked(path: string): number;
};

export async function realProvider(
  t: After,
  redirectUris: readonly string[],
  person: ProviderPerson,
): Promise<RealProvider> {
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const issuer = await listening(t, (request, response) => handle(request, response));
  const counts = new Map<string, number>();
  const it: RealProvider = { issuer, next: person, acr: null, refuses: null, asked: (path) => counts.get(path) ?? 0 };
  const people = new Map<string, ProviderPerson>();
  const provider = new Provider(issuer, {
    clients: [
      {
        ...{ client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: [...redirectUris] },
        grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
      },
    ],
    claims: { openid: ["sub"], profile: ["name", "preferred_username"], email: ["email"], groups: ["groups"] },
    scopes: ["openid", "profile", "email", "groups"],
    acrValues: ["pwd", "phr"],
    features: { devInteractions: { enabled: false }, deviceFlow: { enabled: true } },
    cookies: { keys: ["cookies of a test"] },
    pkce: { required: () => true },
    findAccount: async (_context: unknown, id: string) => ({
      accountId: id,
      claims: async () => ({ ...people.get(id), sub: id }),
    }),
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
  });
  const callback = provider.callback();
  handle = (request, response) => {
    const path = request.url?.split("?")[0] ?? "";
    counts.set(path, (counts.get(path) ?? 0) + 1);
    if (path === "/token" && it.refuses !== null)
      return void response
        .writeHead(400, { "content-type": "application/json" })
        .end(JSON.stringify({ error: it.refuses }));
    if (!(request.url ?? "").startsWith("/interaction/")) return void callback(request, response);
    void interact(request, response).catch(() => response.writeHead(500).end());
  };
  async function interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { prompt, params, grantId, session } = await provider.interactionDetails(request, response);
    if (prompt.name === "login") {
      people.set(it.next.sub, it.next);
      return provider.interactionFinished(request, response, {
        login: { accountId: it.next.sub, ...(it.acr === null ? {} : { acr: it.acr, amr: [it.acr] }) },
      });
    }
    const accountId = session?.accountId ?? "";
    const grant =
      grantId === undefined
        ? new provider.Grant({ accountId, clientId: String(params["client_id"]) })
        : await provider.Grant.find(grantId);
    grant?.addOIDCScope(String(params["scope"]));
    return provider.interactionFinished(request, response, { consent: { grantId: (await grant?.save()) ?? "" } });
  }
  return it;
}

/** A provider that answers as a test tells it: what the real one cannot be made to do wrong. */
export type HostileProvider = {
  readonly issuer: string;
  /** What its token says; the rest is as it should be. */
  claims: JWTPayload;
  /** Instead of `RS256` with its own key. */
  forge: ((claims: JWTPayload) => Promise<string>) | null;
  /** What stands beside the code in the address that the browser comes back to. */
  beside: Record<string, string>;
  metadata: Record<string, unknown>;
  /** What it publishes about the signals that it sends; null: nothing. */
  signalSettings: Record<string, unknown> | null;
  /** The key of now; the one before is forgotten where it is rotated. */
  rotate(published?: boolean): Promise<void>;
  publish(): Promise<void>;
  sign(claims: JWTPayload, header?: { typ?: string }): Promise<string>;
};

export async function hostileProvider(t: After): Promise<HostileProvider> {
  let keys = await generateKeyPair("RS256", { extractable: true });
  let kid = 1;
  let published: object[] = [];
  const nonces = new Map<string, string>();
  const publish = async (): Promise<void> => {
    published = [{ ...(await exportJWK(keys.publicKey)), kid: String(kid), alg: "RS256", use: "sig" }];
  };
  await publish();
  const issuer = await listening(t, (request, response) => void answer(request, response));
  const it: HostileProvider = {
    issuer,
    claims: {},
    forge: null,
    beside: {},
    metadata: {},
    signalSettings: null,
    async rotate(known = true) {
      keys = await generateKeyPair("RS256", { extractable: true });
      kid += 1;
      if (known) await publish();
    },
    publish,
    sign: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: String(kid), ...header }).sign(keys.privateKey),
  };
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", issuer);
    const json = (body: unknown): void =>
      void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (url.pathname === "/.well-known/openid-configuration")
      return json({
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        response_types_supported: ["code"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
        authorization_response_iss_parameter_supported: true,
        ...it.metadata,
      });
    if (url.pathname === "/.well-known/ssf-configuration")
      return it.signalSettings === null ? void response.writeHead(404).end() : json(it.signalSettings);
    if (url.pathname === "/jwks") return json({ keys: published });
    if (url.pathname === "/authorize") {
      const back = new URL(url.searchParams.get("redirect_uri") ?? "");
      const code = `code-${nonces.size}`;
      nonces.set(code, url.searchParams.get("nonce") ?? "");
      const said = { code, state: url.searchParams.get("state") ?? "", iss: issuer, ...it.beside };
      for (const [name, value] of Object.entries(said)) back.searchParams.set(name, value);
      return void response.writeHead(303, { location: back.href }).end();
    }
    let body = "";
    for await (const part of request) body += String(part);
    const nonce = nonces.get(new URLSearchParams(body).get("code") ?? "");
    const at = Math.floor(Date.now() / 1_000);
    const claims = { iss: issuer, aud: CLIENT.id, sub: "mallory", iat: at, exp: at + 300, nonce, ...it.claims };
    const token = it.forge === null ? await it.sign(claims) : await it.forge(claims);
    return json({ access_token: "an-access-token", token_type: "bearer", expires_in: 300, id_token: token });
  }
  return it;
}
