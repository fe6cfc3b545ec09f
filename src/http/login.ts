/** Signing in from a command line. The provider is asked one step at a time: the server waits for nobody, and a restart loses nothing. */
import { createHash } from "node:crypto";
import { toTimestamp } from "../base/clock.ts";
import { sameText } from "../base/hash.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { hashToken, newSecretText, newSessionToken } from "../base/token.ts";
import { seenByProvider } from "../domain/authentication.ts";
import { type Identity, type IdentityProvider, profileOf } from "../domain/identity.ts";
import { signedInNoMore } from "../identity/authenticate.ts";
import { isNotYet } from "../identity/oidc.ts";
import { endTwiceUsed } from "../operations/end-session.ts";
import { signIn } from "../operations/sign-in.ts";
import { signInCommandLine } from "../operations/sign-in-command-line.ts";
import { LOGIN_OVER, type SignedIn, TOKEN_MS } from "../operations/start-session.ts";
import { type CliLogin, endLogin, findLogin, putLogin, slowDown, takeTurn } from "../store/cli-logins.ts";
import { principalsById } from "../store/principals.ts";
import { exchangeToken } from "../store/session-tokens.ts";
import type { OpenCall, OpenHandlers, ServerDeps } from "./call.ts";
import { LOGIN_PATH } from "./login-page.ts";
import { toPerson } from "./people.ts";
import { addressKey, TokenBuckets } from "./token-buckets.ts";

/** Each beginning is a question to the provider and a row: so many from one address. */
const BEGINNINGS = { perSecond: 0.5, burst: 30 };
/** Half of its life: a token that is used is exchanged long before it expires. */
const RENEW_AFTER_MS = TOKEN_MS / 2;

const NO_PROVIDERS = refuse("not-found", "Nobody signs in through a provider here: the configuration names none.");

type Sent = Parameters<OpenHandlers<"login">["finish"]>[0]["body"];

export function loginHandlers(deps: ServerDeps): OpenHandlers<"login"> {
  const { context, oidc, clock } = deps;
  const beginnings = new TokenBuckets(BEGINNINGS, clock);
  const identityNow = async (): Promise<Identity | Refusal> =>
    (await context.catalog.active(context.ledger))?.configuration.identity ?? NO_PROVIDERS;

  return {
    async begin({ body: { challenge, provider: name, how, agent } }, call) {
      const { ok, waitSeconds } = beginnings.take(addressKey(call.address));
      if (!ok)
        return noted(
          call,
          refuse("too-many-requests", "Too many sign-ins were begun from your address. Wait, then begin again.", {
            retryAfterSeconds: waitSeconds,
          }),
        );
      const identity = await identityNow();
      if (isRefusal(identity)) return identity;
      const page = new URL(LOGIN_PATH, identity.url);
      if (name !== undefined) page.searchParams.set("provider", name);
      const inBrowser = { status: 201 as const, body: { how: "browser" as const, address: page.href } };
      if (how === "browser" && name === undefined) return inBrowser;
      const provider = chosen(identity, name);
      if (isRefusal(provider) || how === "browser") return isRefusal(provider) ? noted(call, provider) : inBrowser;
      const begun = await oidc.beginDevice(provider);
      if (begun === null) return inBrowser;
      if (isRefusal(begun)) return noted(call, begun);
      const { deviceCode, intervalMs, keptMs, userCode, address, wholeAddress } = begun;
      const login = newSecretText();
      await putLogin(context.db, login, { challenge, provider: provider.name, agent, deviceCode, intervalMs, keptMs });
      const expiresAt = toTimestamp(clock.nowMs() + keptMs);
      const body = { login, userCode, address, wholeAddress, retryAfterMs: intervalMs, expiresAt };
      return { status: 201, body: { how: "device", provider: provider.name, ...body } };
    },

    async finish({ body }, call) {
      const done = await finish(deps, await identityNow(), body, call);
      return isRefusal(done) ? noted(call, done) : done;
    },

    async renew({ body: { token } }, call) {
      const held = await exchangeToken(context.db, token, TOKEN_MS);
      if (held === null) return noted(call, await signedInNoMore(context.db, hashToken(token)));
      return { status: 200, body: heldBody(held.token, held.sessionExpiresMs) };
    },
  };
}

