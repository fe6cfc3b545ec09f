/** Signing in with a browser: to the provider and back, out again, and what the provider itself says. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { sessionId } from "../base/ids.ts";
import { html } from "../base/page.ts";
import { isRefusal, PROBLEMS, type Refusal, refuse } from "../base/problem.ts";
import { hashToken, newToken } from "../base/token.ts";
import { type Demand, seenByProvider } from "../domain/authentication.ts";
import { type Identity, type IdentityProvider, profileOf } from "../domain/identity.ts";
import { authenticateSession } from "../identity/authenticate.ts";
import {
  beginSignIn,
  formKeyOf,
  isSame,
  type Purpose,
  signInUnderWay,
  UNDER_WAY_MS,
  type UnderWay,
} from "../identity/sign-in-state.ts";
import { endAtProvider, endSession } from "../operations/end-session.ts";
import { signIn } from "../operations/sign-in.ts";
import { sessionsOf, useState } from "../store/sign-in-sessions.ts";
import { browserName } from "./browser-name.ts";
import type { ServerDeps } from "./call.ts";
import { dropSession, dropUnderWay, sessionCookie, setSession, setUnderWay, underWayCookie } from "./cookies.ts";
import { askWhether, LOGIN_PATH, sayYes } from "./login-page.ts";
import { sendPage, timeOf } from "./pages.ts";
import { SCRIPT_PATH } from "./passkey-form.ts";
import { answerStepUp, dropPasskey, registerPasskey, sendScript, showPasskeys } from "./passkey-pages.ts";
import { sendProblem } from "./problems.ts";
import { isFromUs } from "./same-origin.ts";
import { PASSKEYS_PATH, STEP_UP_PATH } from "./step-up.ts";
import { providerFor, showStepUp, steppedUp } from "./step-up-page.ts";

const HOME = "/auth/sessions";
const AGENT_CHARS_MAX = 200;
const RETURN_CHARS_MAX = 1_000;

type Params = { readonly provider: string };
type Form = Readonly<Record<string, string>>;

export function signInRoutes(root: FastifyInstance, deps: ServerDeps): void {
  root.register(async (app) => {
    app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) =>
      done(null, Object.fromEntries(new URLSearchParams(String(body)))),
    );
    addRoutes(app, deps);
  });
}

function addRoutes(app: FastifyInstance, deps: ServerDeps): void {
  const { context } = deps;
  type Work = (deps: ServerDeps, request: FastifyRequest, reply: FastifyReply, identity: Identity) => Promise<unknown>;
  /** A page where a person looks, a problem where a program does. Whatever is refused is in the log. */
  const routed =
    (work: Work) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const identity = (await context.catalog.active(context.ledger))?.configuration.identity;
      const done = identity === undefined ? NO_PROVIDERS : await work(deps, request, reply, identity);
      if (!isRefusal(done)) return reply;
      request.log.warn({ route: request.routeOptions.url, code: done.refused }, "not signed in");
      return sayNo(request, reply, done);
    };

  // People type the name of a host and nothing behind it.
  app.get("/", (request, reply) => (wantsPage(request) ? reply.redirect(HOME, 303) : reply.callNotFound()));
  app.get("/auth/sign-in", routed(choose));
  app.get("/auth/sign-in/:provider", routed(begin));
  app.get(`${STEP_UP_PATH}/:id`, routed(showStepUp));
  app.get(`${STEP_UP_PATH}/:id/sign-in`, routed(beginAgain));
  app.post(`${STEP_UP_PATH}/:id/passkey`, routed(answerStepUp));
  app.get(PASSKEYS_PATH, routed(showPasskeys));
  app.post(PASSKEYS_PATH, routed(registerPasskey));
  app.post(`${PASSKEYS_PATH}/remove`, routed(dropPasskey));
  app.get(SCRIPT_PATH, (_request, reply) => sendScript(reply));
  app.get("/auth/callback/:provider", routed(comeBack));
  app.get(HOME, routed(showSessions));
  app.get(LOGIN_PATH, routed(askWhether));
  app.post(LOGIN_PATH, routed(sayYes));
  app.post("/auth/sign-out", routed(signOut));
  app.post("/auth/logout/:provider", routed(loggedOut));
}

const NO_PROVIDERS = refuse("not-found", "Nobody signs in through a provider here: the configuration names none.");

const wantsPage = ({ headers }: FastifyRequest): boolean => (headers.accept ?? "").includes("text/html");

