import type { PrincipalId, RequestId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { standsFor } from "../domain/approvers.ts";
import { comment, mayComment, type Written } from "../domain/comment.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { commentsOf, putComment } from "../store/comments.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { findEntitlement, NOT_CONFIGURED } from "./subject.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

const NO_SUCH_REQUEST = refuse("not-found", "There is no such request, or you may not see it.");

/** Writes a comment on a request; one that asks makes it wait for the requester, whose next comment is the answer. */
export function commentOnRequest(
  context: Context,
  authorId: PrincipalId,
  id: RequestId,
  written: Written,
  idempotency: IdempotencyKey | null = null,
): Promise<{ requestId: RequestId } | Refusal> {
  const acting = {
    operation: "comment-on-request",
    actor: { principal: authorId },
    refs: { request: id },
    idempotency,
  };
  return transact<{ requestId: RequestId }, SqlTx>(context, acting, async ({ tx, apply }) => {
    const catalog = await context.catalog.active(tx);
    if (catalog === null) return NOT_CONFIGURED;
    // Held until the end: questions and answers are written one after another.
    const request = await tx.lockRequest(id);
    if (request === null) return NO_SUCH_REQUEST;
    const author = await tx.findPrincipal(authorId);
    if (author?.active !== true) return refuse("principal-deactivated", "You are deactivated.");
    const resource = findEntitlement(catalog, request.entitlement)?.resource ?? null;
    const others = standsFor(authorId, request.requesterId, await tx.whoNamed(authorId));
    if (!mayComment(author, request, resource, others))
      return (await reads(tx, author, id)) ? MAY_ONLY_READ : NO_SUCH_REQUEST;
    const nowMs = await tx.nowMs();
    const made = comment(request, written, author, await commentsOf(tx.sql, id), nowMs);
    if (isRefusal(made)) return made;
    for (const one of made.comments) await putComment(tx.sql, one);
    await apply({ entries: [made.entry] }, nowMs);
    return { requestId: id };
  });
}

const MAY_ONLY_READ = refuse(
  "forbidden",
  "Comments are for who asked, who may review it now, operators and admins. You may read them.",
);

/** Sees the request without having a say in it: an auditor, or somebody who reviewed it and no longer may. */
async function reads(tx: SqlTx, person: Principal, id: RequestId): Promise<boolean> {
  if (hasRole(person, "auditor")) return true;
  return (await tx.reviewsOf(id)).some(({ reviewerId }) => reviewerId === person.id);
}
