/** Passkeys in the browser: one's own, one more, one less. What it takes to use one is on the page of a step-up. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { hashOf } from "../base/hash.ts";
import { passkeyId, stepUpId } from "../base/ids.ts";
import { html } from "../base/page.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { lacking } from "../domain/authentication.ts";
import type { Identity } from "../domain/identity.ts";
import { authenticateSession } from "../identity/authenticate.ts";
import { formKeyOf, isSame } from "../identity/sign-in-state.ts";
import { askForNew, hasPasskeys, readNew, readShown } from "../identity/webauthn.ts";
import { addPasskey, NO_SUCH_PASSKEY, removePasskey, showPasskey, TO_ADD } from "../operations/passkeys.ts";
import { passkeyByCredential, passkeysOf, putChallenge, useChallenge } from "../store/passkeys.ts";
import { sessionById } from "../store/sign-in-sessions.ts";
import { putStepUp } from "../store/step-ups.ts";
import type { ServerDeps } from "./call.ts";
import { sessionCookie } from "./cookies.ts";
import { sendPage, timeOf } from "./pages.ts";
import { passkeyForm, SCRIPT } from "./passkey-form.ts";
import { isFromUs } from "./same-origin.ts";
import { ADD_PASSKEY, KEPT_MS, PASSKEYS_PATH, STEP_UP_PATH } from "./step-up.ts";
import { openStepUp } from "./step-up-page.ts";

const NAME_CHARS_MAX = 60;

type Form = Readonly<Record<string, string>>;

export const sendScript = (reply: FastifyReply): FastifyReply =>
  reply.type("text/javascript; charset=utf-8").send(SCRIPT);

async function signedIn({ context: { db } }: ServerDeps, request: FastifyRequest, identity: Identity) {
  const cookie = sessionCookie(request, identity);
  if (cookie === undefined) return refuse("unauthenticated", "You are not signed in.");
  const caller = await authenticateSession(db, cookie);
  const session = isRefusal(caller) || caller.session === null ? null : await sessionById(db, caller.session);
  if (isRefusal(caller) || session === null)
    return isRefusal(caller) ? caller : refuse("unauthenticated", "You are not signed in any more.");
  return { principal: caller.principal, session, key: formKeyOf(cookie) };
}

export async function showPasskeys(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  if (sessionCookie(request, identity) === undefined)
    return reply.redirect(`/auth/sign-in?return_to=${PASSKEYS_PATH}`, 303);
  const caller = await signedIn(deps, request, identity);
  if (isRefusal(caller)) return caller;
  const { principal, session, key } = caller;
  const { db, ledger } = deps.context;
  const known = await passkeysOf(db, principal.id);
  const items = known.map(
    ({ id, name, createdMs, usedMs }) =>
      html`<li><div>${name}<br><small>since ${timeOf(createdMs)}, ${usedMs === null ? "never used" : html`last used ${timeOf(usedMs)}`}</small></div>
<form method="post" action="${PASSKEYS_PATH}/remove"><input type="hidden" name="key" value="${key}"><input type="hidden" name="id" value="${id}"><button aria-label="Remove ${name}">Remove</button></form></li>`,
  );
  const list = known.length === 0 ? html`<p>You have none yet.</p>` : html`<ul>${items}</ul>`;
  const who = html`<p>${principal.name} (${principal.handle}). Some acts take a passkey: a key of yours that only your device, your finger or your PIN lets out.</p>${list}<h2>Add one</h2>`;
  const page = (more: ReturnType<typeof html>, scripted = false) =>
    sendPage(reply, 200, "Your passkeys", html`${who}${more}`, { scripted });
  if (!hasPasskeys(identity))
    return page(html`<p>Browsers keep passkeys for names alone: Tidegate is to have one (identity.url).</p>`);
  if (lacking(TO_ADD, session.authentication, await ledger.nowMs()) !== null) {
    const id = stepUpId.make();
    const act = hashOf(ADD_PASSKEY);
    await putStepUp(db, { id, session: session.id, act, what: ADD_PASSKEY, demand: TO_ADD, keptMs: KEPT_MS });
    return page(
      html`<p>That takes a fresh sign-in.</p><a class="go" href="${STEP_UP_PATH}/${id}">Show that it is you</a>`,
    );
  }
  const question = await askForNew(identity, principal, known);
  await putChallenge(db, question.challenge, { session: session.id, stepUp: null }, KEPT_MS);
  const fields = html`<input type="hidden" name="key" value="${key}"><label>Its name <input name="name" required maxlength="${String(NAME_CHARS_MAX)}" autocomplete="off"></label> <button class="go">Add a passkey</button>`;
  return page(passkeyForm("new", PASSKEYS_PATH, question, fields), true);
}

/** A form of the page above. */
async function formOf(deps: ServerDeps, request: FastifyRequest, identity: Identity) {
  const caller = await signedIn(deps, request, identity);
  if (isRefusal(caller)) return caller;
  const form = (request.body ?? {}) as Form;
  if (!isFromUs(request, identity.url) || !isSame(form["key"] ?? "", caller.key))
    return refuse("cross-site", `This was not sent by a page of Tidegate. Begin again: ${PASSKEYS_PATH}`);
  return { ...caller, form };
}

export async function registerPasskey(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const sent = await formOf(deps, request, identity);
  if (isRefusal(sent)) return sent;
  const { form, principal, session } = sent;
  const name = (form["name"] ?? "").replaceAll(/\p{C}/gu, " ").trim().slice(0, NAME_CHARS_MAX);
  if (name === "") return refuse("invalid-input", "Give it a name, such as the device that it is on.");
  const { context } = deps;
  const made = await readNew(identity, form["answer"] ?? "", name, (challenge) =>
    useChallenge(context.db, challenge, { session: session.id, stepUp: null }),
  );
  const done = isRefusal(made) ? made : await addPasskey(context, principal, session.id, made);
  return isRefusal(done) ? done : reply.redirect(PASSKEYS_PATH, 303);
}

export async function dropPasskey(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const sent = await formOf(deps, request, identity);
  if (isRefusal(sent)) return sent;
  const id = passkeyId.parse(sent.form["id"] ?? "");
  const done = id === null ? NO_SUCH_PASSKEY : await removePasskey(deps.context, sent.principal, id);
  return isRefusal(done) ? done : reply.redirect(PASSKEYS_PATH, 303);
}

/** A passkey answers for an act. What it was asked is good once, for this act of this session. */
export async function answerStepUp(
  deps: ServerDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
): Promise<unknown> {
  const open = await openStepUp(deps, request);
  if (isRefusal(open)) return open;
  const { id, session, principalId } = open.stepUp;
  if (!isFromUs(request, identity.url))
    return refuse("cross-site", `Begin at the page itself: ${STEP_UP_PATH}/${id}`) as Refusal;
  const { context } = deps;
  const { db } = context;
  const own = async (credentialId: string) => {
    const found = await passkeyByCredential(db, credentialId);
    return found?.principalId === principalId ? found : null;
  };
  const { answer = "" } = (request.body ?? {}) as Form;
  const shown = await readShown(identity, answer, own, (challenge) =>
    useChallenge(db, challenge, { session, stepUp: id }),
  );
  const done = isRefusal(shown) ? shown : await showPasskey(context, id, shown);
  return isRefusal(done) ? done : reply.redirect(`${STEP_UP_PATH}/${id}`, 303);
}
