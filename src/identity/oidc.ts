/**
 * The provider, asked as OpenID Connect says. Its settings and keys are read anew for every sign-in: a key that was
 * changed a second ago is known, and nothing is kept that could be old. Every question has a deadline and a bound.
 */
import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose";
import * as client from "openid-client";
import type { JsonObject } from "../base/canonical.ts";
import { systemClock } from "../base/clock.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { Demand } from "../domain/authentication.ts";
import { type IdentityProvider, lacksClaims } from "../domain/identity.ts";
import type { Expected } from "./sign-in-state.ts";

const ANSWERS_WITHIN_SECONDS = 10;
const ANSWER_BYTES_MAX = 1_048_576;
export const CLOCK_TOLERANCE_SECONDS = 30;
/** Keys of the provider alone sign; a secret that we share with it does not. */
export const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
const LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout";
const LOGOUT_TOKEN_AGE_SECONDS = 300;

export type Oidc = {
  /** Where the browser is sent. Whether what is demanded was done, only what comes back says. */
  authorize(
    provider: IdentityProvider,
    redirectUri: string,
    expected: Expected,
    demand: Demand,
  ): Promise<URL | Refusal>;
  /** What the provider says of who came back with this address. */
  redeem(provider: IdentityProvider, cameBackTo: URL, expected: Expected): Promise<JsonObject | Refusal>;
  /** Asks for a code that somebody types in at the provider (RFC 8628); null where it offers none to us. */
  beginDevice(provider: IdentityProvider): Promise<DeviceBegun | null | Refusal>;
  /** Asks once what became of it: what the provider says of who typed it in, or that nobody has yet. */
  askDevice(provider: IdentityProvider, deviceCode: string): Promise<JsonObject | NotYet | Refusal>;
  /** Who has signed out there, by a token that it has sent to us. */
  loggedOut(provider: IdentityProvider, token: string): Promise<LoggedOut | Refusal>;
};
export type LoggedOut = { readonly subject: string | null; readonly session: string | null; readonly issuedMs: number };

export type DeviceBegun = {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly address: string;
  /** With the code in it, so that nobody need type it. */
  readonly wholeAddress: string | null;
  readonly intervalMs: number;
  readonly keptMs: number;
};
export type NotYet = { readonly notYet: "pending" | "slow-down" };
export const isNotYet = (said: JsonObject | NotYet): said is NotYet => "notYet" in said;

/** Called with what went wrong, in words that hold no token and no secret. */
export type OidcLog = (facts: { readonly provider: string; readonly code: string }, what: string) => void;

