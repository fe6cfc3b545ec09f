import { type Selectable, sql } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { GrantId, PanicId, PrincipalId } from "../base/ids.ts";
import type { GrantState } from "../domain/grant.ts";
import type { Panic, PanicScope } from "../domain/panic.ts";
import type { Db, Tables, Tx } from "./db.ts";

function toPanic(row: Selectable<Tables["panics"]>): Panic {
  const { lifted_at: atMs, lifted_by: by, lifted_reason: reason } = row;
  return {
    id: row.id as PanicId,
    scope: scopeOf(row),
    startedBy: row.started_by as PrincipalId,
    startedMs: row.started_at,
    reason: row.reason,
    lifted: atMs === null ? null : { by: by as PrincipalId, atMs, reason: reason ?? "" },
  };
}

function scopeOf(row: Selectable<Tables["panics"]>): PanicScope {
  if (row.resource !== null) return { on: "resource", resource: row.resource };
  if (row.principal_id !== null) return { on: "principal", principalId: row.principal_id as PrincipalId };
  return { on: "all" };
}

export async function putPanic(tx: Tx, panic: Panic): Promise<void> {
  const { scope, lifted } = panic;
  const row = {
    lifted_by: lifted?.by ?? null,
    lifted_at: lifted === null ? null : toTimestamp(lifted.atMs),
    lifted_reason: lifted?.reason ?? null,
  };
  await tx
    .insertInto("panics")
    .values({
      id: panic.id,
      scope: scope.on,
      resource: scope.on === "resource" ? scope.resource : null,
      principal_id: scope.on === "principal" ? scope.principalId : null,
      reason: panic.reason,
      started_by: panic.startedBy,
      started_at: toTimestamp(panic.startedMs),
      ...row,
    })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
    .execute();
}

/** Nobody decides about access while this is held: every transaction that gives some holds the same row, shared. */
export async function haltDecisions(tx: Tx): Promise<void> {
  await tx.selectFrom("config_active").select("singleton").forNoKeyUpdate().execute();
}

export async function panicsInForce(db: Db | Tx): Promise<Panic[]> {
  const rows = await db.selectFrom("panics").selectAll().where("lifted_at", "is", null).orderBy("seq").execute();
  return rows.map(toPanic);
}

export async function findPanic(db: Db | Tx, id: PanicId): Promise<Panic | null> {
  const row = await db.selectFrom("panics").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : toPanic(row);
}

export async function lockPanic(tx: Tx, id: PanicId): Promise<Panic | null> {
  const row = await tx.selectFrom("panics").selectAll().where("id", "=", id).forNoKeyUpdate().executeTakeFirst();
  return row === undefined ? null : toPanic(row);
}

/** Newest first; `seq` is the cursor. */
export async function listPanics(
  db: Db,
  filter: { inForce?: boolean; beforeSeq?: number; limit: number },
): Promise<{ seq: number; panic: Panic }[]> {
  let query = db.selectFrom("panics").selectAll().orderBy("seq", "desc").limit(filter.limit);
  if (filter.inForce !== undefined) query = query.where("lifted_at", filter.inForce ? "is" : "is not", null);
  if (filter.beforeSeq !== undefined) query = query.where("seq", "<", filter.beforeSeq);
  return (await query.execute()).map((row) => ({ seq: row.seq, panic: toPanic(row) }));
}

const UNENDED: readonly GrantState[] = ["scheduled", "provisioning", "active", "revoking"];

/** Whether anybody ever had access to this resource. */
export async function hadGrants(db: Db | Tx, resource: string): Promise<boolean> {
  const query = db.selectFrom("grants").select("id").where("resource", "=", resource);
  return (await query.limit(1).executeTakeFirst()) !== undefined;
}

/** Grants within the scope that have not ended and are not noted under this panic yet, oldest first. */
export async function notYetUnder(db: Db | Tx, { id, scope }: Panic, limit: number): Promise<GrantId[]> {
  let query = db
    .selectFrom("grants")
    .select("id")
    .where("state", "in", UNENDED)
    .where((w) =>
      w.not(
        w.exists(
          w
            .selectFrom("panic_grants")
            .select("grant_id")
            .whereRef("grant_id", "=", "grants.id")
            .where("panic_id", "=", id),
        ),
      ),
    )
    .orderBy("seq")
    .limit(limit);
  if (scope.on === "resource") query = query.where("resource", "=", scope.resource);
  if (scope.on === "principal") query = query.where("principal_id", "=", scope.principalId);
  return (await query.execute()).map((row) => row.id as GrantId);
}

export async function notePanicGrant(tx: Tx, panic: PanicId, grant: GrantId): Promise<void> {
  await tx
    .insertInto("panic_grants")
    .values({ panic_id: panic, grant_id: grant })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** How far the grants under a panic are. */
export type PanicProgress = {
  /** Proven gone, or nothing had ever been made. */
  readonly gone: number;
  /** Access is gone; something is left to clean up. */
  readonly cleanUpPending: number;
  /** Not proven gone: live, as far as anybody knows. */
  readonly live: number;
};

export async function panicProgress(db: Db | Tx, panic: PanicId): Promise<PanicProgress> {
  const { rows } = await sql<PanicProgress>`
    select count(*) filter (where g.state in ('revoked', 'failed', 'cancelled')) as gone,
      count(*) filter (where g.state = 'revoking' and g.access_gone) as "cleanUpPending",
      count(*) filter (where g.state in ('scheduled', 'provisioning', 'active') or (g.state = 'revoking' and not g.access_gone)) as live
    from panic_grants p join grants g on g.id = p.grant_id
    where p.panic_id = ${panic}`.execute(db);
  return rows[0] ?? { gone: 0, cleanUpPending: 0, live: 0 };
}

/** Ids of grants under a panic that are not proven gone, those that live first. */
export async function unprovenUnder(db: Db | Tx, panic: PanicId, limit: number): Promise<GrantId[]> {
  const rows = await db
    .selectFrom("panic_grants as p")
    .innerJoin("grants as g", "g.id", "p.grant_id")
    .select("g.id")
    .where("p.panic_id", "=", panic)
    .where("g.state", "in", UNENDED)
    .orderBy("g.access_gone")
    .orderBy("g.seq")
    .limit(limit)
    .execute();
  return rows.map((row) => row.id as GrantId);
}
