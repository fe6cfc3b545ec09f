/** Versions of the configuration, and which one is active. */

import { sql } from "kysely";
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

/** Any number, the same in every Tidegate. */
const ACTIVATION_LOCK = 7_409_233;

/** Makes this configuration the active one; null when it is already. The same content is the same version. */
export async function activateConfig(
  tx: Tx,
  configuration: Configuration,
  source: string,
  nowMs: number,
): Promise<ConfigVersion | null> {
  // One at a time, also before there is a row to lock; and after everything that was decided by the one before.
  await sql`select pg_advisory_xact_lock(${ACTIVATION_LOCK})`.execute(tx);
  await tx.selectFrom("config_active").select("singleton").forUpdate().execute();
  const hash = hashOf(configuration);
  const current = await activeConfig(tx);
  if (current?.hash === hash) return null;
  await tx
    .insertInto("config_versions")
    .values({ hash, content: json(configuration), source, created_at: toTimestamp(nowMs) })
    .onConflict((conflict) => conflict.column("hash").doNothing())
    .execute();
  const { id } = await tx.selectFrom("config_versions").select("id").where("hash", "=", hash).executeTakeFirstOrThrow();
  const active = { version_id: id, activated_at: toTimestamp(nowMs) };
  await tx
    .insertInto("config_active")
    .values(active)
    .onConflict((conflict) => conflict.column("singleton").doUpdateSet(active))
    .execute();
  return { id, hash, configuration };
}
