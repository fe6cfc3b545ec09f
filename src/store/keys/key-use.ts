/** What is sealed with which key, which processes hold which keys, and sealing anew under the current one. */
import { sql } from "kysely";
import { toTimestamp } from "../../base/clock.ts";
import type { GrantId, SecretId } from "../../base/ids.ts";
import { at, type Db, databaseNowMs, json, type Tx } from "../db.ts";
import { CannotUnseal, type KeyRing, rewrap, type SealPurpose, unseal } from "../sealed.ts";

export type KeyUse = { readonly keyId: string; readonly credentials: number; readonly connections: number };

/** How many secrets each key seals. */
export async function keyUse(db: Db | Tx): Promise<KeyUse[]> {
  const { rows } = await sql<{ key_id: string; credentials: number; connections: number }>`
    select key_id, count(*) filter (where purpose = 'credential') as credentials,
      count(*) filter (where purpose = 'connection') as connections
    from sealed_secrets group by key_id order by key_id`.execute(db);
  return rows.map(({ key_id, credentials, connections }) => ({ keyId: key_id, credentials, connections }));
}

export const countOf = ({ credentials, connections }: KeyUse): string =>
  `${credentials} undelivered credential${credentials === 1 ? "" : "s"} and ${connections} kept connection${connections === 1 ? "" : "s"}`;

export async function abandonedKeys(db: Db | Tx): Promise<string[]> {
  const rows = await db.selectFrom("abandoned_keys").select("key_id").orderBy("key_id").execute();
  return rows.map((row) => row.key_id);
}

/** Keys that seal something, that the ring lacks and nobody has abandoned. */
export async function missingKeys(db: Db | Tx, ring: KeyRing | null): Promise<KeyUse[]> {
  const abandoned = new Set(await abandonedKeys(db));
  const isMissing = (keyId: string): boolean => ring?.find(keyId) == null && !abandoned.has(keyId);
  // Asked at every start: what each key seals is counted only where one is missing.
  if (!(await keysInUse(db)).some(isMissing)) return [];
  return (await keyUse(db)).filter(({ keyId }) => isMissing(keyId));
}

/** The keys that seal something: from one to the next through the index, past all that each seals. */
async function keysInUse(db: Db | Tx): Promise<string[]> {
  const { rows } = await sql<{ key_id: string }>`
    with recursive used (key_id) as (
      (select key_id from sealed_secrets order by key_id limit 1)
      union all
      select (select s.key_id from sealed_secrets s where s.key_id > used.key_id order by s.key_id limit 1)
      from used where used.key_id is not null
    )
    select key_id from used where key_id is not null`.execute(db);
  return rows.map((row) => row.key_id);
}

/** Refuses to start without a key that something is sealed with: better said now than at the first revocation. */
export async function checkSealingKeys(db: Db, ring: KeyRing): Promise<void> {
  const missing = await missingKeys(db, ring);
  if (missing.length === 0) return;
  const what = missing.map((use) => `${countOf(use)} with key ${use.keyId}`).join("; ");
  const ids = missing.map(({ keyId }) => keyId);
  throw new Error(
    [
      `The store holds secrets that the sealing keys given here (${ring.ids.join(", ")}) do not open: ${what}.`,
      "Give that key too (DIR/keys/sealing.key, TIDEGATE_SEALING_KEY or TIDEGATE_SEALING_KEY_FILE; several keys may stand there, the first is the current one).",
      `If it is lost for good: ${ids.map((id) => `"tidegate keys abandon ${id}"`).join(", ")} says what that means and lets the server start. Access is revoked on time all the same.`,
    ].join("\n"),
  );
}

/** So many are tried, the newest first. */
const TRIED_MAX = 200;

/** Opens secrets to see whether they open, and keeps none; answers why some do not. Those of abandoned keys are left out. */
export async function secretsThatDoNotOpen(db: Db, ring: KeyRing): Promise<{ tried: number; closed: string[] }> {
  const abandoned = await abandonedKeys(db);
  const rows = await db
    .selectFrom("sealed_secrets")
    .select(["id", "purpose", "key_id"])
    .orderBy("created_at", "desc")
    .limit(TRIED_MAX)
    .execute();
  const there = rows.filter(({ key_id }) => !abandoned.includes(key_id));
  const closed: string[] = [];
  for (const { id, purpose } of there) {
    try {
      await unseal(db, ring, purpose as SealPurpose, id as SecretId);
    } catch (error) {
      if (!(error instanceof CannotUnseal)) throw error;
      closed.push(error.message);
    }
  }
  return { tried: there.length, closed };
}

export type KeyHolder = { readonly process: string; readonly current: string; readonly keys: readonly string[] };

/** Processes tell every few seconds; one that has not for this long is gone. */
const HOLDER_SILENT_SECONDS = 20;

