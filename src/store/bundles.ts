import type { Selectable } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { BundleId, PrincipalId, RequestId } from "../base/ids.ts";
import type { Bundle, RefusedPart } from "../domain/bundle.ts";
import { type Db, json, type Tables, type Tx } from "./db.ts";

const toBundle = (row: Selectable<Tables["bundles"]>): Bundle => ({
  id: row.id as BundleId,
  requesterId: row.requester_id as PrincipalId,
  name: row.name,
  title: row.title,
  refused: row.refused as unknown as RefusedPart[],
  createdMs: row.created_at,
});

export async function putBundle(tx: Tx, bundle: Bundle): Promise<void> {
  const refused = json(bundle.refused);
  await tx
    .insertInto("bundles")
    .values({
      id: bundle.id,
      requester_id: bundle.requesterId,
      name: bundle.name,
      title: bundle.title,
      refused,
      created_at: toTimestamp(bundle.createdMs),
    })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ refused }))
    .execute();
}

export async function bundlesById(db: Db | Tx, ids: readonly BundleId[]): Promise<Map<BundleId, Bundle>> {
  if (ids.length === 0) return new Map();
  const rows = await db.selectFrom("bundles").selectAll().where("id", "in", ids).execute();
  return new Map(rows.map((row) => [row.id as BundleId, toBundle(row)]));
}

/** In the order in which they were made: whoever locks several locks them so. */
export async function requestIdsOf(db: Db | Tx, id: BundleId): Promise<RequestId[]> {
  const rows = await db.selectFrom("requests").select("id").where("parent_id", "=", id).orderBy("seq").execute();
  return rows.map((row) => row.id as RequestId);
}
