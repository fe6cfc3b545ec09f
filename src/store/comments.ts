import type { Selectable } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { CommentId, PrincipalId, RequestId } from "../base/ids.ts";
import type { Comment } from "../domain/comment.ts";
import type { Db, Tables, Tx } from "./db.ts";

const toComment = (row: Selectable<Tables["comments"]>): Comment => ({
  id: row.id as CommentId,
  requestId: row.request_id as RequestId,
  authorId: row.author_id as PrincipalId,
  text: row.text,
  asks: row.asks,
  answeredBy: row.answered_by as CommentId | null,
  createdMs: row.created_at,
});

export async function putComment(tx: Tx, comment: Comment): Promise<void> {
  await tx
    .insertInto("comments")
    .values({
      id: comment.id,
      request_id: comment.requestId,
      author_id: comment.authorId,
      text: comment.text,
      asks: comment.asks,
      answered_by: comment.answeredBy,
      created_at: toTimestamp(comment.createdMs),
    })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ answered_by: comment.answeredBy }))
    .execute();
}

/** All of them, in the order in which they were written: whoever writes one holds the request meanwhile. */
export async function commentsOf(db: Db | Tx, id: RequestId): Promise<Comment[]> {
  const rows = await db.selectFrom("comments").selectAll().where("request_id", "=", id).orderBy("seq").execute();
  return rows.map(toComment);
}

/** Those that ask and were not answered, of any of these requests; oldest first. */
export async function unansweredOf(db: Db, ids: readonly RequestId[]): Promise<Comment[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom("comments")
    .selectAll()
    .where("request_id", "in", ids)
    .where("asks", "=", true)
    .where("answered_by", "is", null)
    .orderBy("seq")
    .execute();
  return rows.map(toComment);
}