/** This process holds these keys. */
export async function noteHolder(db: Db, process: string, ring: KeyRing): Promise<void> {
  const row = {
    current_key: ring.current.id,
    keys: json(ring.ids),
    seen_at: toTimestamp(await databaseNowMs(db)),
  };
  await db
    .insertInto("sealing_key_holders")
    .values({ process, ...row })
    .onConflict((conflict) => conflict.column("process").doUpdateSet(row))
    .execute();
  await sql`delete from sealing_key_holders where seen_at < clock_timestamp() - interval '1 hour'`.execute(db);
}

export async function forgetHolder(db: Db, process: string): Promise<void> {
  await db.deleteFrom("sealing_key_holders").where("process", "=", process).execute();
}

/** No process but this one can be alive on an embedded store that this one has just opened. */
export async function forgetAllHolders(db: Db): Promise<void> {
  await db.deleteFrom("sealing_key_holders").execute();
}

/** The processes that are alive, as far as the store knows. */
export async function keyHolders(db: Db | Tx): Promise<KeyHolder[]> {
  const since = (await databaseNowMs(db)) - HOLDER_SILENT_SECONDS * 1_000;
  const rows = await db
    .selectFrom("sealing_key_holders")
    .selectAll()
    .where("seen_at", ">", at(since))
    .orderBy("process")
    .execute();
  return rows.map((row) => ({ process: row.process, current: row.current_key, keys: row.keys }));
}

/**
 * Takes its place beside the servers that share this store, or throws: each must be able to open what another seals, so
 * this one's current key must be among theirs and theirs among its own. Told before it looks: of two strangers that start
 * together at least one sees the other.
 */
export async function joinHolders(db: Db, process: string, ring: KeyRing): Promise<void> {
  await noteHolder(db, process, ring);
  const abandoned = new Set(await abandonedKeys(db));
  const strangers = (await keyHolders(db)).filter(
    (other) =>
      other.process !== process &&
      !abandoned.has(other.current) &&
      !(ring.ids.includes(other.current) && other.keys.includes(ring.current.id)),
  );
  if (strangers.length === 0) return;
  await forgetHolder(db, process);
  const theirs = [...new Set(strangers.flatMap(({ keys }) => keys))];
  throw new Error(
    [
      `Other servers run on this store with other sealing keys: ${strangers.map((one) => one.process).join(", ")} (seen in the last ${HOLDER_SILENT_SECONDS} seconds) with ${theirs.join(", ")}; this one has ${ring.ids.join(", ")}. None could open what the other seals.`,
      "Give all of them the same sealing keys: one file that TIDEGATE_SEALING_KEY_FILE names on each, a copy of DIR/keys/sealing.key, or TIDEGATE_SEALING_KEY. Where a folder of its own made a key at the first start, put theirs in its place.",
    ].join("\n"),
  );
}

const RESEAL_BATCH = 200;

/**
 * Puts every secret that an earlier key of the ring seals under the current one, batch after batch. Only the wrapped data
 * keys are written; rows that somebody holds wait for the next time. Rows that do not open are left as they are and counted.
 */
export async function resealAll(db: Db, ring: KeyRing): Promise<{ resealed: number; damaged: number }> {
  const earlier = ring.ids.filter((id) => id !== ring.current.id);
  let [after, resealed, damaged] = ["", 0, 0];
  if (earlier.length === 0) return { resealed, damaged };
  for (;;) {
    const batch = await db.transaction().execute(async (tx) => {
      const rows = await tx
        .selectFrom("sealed_secrets")
        .select(["id", "key_id", "wrapped_key"])
        .where("key_id", "in", earlier)
        .where("id", ">", after)
        .orderBy("id")
        .limit(RESEAL_BATCH)
        .forUpdate()
        .skipLocked()
        .execute();
      for (const { id, key_id, wrapped_key } of rows) {
        const wrapped = rewrap(ring, { id, keyId: key_id, wrappedKey: wrapped_key });
        if (wrapped === null) damaged += 1;
        else {
          await tx
            .updateTable("sealed_secrets")
            .set({ key_id: wrapped.keyId, wrapped_key: wrapped.wrappedKey })
            .where("id", "=", id)
            .execute();
          resealed += 1;
        }
      }
      return rows;
    });
    after = batch.at(-1)?.id ?? after;
    if (batch.length < RESEAL_BATCH) return { resealed, damaged };
  }
}

/** What a lost key takes with it: grants whose secret nobody has had yet, and leases that have not been undone. */
export async function lostWith(db: Db | Tx, keyId: string): Promise<{ undelivered: GrantId[]; connections: number }> {
  const undelivered = await db
    .selectFrom("leases as l")
    .innerJoin("sealed_secrets as s", "s.id", "l.secret_id")
    .innerJoin("grants as g", "g.id", "l.grant_id")
    .select("g.id")
    .where("s.key_id", "=", keyId)
    .where("g.state", "in", ["provisioning", "active"])
    .orderBy("g.seq")
    .execute();
  const use = (await keyUse(db)).find((it) => it.keyId === keyId);
  return { undelivered: undelivered.map((row) => row.id as GrantId), connections: use?.connections ?? 0 };
}