/** Whatever is refused is in the log. */
function noted({ log }: OpenCall, refusal: Refusal): Refusal {
  log.warn({ code: refusal.refused }, "not signed in");
  return refusal;
}

function chosen({ providers }: Identity, name: string | undefined): IdentityProvider | Refusal {
  const [only, ...others] = providers;
  if (name === undefined && only !== undefined && others.length === 0) return only;
  const offered = providers.map((one) => ({ name: one.name, title: one.title }));
  const why = name === undefined ? "There are several providers" : `There is no provider ${JSON.stringify(name)}`;
  const all = offered.map((one) => `${one.name} (${one.title})`).join(", ");
  return (
    providers.find((one) => one.name === name) ??
    refuse("invalid-input", `${why}: name one of ${all}.`, { providers: offered })
  );
}

const heldBody = (token: string, sessionExpiresMs: number) => ({
  token,
  renewAfterMs: RENEW_AFTER_MS,
  expiresAt: toTimestamp(sessionExpiresMs),
});

type Finished = Awaited<ReturnType<OpenHandlers<"login">["finish"]>>;

async function finish(
  deps: ServerDeps,
  identity: Identity | Refusal,
  { login: secret, verifier, former }: Sent,
  call: OpenCall,
): Promise<Finished> {
  if (isRefusal(identity)) return identity;
  const { context } = deps;
  const login = await findLogin(context.db, secret);
  const made = createHash("sha256").update(verifier).digest("base64url");
  if (login === null || !sameText(login.challenge, made) || login.over === "expired") return LOGIN_OVER;
  if (login.over === "used") {
    // Two hold what one was given, and nobody can tell who is who.
    if (login.session !== null) await endTwiceUsed(context, login.session);
    return LOGIN_OVER;
  }
  const token = newSessionToken();
  const hashes = { hash: hashToken(token), formerHash: former === undefined ? null : hashToken(former) };
  const done =
    login.deviceCode === null
      ? await signInCommandLine(context, login, hashes)
      : await askProvider(deps, identity, login, login.deviceCode, hashes);
  if (isRefusal(done) || "status" in done) return done;
  const person = (await principalsById(context.db, [done.principalId])).get(done.principalId);
  if (person === undefined) return LOGIN_OVER;
  call.log.info({ provider: login.provider, principal: done.principalId }, "signed in");
  const { session, expiresMs } = done;
  return {
    status: 200,
    body: { ...heldBody(token, expiresMs), session, provider: login.provider, person: toPerson(person) },
  };
}

async function askProvider(
  { context, oidc }: ServerDeps,
  { providers }: Identity,
  login: CliLogin,
  deviceCode: string,
  hashes: { readonly hash: string; readonly formerHash: string | null },
): Promise<SignedIn | Refusal | { readonly status: 202; readonly body: { readonly retryAfterMs: number } }> {
  const provider = providers.find(({ name }) => name === login.provider);
  if (provider === undefined) return LOGIN_OVER;
  const { inTime, intervalMs } = await takeTurn(context.db, login.hash);
  if (!inTime) {
    const retryAfterSeconds = Math.ceil(intervalMs / 1_000);
    return refuse("too-many-requests", `You asked too soon. Ask every ${retryAfterSeconds} seconds from now on.`, {
      retryAfterSeconds,
    });
  }
  const said = await oidc.askDevice(provider, deviceCode);
  // The provider may be back in a moment; whatever else it says is its last word.
  if (isRefusal(said) && said.refused === "provider-unavailable") return said;
  if (!isRefusal(said) && isNotYet(said)) {
    const slower = said.notYet === "slow-down" ? await slowDown(context.db, login.hash) : intervalMs;
    return { status: 202, body: { retryAfterMs: slower } };
  }
  const profile = isRefusal(said) ? said : profileOf(said, provider);
  const done =
    isRefusal(said) || isRefusal(profile)
      ? (profile as Refusal)
      : await signIn(context, {
          ...{ provider, profile, ...hashes, userAgent: login.agent, login: login.hash },
          providerSession: typeof said["sid"] === "string" ? said["sid"] : null,
          seen: seenByProvider(said),
        });
  if (isRefusal(done)) await endLogin(context.db, login.hash);
  return done;
}