export function createOidc(resolve: (settings: JsonObject) => JsonObject, log: OidcLog): Oidc {
  /** Before anything has come back through a browser, only the provider, or the way to it, can be at fault. */
  const tried = async <T>(
    provider: IdentityProvider,
    when: "before" | "after",
    work: () => Promise<T | Refusal>,
  ): Promise<T | Refusal> => {
    try {
      return await work();
    } catch (error) {
      const code = codeOf(error);
      log({ provider: provider.name, code }, "sign-in refused");
      return when === "before" || isAway(error, code)
        ? refuse("provider-unavailable", `${provider.title} did not answer as it should (${code}). Try again soon.`)
        : refuse(
            "sign-in-refused",
            `What came back from ${provider.title} does not hold (${code}). Sign in once more; if that fails too, tell an admin.`,
          );
    }
  };

  return {
    authorize: (provider, redirectUri, { state, nonce, verifier }, { maxAgeMs, acr }) =>
      tried(provider, "before", async () =>
        client.buildAuthorizationUrl(await discover(provider, resolve), {
          redirect_uri: redirectUri,
          scope: provider.scopes.join(" "),
          state,
          nonce,
          code_challenge: await client.calculatePKCECodeChallenge(verifier),
          code_challenge_method: "S256",
          // An older sign-in at the provider would do by max_age alone; a person is to be there.
          ...(maxAgeMs === undefined ? {} : { max_age: String(Math.floor(maxAgeMs / 1_000)), prompt: "login" }),
          ...(acr === undefined ? {} : { acr_values: acr.join(" ") }),
        }),
      ),
    redeem: (provider, cameBackTo, { state, nonce, verifier }) =>
      tried(provider, "after", async () => {
        const configuration = await discover(provider, resolve);
        const tokens = await client.authorizationCodeGrant(configuration, cameBackTo, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        });
        return claimsOf(provider, configuration, tokens);
      }),
    beginDevice: (provider) =>
      tried(provider, "before", async () => {
        const configuration = await discover(provider, resolve);
        if (configuration.serverMetadata().device_authorization_endpoint === undefined) return null;
        const asked = { scope: provider.scopes.join(" ") };
        const begun = await client.initiateDeviceAuthorization(configuration, asked).catch((error: unknown) => {
          const code = codeOf(error);
          if (!NOT_FOR_US.has(code)) throw error;
          log({ provider: provider.name, code }, "the provider gives no device codes to this client");
          return null;
        });
        return begun === null ? null : readDevice(begun);
      }),
    askDevice: (provider, deviceCode) =>
      tried(provider, "after", async () => {
        const configuration = await discover(provider, resolve);
        try {
          const tokens = await client.genericGrantRequest(configuration, DEVICE_GRANT, { device_code: deviceCode });
          return await claimsOf(provider, configuration, tokens);
        } catch (error) {
          const said = DEVICE_ANSWERS[codeOf(error)];
          if (said === undefined) throw error;
          return typeof said === "function" ? said(provider) : { notYet: said };
        }
      }),
    loggedOut: (provider, token) =>
      tried(provider, "after", async () => {
        const metadata = (await discover(provider, resolve)).serverMetadata();
        const keys = await readKeys(provider, metadata.jwks_uri ?? "");
        const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
          issuer: provider.issuer,
          audience: provider.clientId,
          algorithms: ALGORITHMS,
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          maxTokenAge: LOGOUT_TOKEN_AGE_SECONDS,
          requiredClaims: ["jti", "events"],
          currentDate: new Date(systemClock.nowMs()),
        });
        return logoutOf(payload) ?? refuse("sign-in-refused", "This token ends no session.");
      }),
  };
}

