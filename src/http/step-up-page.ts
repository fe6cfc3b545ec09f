/** The page on which somebody shows anew who they are, for one act of one of their sessions. Its address is the secret: no session is needed. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { JsonObject } from "../base/canonical.ts";
import { stepUpId } from "../base/ids.ts";
import { type Html, html } from "../base/page.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { demandInWords, lacking, seenByProvider, wantsSignIn } from "../domain/authentication.ts";
import type { Identity, IdentityProvider } from "../domain/identity.ts";
import { askForOneOf } from "../identity/webauthn.ts";
import { STEP_UP_OVER, stepUp } from "../operations/step-up.ts";
import { passkeysOf, putChallenge } from "../store/passkeys.ts";
import { principalsById } from "../store/principals.ts";
import { type SignInSession, sessionById } from "../store/sign-in-sessions.ts";
import { authenticationOf, findStepUp, type StepUp } from "../store/step-ups.ts";
import { browserName } from "./browser-name.ts";
import type { ServerDeps } from "./call.ts";
import { sendPage } from "./pages.ts";
import { passkeyForm } from "./passkey-form.ts";
import { isFromUs } from "./same-origin.ts";
import { ADD_PASSKEY, KEPT_MS, PASSKEYS_PATH, STEP_UP_PATH } from "./step-up.ts";

export type Open = { readonly stepUp: StepUp; readonly session: SignInSession };

/** The one that the address names, while it is under way. */
export async function openStepUp({ context: { db } }: ServerDeps, request: FastifyRequest): Promise<Open | Refusal> {
  const id = stepUpId.parse((request.params as { readonly id: string }).id);
  const found = id === null ? null : await findStepUp(db, id);
  const session = found === null ? null : await sessionById(db, found.session);
  return found === null || session === null ? STEP_UP_OVER : { stepUp: found, session };
}

export async function showStepUp(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const open = await openStepUp(deps, request);
  if (isRefusal(open)) return open;
  const { db, ledger } = deps.context;
  const { id, act, what, demand, principalId } = open.stepUp;
  const { kind, userAgent, provider } = open.session;
  const missing = lacking(demand, await authenticationOf(db, open.session.id, act), await ledger.nowMs());
  if (missing === null && what === ADD_PASSKEY) return reply.redirect(PASSKEYS_PATH, 303);
  if (missing === null)
    return sendPage(
      reply,
      200,
      "It is you",
      html`<p>Go back to where you asked to ${what}: it goes on by itself there.</p>`,
    );
  const person = (await principalsById(db, [principalId])).get(principalId);
  const title = identity.providers.find(({ name }) => name === provider)?.title ?? provider;
  const where = kind === "cli" ? userAgent || "a command line" : browserName(userAgent);
  const page = html`<p><b>${person?.name ?? ""}</b> (${person?.handle ?? ""}) is to <b>${what}</b>, in ${where}. For that ${demandInWords(missing)} is demanded.</p>
<p>Go on only if you have just asked for this yourself. Otherwise close this page.</p>
`;
  const signIn = html`<a class="go" href="${STEP_UP_PATH}/${id}/sign-in">Sign in with ${title}</a>`;
  const scripted = missing.passkey === true;
  const key = scripted ? await passkeyPart(deps, identity, open) : "";
  const parts = html`${page}${wantsSignIn(missing) ? signIn : ""}${key}`;
  return sendPage(reply, 200, "Show that it is you", parts, { scripted });
}

/** A question for the passkeys of whoever asked; each look asks another. */
async function passkeyPart({ context: { db } }: ServerDeps, identity: Identity, { stepUp }: Open): Promise<Html> {
  const known = await passkeysOf(db, stepUp.principalId);
  const lead = html`<a href="${PASSKEYS_PATH}">Add one</a>`;
  if (known.length === 0) return html`<p>You have no passkey here yet. ${lead}, then come back to this page.</p>`;
  const question = await askForOneOf(identity, known);
  await putChallenge(db, question.challenge, { session: stepUp.session, stepUp: stepUp.id }, KEPT_MS);
  const button = html`<button class="go">Use a passkey</button>`;
  return passkeyForm("known", `${STEP_UP_PATH}/${stepUp.id}/passkey`, question, button);
}

/** Whom the link on our page leads to; nobody is led there from elsewhere. */
export async function providerFor(
  deps: ServerDeps,
  request: FastifyRequest,
  identity: Identity,
): Promise<(Open & { readonly provider: IdentityProvider }) | Refusal> {
  const open = await openStepUp(deps, request);
  if (isRefusal(open)) return open;
  if (!isFromUs(request, identity.url))
    return refuse("cross-site", `Begin at the page itself: ${STEP_UP_PATH}/${open.stepUp.id}`);
  const provider = identity.providers.find(({ name }) => name === open.session.provider);
  return provider === undefined
    ? refuse("not-found", "The provider that you signed in through is no more. Sign in anew: tidegate login.")
    : { ...open, provider };
}

/** Back from the provider. */
export async function steppedUp(
  { context }: ServerDeps,
  reply: FastifyReply,
  provider: IdentityProvider,
  id: string,
  claims: JsonObject,
): Promise<unknown> {
  const known = stepUpId.parse(id);
  if (known === null) return STEP_UP_OVER;
  const done = await stepUp(context, known, provider, { ...seenByProvider(claims), subject: String(claims["sub"]) });
  return isRefusal(done) ? done : reply.redirect(`${STEP_UP_PATH}/${known}`, 303);
}
