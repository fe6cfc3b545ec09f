/** The page on which somebody lets a command line of this very machine act for them (RFC 8252: loopback, with PKCE). */
import type { FastifyReply, FastifyRequest } from "fastify";
import { html } from "../base/page.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { hashToken, newSecretText } from "../base/token.ts";
import type { Identity } from "../domain/identity.ts";
import { authenticateSession } from "../identity/authenticate.ts";
import { formKeyOf, isSame } from "../identity/sign-in-state.ts";
import { putLogin } from "../store/cli-logins.ts";
import { sessionByHash } from "../store/sign-in-sessions.ts";
import type { ServerDeps } from "./call.ts";
import { sessionCookie } from "./cookies.ts";
import { sendPage } from "./pages.ts";
import { isFromUs } from "./same-origin.ts";

export const LOGIN_PATH = "/auth/cli";
/** From the browser back to the command line: that takes a moment. */
const CODE_MS = 60_000;

type Form = Readonly<Record<string, string>>;
type Asked = { readonly back: URL; readonly state: string; readonly challenge: string; readonly agent: string };

/** This very machine and no other, by its number: a name could lead elsewhere. */
const LOOPBACK = /^http:\/\/127\.0\.0\.1:[1-9]\d{1,4}\/callback$/;

function readAsked(sent: Form): Asked | Refusal {
  const { redirect_uri = "", state = "", code_challenge = "", agent = "" } = sent;
  const back = LOOPBACK.test(redirect_uri) ? URL.parse(redirect_uri) : null;
  if (back === null || !/^[\w-]{20,100}$/.test(state) || !/^[\w-]{43}$/.test(code_challenge))
    return refuse(
      "invalid-input",
      "This is no address of a command line on this machine. Begin there: tidegate login.",
    );
  return { back, state, challenge: code_challenge, agent: agent.replaceAll(/[^\x20-\x7e]/g, "").slice(0, 100) };
}

/** Signs the browser in first where it is not. */
export async function askWhether(
  { context }: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const sent = request.query as Form;
  const asked = readAsked(sent);
  if (isRefusal(asked)) return asked;
  const cookie = sessionCookie(request, identity);
  const caller = cookie === undefined ? null : await authenticateSession(context.db, cookie);
  if (cookie === undefined || caller === null || isRefusal(caller)) {
    const through = identity.providers.some(({ name }) => name === sent["provider"]) ? `/${sent["provider"]}` : "";
    return reply.redirect(`/auth/sign-in${through}?return_to=${encodeURIComponent(request.url)}`, 303);
  }
  const { back, state, challenge, agent } = asked;
  const fields = { key: formKeyOf(cookie), redirect_uri: back.href, state, code_challenge: challenge, agent };
  const inputs = Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  );
  const page = html`<p>A command line on this machine wants to act as <b>${caller.principal.name}</b> (${caller.principal.handle}): ${agent || "it does not say its name"}.</p>
<p>Go on only if you have just run <code>tidegate login</code> yourself. Otherwise close this page.</p>
<form method="post" action="${LOGIN_PATH}">${inputs}<button class="go">Sign it in</button></form>`;
  return sendPage(reply, 200, "Sign in a command line", page, { leadsTo: back.origin });
}

/** A form of ours, from the page above. */
export async function sayYes(
  { context }: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const cookie = sessionCookie(request, identity);
  const form = (request.body ?? {}) as Form;
  if (cookie === undefined) return refuse("unauthenticated", "You are not signed in.");
  if (!isFromUs(request, identity.url) || !isSame(form["key"] ?? "", formKeyOf(cookie)))
    return refuse("cross-site", "This was not sent by a page of Tidegate. Begin again: tidegate login.");
  const asked = readAsked(form);
  if (isRefusal(asked)) return asked;
  const caller = await authenticateSession(context.db, cookie);
  if (isRefusal(caller)) return caller;
  const session = await sessionByHash(context.db, hashToken(cookie));
  if (session === null) return refuse("unauthenticated", "You are not signed in any more.");
  const { back, state, challenge, agent } = asked;
  const code = newSecretText();
  const { id: browserSession, provider } = session;
  await putLogin(context.db, code, { challenge, provider, agent, browserSession, keptMs: CODE_MS });
  for (const [name, value] of Object.entries({ code, state })) back.searchParams.set(name, value);
  return reply.redirect(back.href, 303);
}
