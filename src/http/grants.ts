import { type GrantId, grantId, principalId } from "../base/ids.ts";
import { isRefusal, type Refusal } from "../base/problem.ts";
import type { CredentialView, GrantView } from "../contract/access.ts";
import type { Principal } from "../domain/principal.ts";
import { gatherFacts } from "../facts/gather.ts";
import { activateGrant } from "../operations/activate-grant.ts";
import { type Delivered, deliverCredential } from "../operations/deliver-credential.ts";
import { extendGrant } from "../operations/extend-grant.ts";
import { NO_SUCH_GRANT, revokeGrant } from "../operations/revoke-grant.ts";
import type { Db } from "../store/db.ts";
import { findGrant } from "../store/grants.ts";
import type { Call, Handlers, ServerDeps } from "./call.ts";
import { grantViews } from "./grant-views.ts";
import { hold } from "./hold.ts";
import { nextCursor } from "./page.ts";
import { inScene } from "./scene.ts";
import type { Versions } from "./versions.ts";
import { visibleGrants } from "./visible.ts";

/** How soon it is worth asking for the credential again. */
const RETRY_AFTER_MS = 500;

/** Having access, and giving it back. */
export function grantHandlers({ context, changes, clock }: ServerDeps, versions: Versions): Handlers<"grants"> {
  const { db } = context;

  const show = (id: GrantId, principal: Principal): Promise<GrantView | Refusal> =>
    inScene(context, principal, async (scene) => {
      const found = await visibleGrants(db, scene.viewer, { id, limit: 1 });
      const [view] = await grantViews(db, versions, scene, found);
      return view ?? NO_SUCH_GRANT;
    });

  /** What an operation did to a grant, shown to who did it. */
  async function after(result: { grantId: GrantId } | Refusal, { principal }: Call) {
    const view = isRefusal(result) ? result : await show(result.grantId, principal);
    return isRefusal(view) ? view : { status: 200 as const, body: view };
  }

  return {
    list: ({ query }, { principal }) =>
      inScene(context, principal, async (scene) => {
        const { state: states, resource, cursor: beforeSeq, limit } = query;
        const principalIds = query.person === undefined ? undefined : await idsOf(db, query.person, principal);
        const none = principalIds?.length === 0;
        const filter = { principalIds, states, resource, beforeSeq, limit };
        const page = none ? [] : await visibleGrants(db, scene.viewer, filter);
        const grants = await grantViews(db, versions, scene, page);
        return { status: 200 as const, body: { grants, next: nextCursor(page, limit) } };
      }),

    async get({ params, query }, call) {
      const id = grantId.parse(params.id);
      if (id === null) return NO_SUCH_GRANT;
      const first = await show(id, call.principal);
      if (isRefusal(first) || query.wait === 0) return isRefusal(first) ? first : { status: 200, body: first };
      const known = { state: query.while ?? first.state, accessGone: first.accessGone };
      // Only the grant itself is looked at while waiting; what it takes to show it is read once, at the end.
      await hold(
        async () => (await findGrant(db, id))?.grant,
        (grant) =>
          grant?.state !== known.state || (grant.state === "revoking" && grant.accessGone !== known.accessGone),
        { timeoutMs: query.wait * 1_000, signal: call.signal, clock, next: (timeoutMs) => changes.next(timeoutMs) },
      );
      return after({ grantId: id }, call);
    },

    async activate({ params }, call) {
      const id = grantId.parse(params.id);
      if (id === null) return NO_SUCH_GRANT;
      return after(await activateGrant(context, call.principal, id, call.idempotency), call);
    },

    async extend({ params, body }, call) {
      const id = grantId.parse(params.id);
      if (id === null) return NO_SUCH_GRANT;
      const asked = { durationMs: body.duration, reason: body.reason };
      const facts = gatherFacts(call.principal);
      const result = await extendGrant(context, call.principal, id, asked, facts, call.idempotency);
      if (isRefusal(result) || result.pendingRequestId === null) return after(result, call);
      const requestId = result.pendingRequestId;
      return {
        status: 202,
        body: { requestId, state: "pending" },
        headers: { location: `/v1/requests/${requestId}` },
      };
    },

    async revoke({ params, body }, call) {
      const id = grantId.parse(params.id);
      if (id === null) return NO_SUCH_GRANT;
      return after(await revokeGrant(context, call.principal, id, body.reason, call.idempotency), call);
    },

    async credential({ params, body }, { principal }) {
      const id = grantId.parse(params.id);
      if (id === null) return NO_SUCH_GRANT;
      const answer = await deliverCredential(context, principal, id, { rotate: body.rotate });
      if (isRefusal(answer)) return answer;
      if ("delivery" in answer) return { status: 200, body: toCredential(answer) };
      return {
        status: 202,
        body: { state: answer.accepted, retryAfterMs: RETRY_AFTER_MS },
        headers: { "retry-after": String(Math.ceil(RETRY_AFTER_MS / 1_000)) },
      };
    },
  };
}

/** Everybody who is or was known by this handle, or the one with this id. */
async function idsOf(db: Db, person: string, me: Principal): Promise<string[]> {
  if (person === "me") return [me.id];
  if (principalId.parse(person) !== null) return [person];
  const rows = await db.selectFrom("principals").select("id").where("handle", "=", person).execute();
  return rows.map((row) => row.id);
}

/** The one place where a secret leaves: into the body of this answer, and nowhere else. */
function toCredential({ delivery, secret, expiresAt }: Delivered): CredentialView {
  if (delivery.kind === "membership") return { ...delivery, expiresAt };
  const password = secret?.reveal() ?? "";
  const uri = new URL(delivery.uri);
  uri.password = encodeURIComponent(password);
  return { ...delivery, password, uri: uri.href, expiresAt };
}