function sayNo(request: FastifyRequest, reply: FastifyReply, refusal: Refusal): FastifyReply {
  if (!wantsPage(request)) return sendProblem(reply, refusal);
  const [status, title] = PROBLEMS[refusal.refused];
  const again = html`<p>${refusal.detail}</p><a class="go" href="/auth/sign-in">Sign in</a><p><small>For whoever helps you: ${refusal.refused}, ${request.id}</small></p>`;
  return sendPage(reply, status, title, again);
}

/** Back to a page of ours and nowhere else. Null: it leads elsewhere. */
function returnTo(request: FastifyRequest, { url }: Identity): string | null {
  const wanted = (request.query as Form)["return_to"] ?? HOME;
  // A backslash is a slash to browsers, and white space nothing: what they would read is looked at.
  if (typeof wanted !== "string" || wanted.length > RETURN_CHARS_MAX || !/^\/(?!\/)[^\\\s]*$/.test(wanted)) return null;
  return URL.parse(wanted, url)?.origin === url ? wanted : null;
}

const ELSEWHERE = refuse(
  "invalid-input",
  "return_to leads away from Tidegate. Give a path of its own, as in /auth/sessions.",
);

async function choose(
  _deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const back = returnTo(request, identity);
  if (back === null) return ELSEWHERE;
  const links = identity.providers.map(
    ({ name, title }) =>
      html`<a class="go" href="/auth/sign-in/${name}?return_to=${encodeURIComponent(back)}">Sign in with ${title}</a>`,
  );
  const { signed } = request.query as Form;
  const said = signed === "out" ? html`<p class="said" role="status">You are signed out here.</p>` : "";
  return sendPage(reply, 200, "Sign in", html`${said}<p>Just-in-time access to production.</p>${links}`);
}

const providerOf = (request: FastifyRequest, { providers }: Identity): IdentityProvider | Refusal =>
  providers.find(({ name }) => name === (request.params as Params).provider) ??
  refuse("not-found", "There is no such provider here.");

const callbackOf = ({ url }: Identity, { name }: IdentityProvider): string => `${url}/auth/callback/${name}`;

async function begin(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const provider = providerOf(request, identity);
  if (isRefusal(provider)) return provider;
  const back = returnTo(request, identity);
  if (back === null) return ELSEWHERE;
  return sendOff(deps, reply, identity, provider, { returnTo: back });
}

/** The same for an act that demands it. */
async function beginAgain(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const open = await providerFor(deps, request, identity);
  if (isRefusal(open)) return open;
  const { provider, stepUp } = open;
  return sendOff(deps, reply, identity, provider, { returnTo: HOME, stepUp: stepUp.id }, stepUp.demand);
}

async function sendOff(
  deps: ServerDeps,
  reply: FastifyReply,
  identity: Identity,
  provider: IdentityProvider,
  purpose: Purpose,
  demand: Demand = {},
): Promise<unknown> {
  const { cookie, underWay } = beginSignIn(provider.name, purpose, deps.clock.nowMs());
  const to = await deps.oidc.authorize(provider, callbackOf(identity, provider), underWay, demand);
  if (isRefusal(to)) return to;
  setUnderWay(reply, identity, cookie, UNDER_WAY_MS);
  return reply.redirect(to.href, 303);
}

const NOT_BEGUN = refuse(
  "sign-in-expired",
  "This sign-in was not begun in this browser, has taken too long, or is over already. Begin again: /auth/sign-in.",
);

async function comeBack(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const { context, oidc } = deps;
  const provider = providerOf(request, identity);
  if (isRefusal(provider)) return provider;
  const underWay = signInUnderWay(underWayCookie(request, identity));
  const mayGoOn = await isUnderWay(deps, request, provider, underWay);
  if (underWay === null || !mayGoOn) return NOT_BEGUN;
  dropUnderWay(reply, identity);
  const cameBackTo = new URL(callbackOf(identity, provider));
  cameBackTo.search = request.url.split("?").slice(1).join("?");
  const claims = await oidc.redeem(provider, cameBackTo, underWay);
  if (isRefusal(claims)) return claims;
  if (underWay.stepUp !== undefined) return steppedUp(deps, reply, provider, underWay.stepUp, claims);
  const profile = profileOf(claims, provider);
  if (isRefusal(profile)) return profile;
  const session = newToken();
  const former = sessionCookie(request, identity);
  const { sid } = claims;
  const done = await signIn(context, {
    provider,
    profile,
    providerSession: typeof sid === "string" ? sid : null,
    seen: seenByProvider(claims),
    hash: hashToken(session),
    formerHash: former === undefined ? null : hashToken(former),
    login: null,
    userAgent: (request.headers["user-agent"] ?? "").replaceAll(/[^\x20-\x7e]/g, "").slice(0, AGENT_CHARS_MAX),
  });
  if (isRefusal(done)) return done;
  request.log.info({ provider: provider.name, principal: done.principalId }, "signed in");
  setSession(reply, identity, session);
  return reply.redirect(underWay.returnTo, 303);
}

