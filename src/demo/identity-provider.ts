/**
 * The demo's identity provider: the real `oidc-provider`, so that signing in goes the way of production; only that whoever
 * comes says who they are. It holds nothing that is worth a password, listens on this machine alone, and lives as long as
 * the demo.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Context, Provider } from "oidc-provider";
import { assert } from "../base/assert.ts";
import { html } from "../base/page.ts";
import { type DemoPerson, NEWCOMER, PEOPLE, subjectOf } from "./people.ts";
import {
  choicePage,
  codePage,
  confirmPage,
  failedPage,
  homePage,
  leavePage,
  PAGE_HEADERS,
  providerPage,
} from "./provider-pages.ts";

/** What Tidegate is called there, and how its configuration calls the provider. */
export const CLIENT_ID = "tidegate";
export const PROVIDER_NAME = "demo";

export type IdentityProvider = {
  /** `http://127.0.0.1:PORT`; it answers there from `serve` on. */
  readonly issuer: string;
  /** Lets people sign in to the Tidegate at this address, which shows this secret. */
  serve(tidegateUrl: string, clientSecret: string): void;
  stop(): Promise<void>;
};

const PORT = 7789;
const FORM_BYTES_MAX = 1_000;

/** Takes the wanted port, else the usual one, else any. Null where the package is not installed, which is optional. */
export async function openIdentityProvider(wantedPort: number | null): Promise<IdentityProvider | null> {
  const library = await loadLibrary();
  if (library === null) return null;
  let answer: RequestListener = (_request, response) => void response.writeHead(503, { "retry-after": "1" }).end();
  const server = createServer((request, response) => answer(request, response));
  await listen(server, wantedPort ?? PORT).catch(() => listen(server, 0));
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  return {
    issuer,
    serve(tidegateUrl, clientSecret) {
      answer = listenerOf(issuer, tidegateUrl, library.create(issuer, tidegateUrl, clientSecret));
    },
    async stop() {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      await promise;
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, "127.0.0.1", () => {
    server.off("error", reject);
    resolve();
  });
  return promise;
}

type Library = { create(issuer: string, tidegateUrl: string, clientSecret: string): Provider };

async function loadLibrary(): Promise<Library | null> {
  try {
    const [{ Provider, interactionPolicy }, { createMemoryAdapter }] = await Promise.all([
      import("oidc-provider"),
      import("oidc-provider/lib/adapters/memory_adapter.js"),
    ]);
    const { Check } = interactionPolicy;
    const policy = interactionPolicy.base();
    // Whoever comes chooses, also who came before: a demo is for being one after another.
    const isToChoose = ({ oidc }: Context): boolean =>
      oidc.result?.login === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT;
    policy.get("login").checks.add(new Check("choose", "choose who you are", isToChoose));
    return {
      create: (issuer, tidegateUrl, clientSecret) =>
        new Provider(issuer, {
          ...SETTINGS,
          adapter: createMemoryAdapter(),
          clients: [clientOf(tidegateUrl, clientSecret)],
          cookies: { keys: [randomBytes(32).toString("base64url")] },
          jwks: { keys: [newKey()] },
          interactions: { policy, url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
        }),
    };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") return null;
    throw error;
  }
}

const ALGORITHM = "ES256";
const newKey = () => ({
  ...generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
  use: "sig",
  alg: ALGORITHM,
});

const clientOf = (tidegateUrl: string, clientSecret: string) => ({
  client_id: CLIENT_ID,
  client_secret: clientSecret,
  client_name: "Tidegate",
  redirect_uris: [`${tidegateUrl}/auth/callback/${PROVIDER_NAME}`],
  grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
  id_token_signed_response_alg: ALGORITHM,
  backchannel_logout_uri: `${tidegateUrl}/auth/logout/${PROVIDER_NAME}`,
  backchannel_logout_session_required: true,
});

const HOUR_SECONDS = 3_600;
const show = (context: Context, page: string): void => {
  context.type = "html";
  context.set("content-security-policy", PAGE_HEADERS["content-security-policy"]);
  context.body = page;
};

const SETTINGS = {
  claims: {
    openid: ["sub"],
    profile: ["name", "preferred_username", "type"],
    email: ["email"],
    groups: ["groups"],
  },
  scopes: ["openid", "profile", "email", "groups"],
  // As most providers of companies do: what they know of somebody is in the token.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  ttl: {
    AccessToken: HOUR_SECONDS,
    DeviceCode: 600,
    Grant: 24 * HOUR_SECONDS,
    IdToken: HOUR_SECONDS,
    Interaction: HOUR_SECONDS,
    Session: 24 * HOUR_SECONDS,
  },
  // The library asks nothing on this machine unless it is told to; Tidegate is on this machine.
  fetch: (url: string, options: RequestInit) => fetch(url, { ...options, dispatcher: undefined } as object),
  findAccount: (_context: unknown, subject: string) => {
    const person = [...PEOPLE, NEWCOMER].find((one) => subjectOf(one) === subject);
    return person && { accountId: subject, claims: () => claimsOf(person) };
  },
  // Nobody is asked what Tidegate may know: it is the company's own.
  loadExistingGrant: async ({ oidc }: Context) => {
    const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId ?? "", clientId: oidc.client.clientId });
    grant.addOIDCScope("openid profile email groups");
    await grant.save();
    return grant;
  },
  renderError: (context: Context, out: { error: string; error_description?: string }) =>
    show(context, failedPage(out.error, out.error_description ?? "The provider did not understand that.")),
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (context: Context, form: string) => show(context, leavePage(form)),
      postLogoutSuccessSource: (context: Context) =>
        show(context, providerPage("You are signed out", html`<p>Here, and in Tidegate.</p>`)),
    },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (context: Context, form: string, _out: unknown, error?: Error) =>
        show(context, codePage(form, error !== undefined)),
      userCodeConfirmSource: (context: Context, form: string, _client: unknown, _device: unknown, code: string) =>
        show(context, confirmPage(form, code)),
      successSource: (context: Context) =>
        show(context, providerPage("You are signed in", html`<p>Go back to your device.</p>`)),
    },
  },
};

