/** Versions of the configuration, and which one is active. */

import { sql } from "kysely";
import { defined } from "../base/assert.ts";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { hashOf } from "../base/hash.ts";
import type { Configuration } from "../domain/configuration.ts";
import { type Db, json, type Tx } from "./db.ts";

export type ConfigVersion = { readonly id: number; readonly hash: string; readonly configuration: Configuration };

const toVersion = (row: { id: number; hash: string; content: JsonObject }): ConfigVersion => ({
  id: row.id,
  hash: row.hash,
  configuration: row.content as unknown as Configuration,
});

/** Which version is active, null before the first one; and what time it is. */
export async function activeNow(db: Db): Promise<{ readonly version: number | null; readonly nowMs: number }> {
  const { rows } = await sql<{ version: number | null; nowMs: number }>`
    select (select version_id from config_active) as version, clock_timestamp() as "nowMs"`.execute(db);
  return defined(rows[0], "an answer of the store");
}

export async function activeConfig(db: Db | Tx): Promise<ConfigVersion | null> {
  const row = await db
    .selectFrom("config_active as a")
    .innerJoin("config_versions as v", "v.id", "a.version_id")
    .select(["v.id", "v.hash", "v.content"])
    .executeTakeFirst();
  return row === undefined ? null : toVersion(row);
}

export async function configVersion(db: Db | Tx, id: number): Promise<ConfigVersion | null> {
  const row = await db
    .selectFrom("config_versions")
    .select(["id", "hash", "content"])
    .where("id", "=", id)
    .executeTakeFirst();
  return row === undefined ? null : toVersion(row);
}

export type ConfigVersionRow = {
  readonly id: number;
  readonly hash: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly source: string;
  readonly active: boolean;
  readonly activatedAt: string | null;
};

/** Newest first, without their content. */
export async function listConfigVersions(
  db: Db | Tx,
  { beforeId, limit }: { beforeId?: number | undefined; limit: number },
): Promise<ConfigVersionRow[]> {
  let query = db
    .selectFrom("config_versions as v")
    .leftJoin("config_active as a", "a.version_id", "v.id")
    .select(["v.id", "v.hash", "v.source", "v.created_at", "a.activated_at"])
    .orderBy("v.id", "desc")
    .limit(limit);
  if (beforeId !== undefined) query = query.where("v.id", "<", beforeId);
  const rows = await query.execute();
  return rows.map((row) => ({
    id: row.id,
    hash: row.hash,
    createdAt: toTimestamp(row.created_at),
    source: row.source,
    active: row.activated_at !== null,
    activatedAt: row.activated_at === null ? null : toTimestamp(row.activated_at),
  }));
}

/** Any number, the same in every Tidegate. */
const ACTIVATION_LOCK = 7_409_233;

/** One at a time, also before there is a row to lock: until the transaction ends no configuration is activated or proposed. */
export async function holdActivations(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(${ACTIVATION_LOCK})`.execute(tx);
}

/** The number of this configuration; the same content is the same version. */
export async function versionOf(tx: Tx, configuration: Configuration, source: string, nowMs: number): Promise<number> {
  const hash = hashOf(configuration);
  // Looked for first: an insert that meets a conflict uses up a number all the same.
  const known = await tx.selectFrom("config_versions").select("id").where("hash", "=", hash).executeTakeFirst();
  if (known !== undefined) return known.id;
  const row = { hash, content: json(configuration), source, created_at: toTimestamp(nowMs) };
  const { id } = await tx.insertInto("config_versions").values(row).returning("id").executeTakeFirstOrThrow();
  return id;
}

/** Makes this configuration the active one; null when it is already. */
export async function activateConfig(
  tx: Tx,
  configuration: Configuration,
  source: string,
  nowMs: number,
): Promise<ConfigVersion | null> {
  await holdActivations(tx);
  // After everything that was decided by the one before.
  await tx.selectFrom("config_active").select("singleton").forUpdate().execute();
  const hash = hashOf(configuration);
  const current = await activeConfig(tx);
  if (current?.hash === hash) return null;
  const id = await versionOf(tx, configuration, source, nowMs);
  const active = { version_id: id, activated_at: toTimestamp(nowMs) };
  await tx
    .insertInto("config_active")
    .values(active)
    .onConflict((conflict) => conflict.column("singleton").doUpdateSet(active))
    .execute();
  return { id, hash, configuration };
}