/** The browser that began it, at this provider, in time, and for the first time. */
async function isUnderWay(
  { context, clock }: ServerDeps,
  request: FastifyRequest,
  provider: IdentityProvider,
  underWay: UnderWay | null,
): Promise<boolean> {
  if (underWay === null || underWay.provider !== provider.name) return false;
  const ageMs = clock.nowMs() - underWay.startedMs;
  const { state } = request.query as { readonly state?: unknown };
  if (ageMs < 0 || ageMs > UNDER_WAY_MS || typeof state !== "string" || !isSame(state, underWay.state)) return false;
  return useState(context.db, hashToken(state), 2 * UNDER_WAY_MS);
}

async function showSessions(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const { db } = deps.context;
  const cookie = sessionCookie(request, identity);
  if (cookie === undefined) return reply.redirect("/auth/sign-in", 303);
  const caller = await authenticateSession(db, cookie);
  if (isRefusal(caller)) {
    if (caller.refused === "unauthenticated") dropSession(reply, identity);
    return caller;
  }
  const { principal, session: current } = caller;
  const key = formKeyOf(cookie);
  const titleOf = (name: string): string => identity.providers.find((one) => one.name === name)?.title ?? name;
  const items = (await sessionsOf(db, principal.id)).map(({ id, provider, userAgent, createdMs, seenMs }) => {
    const [browser, here] = [browserName(userAgent), id === current];
    // Read aloud one after another, "Sign out" alone would not say what it ends.
    const button = here
      ? html`<button>Sign out</button>`
      : html`<button aria-label="Sign out ${browser}">Sign out</button>`;
    return html`<li><div>${browser}${here ? html` <strong>(this browser)</strong>` : ""}<br><small>through ${titleOf(provider)} since ${timeOf(createdMs)}, last used ${timeOf(seenMs)}</small></div>
<form method="post" action="/auth/sign-out"><input type="hidden" name="key" value="${key}"><input type="hidden" name="session" value="${id}">${button}</form></li>`;
  });
  const who = html`<p>${principal.name} (${principal.handle})<br><small>groups: ${principal.groups.join(", ") || "none"}; roles: ${principal.roles.join(", ")}</small></p>
<p><a href="${PASSKEYS_PATH}">Your passkeys</a></p>
<h2>Where you are signed in</h2><ul>${items}</ul>`;
  return sendPage(reply, 200, "You are signed in", who);
}

/** A form of ours: sent from here, with what only this browser's page was given. */
async function signOut(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const { context } = deps;
  const cookie = sessionCookie(request, identity);
  const { key, session = "" } = (request.body ?? {}) as Form;
  if (cookie === undefined) return refuse("unauthenticated", "You are not signed in.");
  if (!isFromUs(request, identity.url) || key === undefined || !isSame(key, formKeyOf(cookie)))
    return refuse("cross-site", "This was not sent by a page of Tidegate. Sign out at /auth/sessions.");
  const caller = await authenticateSession(context.db, cookie);
  if (isRefusal(caller)) return caller;
  const id = sessionId.parse(session);
  if (id === null) return refuse("not-found", "There is no such session.");
  const ended = await endSession(context, caller.principal, id);
  if (isRefusal(ended)) return ended;
  const isThis = caller.session === id;
  if (isThis) dropSession(reply, identity);
  return reply.redirect(isThis ? "/auth/sign-in?signed=out" : HOME, 303);
}

/** OpenID Connect Back-Channel Logout 1.0. The token is all that says who sends it. */
async function loggedOut(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const provider = providerOf(request, identity);
  if (isRefusal(provider)) return provider;
  const { logout_token: token } = (request.body ?? {}) as Form;
  if (token === undefined) return refuse("invalid-input", "Send a form with logout_token.");
  const said = await deps.oidc.loggedOut(provider, token);
  if (isRefusal(said)) return said;
  const { subject, session, issuedMs: beganByMs } = said;
  const ended = await endAtProvider(deps.context, { issuer: provider.issuer, subject, session, beganByMs });
  if (isRefusal(ended)) return ended;
  request.log.info({ provider: provider.name, sessions: ended }, "signed out at the provider");
  return reply.code(200).send();
}
