import type { Pool } from "pg";
import { sha256Hex } from "../base/hash.ts";
import * as mainLine from "./migrations/0001-main-line.ts";
import * as keys from "./migrations/0002-keys.ts";
import * as filters from "./migrations/0003-filters.ts";
import * as leaseSecrets from "./migrations/0004-lease-secrets.ts";
import * as panics from "./migrations/0005-panics.ts";
import * as drift from "./migrations/0006-drift.ts";
import * as quarantine from "./migrations/0007-quarantine.ts";
import * as whatIsDue from "./migrations/0008-what-is-due.ts";
import * as messages from "./migrations/0009-messages.ts";
import * as ticketLooks from "./migrations/0010-ticket-looks.ts";
import * as talk from "./migrations/0011-comments-and-bundles.ts";
import * as limits from "./migrations/0012-limits.ts";
import * as emergencies from "./migrations/0013-emergencies.ts";
import * as approvers from "./migrations/0014-approvers.ts";
import * as configProposals from "./migrations/0015-config-proposals.ts";
import * as edits from "./migrations/0017-edits.ts";
import * as signIn from "./migrations/0018-sign-in.ts";
import * as candidates from "./migrations/0019-candidates.ts";
import * as cliSignIn from "./migrations/0020-cli-sign-in.ts";
import * as scim from "./migrations/0021-scim.ts";
import * as signals from "./migrations/0022-signals.ts";
import * as tokens from "./migrations/0023-tokens.ts";
import * as stepUp from "./migrations/0024-step-up.ts";
import * as merkleLog from "./migrations/0025-merkle-log.ts";
import * as passkeys from "./migrations/0026-passkeys.ts";
import * as sinks from "./migrations/0027-sinks.ts";
import * as erasure from "./migrations/0028-erasure.ts";
import * as retention from "./migrations/0029-retention.ts";
import * as evidence from "./migrations/0030-evidence.ts";
import * as lookup from "./migrations/0031-lookup.ts";
import * as queue from "./migrations/0032-queue.ts";
import * as sequencer from "./migrations/0033-sequencer.ts";
import * as askers from "./migrations/0034-askers.ts";
import * as waiting from "./migrations/0035-waiting.ts";
import * as atOnce from "./migrations/0036-at-once.ts";
import * as recovered from "./migrations/0037-recovered.ts";
import * as signingKey from "./migrations/0038-signing-key.ts";

/** In the order in which they run. One that was released is never edited and never removed. */
const MIGRATIONS: readonly { name: string; sql: string }[] = [
  mainLine,
  keys,
  filters,
  leaseSecrets,
  panics,
  drift,
  quarantine,
  whatIsDue,
  messages,
  ticketLooks,
  talk,
  limits,
  emergencies,
  approvers,
  configProposals,
  edits,
  signIn,
  candidates,
  cliSignIn,
  scim,
  signals,
  tokens,
  stepUp,
  merkleLog,
  passkeys,
  sinks,
  erasure,
  retention,
  evidence,
  lookup,
  queue,
  sequencer,
  askers,
  waiting,
  atOnce,
  recovered,
  signingKey,
];

/** Any number, the same in every Tidegate: two processes never migrate at once. */
const MIGRATION_LOCK = 7_409_231;

/** Brings the schema up to date; answers the names of what ran. Throws when the store is newer than this program, or older than PostgreSQL 14. */
export async function migrate(pool: Pool): Promise<string[]> {
  const client = await pool.connect();
  try {
    const version = await client.query<{ number: number }>(
      "select current_setting('server_version_num')::int as number",
    );
    const number = version.rows[0]?.number ?? 0;
    if (number < 140_000)
      throw new Error(`The store needs PostgreSQL 14 or newer; this is ${Math.floor(number / 10_000)}.`);
    await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
    try {
      await client.query(
        "create table if not exists schema_migrations (name text primary key, checksum text not null, applied_at timestamptz not null)",
      );
      const applied = await client.query<{ name: string; checksum: string }>(
        "select name, checksum from schema_migrations order by name",
      );
      refuseForeign(applied.rows);
      const done = new Set(applied.rows.map((row) => row.name));
      const ran: string[] = [];
      for (const migration of MIGRATIONS.filter(({ name }) => !done.has(name))) {
        await client.query("begin");
        await client.query(migration.sql);
        await client.query("insert into schema_migrations values ($1, $2, clock_timestamp())", [
          migration.name,
          sha256Hex(migration.sql),
        ]);
        await client.query("commit");
        ran.push(migration.name);
      }
      return ran;
    } finally {
      await client.query("rollback").catch(() => undefined);
      await client.query("select pg_advisory_unlock($1)", [MIGRATION_LOCK]).catch(() => undefined);
    }
  } finally {
    client.release();
  }
}

export type AppliedMigration = { readonly name: string; readonly checksum: string };

/** What a store must have been through to be of this version. */
export const schemaOfThisVersion = (): AppliedMigration[] =>
  MIGRATIONS.map(({ name, sql }) => ({ name, checksum: sha256Hex(sql) }));

/** Refuses a store that is older or newer than this program, without changing it: for commands that run beside a server. */
export async function requireThisVersion(pool: Pool): Promise<void> {
  const { rows: found } = await pool.query<{ there: boolean }>(
    "select to_regclass('schema_migrations') is not null as there",
  );
  const applied = found[0]?.there === true ? await readApplied(pool) : [];
  refuseForeign(applied);
  if (applied.length < MIGRATIONS.length)
    throw new Error(
      'The store was not brought up to date for this version of Tidegate. Start the server, or run "tidegate migrate", first.',
    );
}

async function readApplied(pool: Pick<Pool, "query">): Promise<AppliedMigration[]> {
  const { rows } = await pool.query<AppliedMigration>("select name, checksum from schema_migrations order by name");
  return rows;
}

/** A store that a newer Tidegate has migrated, or whose history differs from ours, is not ours to write to. */
function refuseForeign(applied: readonly { name: string; checksum: string }[]): void {
  for (const { name, checksum } of applied) {
    const ours = MIGRATIONS.find((migration) => migration.name === name);
    if (ours === undefined)
      throw new Error(
        `The store holds migration ${name}, which this version of Tidegate does not know. Start a newer Tidegate.`,
      );
    if (sha256Hex(ours.sql) !== checksum)
      throw new Error(
        `Migration ${name} in the store differs from the one in this version. This store was made by another build.`,
      );
  }
}