const claimsOf = (person: DemoPerson) => ({
  sub: subjectOf(person),
  preferred_username: person.handle,
  name: person.name,
  email: `${person.handle}@example.com`,
  groups: person.groups,
  type: person.type,
});

function listenerOf(issuer: string, tidegateUrl: string, provider: Provider): RequestListener {
  const { host } = new URL(issuer);
  const callback = provider.callback();
  return (request, response) => {
    // A page elsewhere can give this machine a name of its own, and would be let in by it.
    if (request.headers.host !== host) return void response.writeHead(421).end();
    if (request.url === "/") return void response.writeHead(200, PAGE_HEADERS).end(homePage(tidegateUrl));
    if (!(request.url ?? "").startsWith("/interaction/")) return void callback(request, response);
    void choose(provider, request, response).catch(() => {
      const page = failedPage("interaction", "This sign-in is over, or was begun in another browser.");
      if (!response.headersSent) response.writeHead(400, PAGE_HEADERS).end(page);
    });
  };
}

async function choose(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  const { uid, prompt, session } = await provider.interactionDetails(request, response);
  assert(prompt.name === "login", "nothing else is asked");
  const everybody = [...PEOPLE, NEWCOMER];
  const chosen = request.method === "POST" ? (await formOf(request)).get("person") : null;
  const person = everybody.find(({ handle }) => handle === chosen);
  if (person !== undefined)
    return provider.interactionFinished(request, response, { login: { accountId: subjectOf(person) } });
  const before = everybody.find((one) => subjectOf(one) === session?.accountId);
  return response.writeHead(200, PAGE_HEADERS).end(choicePage(`/interaction/${uid}`, before?.name ?? null));
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  let text = "";
  for await (const part of request) {
    text += String(part);
    if (text.length > FORM_BYTES_MAX) break;
  }
  return new URLSearchParams(text);
}
