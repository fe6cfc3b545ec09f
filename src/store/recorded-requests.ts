/** Requests with what policy was asked, for asking again. */
import { type RecordedRequest, recordedRequest } from "../domain/recorded-request.ts";
import { at, type Db } from "./db.ts";
import { grantsById } from "./grants.ts";
import { principalsById } from "./principals.ts";
import { toRequest } from "./requests.ts";

export type RecordedFilter = {
  readonly fromMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** `seq` of the last one on the page before. */
  readonly cursor?: number | undefined;
  readonly limit: number;
};

/** Newest first; `seq` is the cursor. */
export async function recordedRequests(
  db: Db,
  { fromMs, untilMs, cursor, limit }: RecordedFilter,
): Promise<{ seq: number; recorded: RecordedRequest }[]> {
  let query = db.selectFrom("requests").selectAll().orderBy("seq", "desc").limit(limit);
  if (fromMs !== undefined) query = query.where("created_at", ">=", at(fromMs));
  if (untilMs !== undefined) query = query.where("created_at", "<", at(untilMs));
  if (cursor !== undefined) query = query.where("seq", "<", cursor);
  const page = (await query.execute()).map((row) => ({ seq: row.seq, request: toRequest(row) }));
  const requesters = await principalsById(
    db,
    page.map(({ request }) => request.requesterId),
  );
  const extended = await grantsById(
    db,
    page.flatMap(({ request }) => request.extendsGrantId ?? []),
  );
  const grants = new Map(extended.map((grant) => [grant.id, grant]));
  return page.flatMap(({ seq, request }) => {
    const requester = requesters.get(request.requesterId);
    const grant = request.extendsGrantId === null ? null : (grants.get(request.extendsGrantId) ?? null);
    return requester === undefined ? [] : [{ seq, recorded: recordedRequest(request, requester, grant) }];
  });
}
