import { type GrantId, grantId } from "../base/ids.ts";
import { isRefusal, type Refusal } from "../base/problem.ts";
import type { CredentialView, GrantView } from "../contract/access.ts";
import { activateGrant } from "../operations/activate-grant.ts";
import { type Delivered, deliverCredential } from "../operations/deliver-credential.ts";
import { extendGrant } from "../operations/extend-grant.ts";
import { NO_SUCH_GRANT, revokeGrant } from "../operations/revoke-grant.ts";
import type { Db } from "../store/db.ts";
import { findGrant } from "../store/grants.ts";
import { findRequest } from "../store/requests.ts";
import { visibleGrants } from "../store/visible.ts";
import type { Call, Handlers, ServerDeps } from "./call.ts";
import { grantViews } from "./grant-views.ts";
import { hold } from "./hold.ts";
import { nextCursor } from "./page.ts";
import { idsOf } from "./people.ts";
import { receiptHandler } from "./receipt.ts";
import { inScene } from "./scene.ts";
import { withAuthentication } from "./step-up.ts";
import type { Versions } from "./versions.ts";

/** How soon it is worth asking for the credential again. */
const RETRY_AFTER_MS = 500;

/** Having access, and giving it back. */
export function grantHandlers(deps: ServerDeps, versions: Versions): Handlers<"grants"> {
  const { context } = deps;

  const show: Show = async (result, { principal }) => {
    if (isRefusal(result)) return result;
    const view = await inScene(context, principal, async (scene) => {
      const found = await visibleGrants(context.db, scene.viewer, { id: result.grantId, limit: 1 });
      const [one] = await grantViews(context.db, versions, scene, found);
      return one ?? NO_SUCH_GRANT;
    });
    return isRefusal(view) ? view : { status: 200, body: view };
  };
  return { ...looking(deps, versions, show), ...changing(deps, show), receipt: receiptHandler(deps) };
}

/** A grant as it is now, for whoever looked or did something to it; a refusal is passed on. */
type Show = (result: { grantId: GrantId } | Refusal, call: Call) => Promise<{ status: 200; body: GrantView } | Refusal>;

type Looking = "list" | "get";

function looking(
  { context, changes, clock }: ServerDeps,
  versions: Versions,
  show: Show,
): Pick<Handlers<"grants">, Looking> {
  const { db } = context;
  return {
    list: ({ query }, { principal }) =>
      inScene(context, principal, async (scene) => {
        const { state: states, resource, entitlement, order, cursor, limit } = query;
        const principalIds = query.person === undefined ? undefined : await idsOf(db, query.person, principal);
        const times = { fromMs: query.from, untilMs: query.until, liveAtMs: query.liveAt };
        const ends = { endsFromMs: query.endsFrom, endsUntilMs: query.endsUntil };
        const filter = { principalIds, states, resource, entitlement, order, cursor, limit, ...times, ...ends };
        const page = principalIds?.length === 0 ? [] : await visibleGrants(db, scene.viewer, filter);
        const grants = await grantViews(db, versions, scene, page);
        return { status: 200 as const, body: { grants, next: nextCursor(page, limit) } };
      }),

    async get({ params, query }, call) {
      const id = grantId.parse(params.id);
      if (id === null) return NO_SUCH_GRANT;
      const first = await show({ grantId: id }, call);
      if (isRefusal(first) || query.wait === 0) return first;
      const { state, accessGone } = first.body;
      const known = query.while ?? state;
      // Only the grant itself is looked at while waiting; what it takes to show it is read once, at the end.
      await hold(
        async () => (await findGrant(db, id))?.grant,
        (grant) => grant?.state !== known || (grant.state === "revoking" && grant.accessGone !== accessGone),
        {
          timeoutMs: query.wait * 1_000,
          signal: call.signal,
          clock,
          next: (timeoutMs) => changes.next(timeoutMs),
        },
      );
      return show({ grantId: id }, call);
    },
  };
}

function changing({ context, facts: desk }: ServerDeps, show: Show): Omit<Handlers<"grants">, Looking | "receipt"> {
  return {
    async activate({ params }, call) {
      const id = grantId.parse(params.id);
      if (id === null) return NO_SUCH_GRANT;
      return show(await activateGrant(context, call.principal, id, call.idempotency), call);
    },

    async extend({ params, body }, call) {
      const id = grantId.parse(params.id);
      if (id === null) return NO_SUCH_GRANT;
      const asked = { durationMs: body.duration, reason: body.reason };
      const gathered = await desk.gather(call.principal, await ticketOf(context.db, id));
      const facts = await withAuthentication(context.db, call, gathered);
      const result = await extendGrant(context, call.principal, id, asked, facts, call.idempotency);
      if (isRefusal(result) || result.pendingRequestId === null) return show(result, call);
      const requestId = result.pendingRequestId;
      const headers = { location: `/v1/requests/${requestId}` };
      return { status: 202, body: { requestId, state: "pending" }, headers };
    },

    async revoke({ params, body }, call) {
      const id = grantId.parse(params.id);
      if (id === null) return NO_SUCH_GRANT;
      return show(await revokeGrant(context, call.principal, id, body.reason, call.idempotency), call);
    },

    async credential({ params, body }, { principal }) {
      const id = grantId.parse(params.id);
      if (id === null) return NO_SUCH_GRANT;
      const given = await deliverCredential(context, principal, id, { rotate: body.rotate });
      if (isRefusal(given)) return given;
      if ("delivery" in given) return { status: 200, body: toCredential(given) };
      const headers = { "retry-after": String(Math.ceil(RETRY_AFTER_MS / 1_000)) };
      return { status: 202, body: { state: given.accepted, retryAfterMs: RETRY_AFTER_MS }, headers };
    },
  };
}

/** The ticket under which the grant was asked for; empty where there is none, or no such grant. */
async function ticketOf(db: Db, id: GrantId): Promise<string> {
  const found = await findGrant(db, id);
  return found === null ? "" : ((await findRequest(db, found.grant.requestId))?.ticket ?? "");
}

/** The one place where a secret leaves: into the body of this answer, and nowhere else. */
function toCredential({ delivery, secret, expiresAt }: Delivered): CredentialView {
  if (delivery.kind === "membership") return { ...delivery, expiresAt };
  const password = secret?.reveal() ?? "";
  const uri = new URL(delivery.uri);
  uri.password = encodeURIComponent(password);
  return { ...delivery, password, uri: uri.href, expiresAt };
}