async function claimsOf(
  provider: IdentityProvider,
  configuration: client.Configuration,
  tokens: client.TokenEndpointResponse & client.TokenEndpointResponseHelpers,
): Promise<JsonObject> {
  const said = tokens.claims();
  if (said === undefined) throw new NoIdToken();
  const claims = { ...said } as JsonObject;
  if (!lacksClaims(claims, provider) || configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
  // Some providers say there what they leave out of the token. What the token says stands: it is signed.
  const more = await client.fetchUserInfo(configuration, tokens.access_token, String(claims["sub"]));
  return { ...(more as unknown as JsonObject), ...claims };
}

class NoIdToken extends Error {
  readonly code = "NO_ID_TOKEN";
}

const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
/** The provider has device codes, and this client gets none: it signs in as if there were none. */
const NOT_FOR_US = new Set(["unauthorized_client", "unsupported_grant_type"]);
const DEVICE_ANSWERS: Readonly<Record<string, NotYet["notYet"] | ((provider: IdentityProvider) => Refusal)>> = {
  authorization_pending: "pending",
  slow_down: "slow-down",
  access_denied: ({ title }) =>
    refuse("sign-in-refused", `It was denied at ${title}: nobody was signed in. Begin again: tidegate login.`),
  expired_token: ({ title }) =>
    refuse("sign-in-expired", `The code was not typed in at ${title} in time. Begin again: tidegate login.`),
};
/** RFC 8628 says five seconds where the provider says nothing. */
const INTERVAL_SECONDS = 5;
const INTERVAL_SECONDS_MAX = 60;
const DEVICE_SECONDS_MAX = 1_800;

function readDevice(said: client.DeviceAuthorizationResponse): DeviceBegun {
  const { device_code, user_code, verification_uri, verification_uri_complete, expires_in, interval } = said;
  for (const address of [verification_uri, verification_uri_complete])
    if (address !== undefined && !["http:", "https:"].includes(URL.parse(address)?.protocol ?? ""))
      throw new NoAddress();
  return {
    ...{ deviceCode: device_code, userCode: user_code, address: verification_uri },
    wholeAddress: verification_uri_complete ?? null,
    intervalMs: Math.min(Math.max(interval ?? INTERVAL_SECONDS, 1), INTERVAL_SECONDS_MAX) * 1_000,
    keptMs: Math.min(expires_in, DEVICE_SECONDS_MAX) * 1_000,
  };
}

class NoAddress extends Error {
  readonly code = "NO_ADDRESS";
}

function logoutOf({ sub, sid, nonce, events, iat = 0 }: JWTPayload): LoggedOut | null {
  const subject = typeof sub === "string" && sub !== "" ? sub : null;
  const session = typeof sid === "string" && sid !== "" ? sid : null;
  const event = typeof events === "object" && events !== null ? (events as JsonObject)[LOGOUT_EVENT] : undefined;
  // With a nonce it would be an ID token, which anybody who signed in was given.
  if (event === undefined || nonce !== undefined || (subject === null && session === null)) return null;
  return { subject, session, issuedMs: (iat + CLOCK_TOLERANCE_SECONDS) * 1_000 };
}

async function discover(
  provider: IdentityProvider,
  resolve: (settings: JsonObject) => JsonObject,
): Promise<client.Configuration> {
  const { clientSecret } = resolve(provider.settings);
  const secret = typeof clientSecret === "string" ? clientSecret : null;
  const issuer = new URL(provider.issuer);
  const insecure = issuer.protocol === "http:" ? [client.allowInsecureRequests] : [];
  const about: client.DiscoveryRequestOptions = {
    timeout: ANSWERS_WITHIN_SECONDS,
    execute: insecure,
    [client.customFetch]: boundedFetch,
  };
  const found = (await client.discovery(issuer, provider.clientId, undefined, client.None(), about)).serverMetadata();
  if (found.issuer !== provider.issuer) throw new WrongIssuer();
  const takes = found.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
  const how =
    secret === null
      ? client.None()
      : takes.includes("client_secret_basic")
        ? client.ClientSecretBasic(secret)
        : client.ClientSecretPost(secret);
  const configuration = new client.Configuration(
    { ...found },
    provider.clientId,
    { [client.clockTolerance]: CLOCK_TOLERANCE_SECONDS },
    how,
  );
  configuration[client.customFetch] = boundedFetch;
  configuration.timeout = ANSWERS_WITHIN_SECONDS;
  for (const extend of insecure) extend(configuration);
  // What came over TLS could go unchecked by the standard; a signature is checked all the same.
  client.enableNonRepudiationChecks(configuration);
  return configuration;
}

class WrongIssuer extends Error {
  readonly code = "WRONG_ISSUER";
}

async function readKeys(provider: IdentityProvider, url: string): Promise<JSONWebKeySet> {
  if (URL.parse(url)?.protocol !== new URL(provider.issuer).protocol) throw new WrongIssuer();
  return (await readJson(url)) as JSONWebKeySet;
}

export async function readJson(url: string): Promise<unknown> {
  const signal = AbortSignal.timeout(ANSWERS_WITHIN_SECONDS * 1_000);
  const response = await boundedFetch(url, { method: "GET", redirect: "manual", signal, headers: {}, body: undefined });
  return response.json();
}

/** However much it answers, so much is read of it. */
const boundedFetch: client.CustomFetch = async (url, options) => {
  const response = await fetch(url, options as RequestInit);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    if (bytes > ANSWER_BYTES_MAX) throw Object.assign(new Error("too much"), { code: "ANSWER_TOO_LARGE" });
    parts.push(part);
  }
  const { status, statusText, headers } = response;
  return new Response(parts.length === 0 ? null : Buffer.concat(parts), { status, statusText, headers });
};

/** The code alone: messages and causes may hold tokens. */
export function codeOf(error: unknown): string {
  for (const one of [error, (error as { cause?: unknown } | null)?.cause]) {
    const { error: said, code } = (one ?? {}) as { error?: unknown; code?: unknown };
    for (const word of [said, code]) if (typeof word === "string" && /^[\w.-]{1,60}$/.test(word)) return word;
  }
  return error instanceof Error && /^\w{1,40}$/.test(error.name) ? error.name : "unknown";
}

const AWAY =
  /^(E[A-Z]+|UND_ERR_\w+|TimeoutError|AbortError|OAUTH_TIMEOUT|OAUTH_RESPONSE_IS_NOT_(CONFORM|JSON)|ANSWER_TOO_LARGE|WRONG_ISSUER|OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED|server_error|temporarily_unavailable)$/;
const isAway = (error: unknown, code: string): boolean => AWAY.test(code) || error instanceof SyntaxError;
