import type { BundleId, PrincipalId, RequestId } from "../base/ids.ts";
import { isRefusal, type ProblemCode, type Refusal, refuse } from "../base/problem.ts";
import { cancel } from "../domain/decide-request.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { bundlesById, requestIdsOf } from "../store/bundles.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { decideReview, type GivenVerdict } from "./review-request.ts";
import { heldToDecide } from "./subject.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

const NO_SUCH_BUNDLE = refuse("not-found", "There is no such bundle, or you may not see it.");
const NOTHING_WAITS = refuse("request-decided", "Nothing of this bundle waits any more.");

/** What was done to each part that waited: done, or why not. */
export type BundleDone = {
  readonly bundleId: BundleId;
  readonly done: readonly RequestId[];
  readonly refused: readonly { readonly requestId: RequestId; readonly code: ProblemCode; readonly detail: string }[];
};

/** One verdict on every part that waits and that this person may review; the rest is left, and said. Refused where there is none. */
export function reviewBundle(
  context: Context,
  reviewerId: PrincipalId,
  id: BundleId,
  given: Omit<GivenVerdict, "entitlement" | "seen">,
  idempotency: IdempotencyKey | null = null,
): Promise<BundleDone | Refusal> {
  const acting = { operation: "review-bundle", actor: { principal: reviewerId }, idempotency };
  return transact<BundleDone, SqlTx>(context, acting, async (work) => {
    const { tx } = work;
    const held = await heldToDecide(context, tx);
    if (isRefusal(held)) return held;
    const bundle = (await bundlesById(tx.sql, [id])).get(id);
    // People before requests, and requests in the order in which they were made.
    const requester = bundle === undefined ? null : await tx.lockPrincipal(bundle.requesterId);
    if (requester === null) return NO_SUCH_BUNDLE;
    const reviewer = await tx.findPrincipal(reviewerId);
    if (reviewer?.active !== true) return refuse("principal-deactivated", "You are deactivated.");
    return each(tx, id, (request) =>
      decideReview(work, held, request, requester, reviewer, { ...given, entitlement: null, seen: null }),
    );
  });
}

/** Takes back every part that still waits: its requester, or an operator or admin. */
export function cancelBundle(
  context: Context,
  by: Principal,
  id: BundleId,
  idempotency: IdempotencyKey | null = null,
): Promise<BundleDone | Refusal> {
  const acting = { operation: "cancel-bundle", actor: { principal: by.id }, idempotency };
  return transact<BundleDone, SqlTx>(context, acting, async ({ tx, apply }) => {
    const bundle = (await bundlesById(tx.sql, [id])).get(id);
    if (bundle === undefined || (bundle.requesterId !== by.id && !hasRole(by, "operator", "admin")))
      return refuse("not-found", "There is no such bundle, or you may not cancel it.");
    return each(tx, id, async (request) => {
      const nowMs = await tx.nowMs();
      const decided = cancel(request, by.id, nowMs);
      if (isRefusal(decided)) return decided;
      await apply(decided.changes, nowMs);
      return decided;
    });
  });
}

type Locked = NonNullable<Awaited<ReturnType<SqlTx["lockRequest"]>>>;

async function each(
  tx: SqlTx,
  id: BundleId,
  act: (request: Locked) => Promise<object | Refusal>,
): Promise<BundleDone | Refusal> {
  const done: RequestId[] = [];
  const refused: (BundleDone["refused"][number] & { refusal: Refusal })[] = [];
  for (const requestId of await requestIdsOf(tx.sql, id)) {
    const request = await tx.lockRequest(requestId);
    if (request?.state !== "pending") continue;
    const result = await act(request);
    if (isRefusal(result)) refused.push({ requestId, code: result.refused, detail: result.detail, refusal: result });
    else done.push(requestId);
  }
  if (done.length === 0) return refused[0]?.refusal ?? NOTHING_WAITS;
  return { bundleId: id, done, refused: refused.map(({ requestId, code, detail }) => ({ requestId, code, detail })) };
}
