import { createHash } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { PoolClient } from "pg";
import { assert } from "../../base/assert.ts";
import { toTimestamp } from "../../base/clock.ts";
import { rootAt } from "../audit-tree.ts";
import type { Db, Store } from "../db.ts";
import { syncFolder } from "../embedded/server-folder.ts";
import type { AppliedMigration } from "../migrate.ts";
import { add, BACKUP_VERSION, type BackupHeader, type BackupSequence, rowLine } from "./backup-file.ts";

/** What belongs to the running processes, is told by the header, or made of the entries anew: not carried to another store. */
const NOT_CARRIED = ["schema_migrations", "right_claims", "sealing_key_holders", "drift_sweeps", "audit_lookup"];
const FETCH_ROWS = 500;
const WRITE_BYTES = 1 << 20;

export type Written = { readonly header: BackupHeader; readonly rows: number };

/**
 * Writes everything that the store holds, as it was at one moment, into a file that only its owner can read. The file
 * appears under its name when it is complete and durable; an existing one is never written over.
 */
export async function writeBackup(
  store: Store,
  path: string,
  keys: Readonly<Record<string, string>> | null,
): Promise<Written> {
  const aside = `${path}.part`;
  const file = await open(aside, "wx", 0o600);
  const client = await store.pool.connect();
  try {
    await client.query("begin transaction isolation level repeatable read read only");
    await client.query("set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0");
    const header = await readHeader(client, store.db, keys);
    const rows = await writeLines(client, file, header);
    await client.query("commit");
    await file.sync();
    await file.close();
    await rename(aside, path);
    await syncFolder(dirname(path));
    return { header, rows };
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    await file.close().catch(() => undefined);
    await rm(aside, { force: true });
    throw error;
  } finally {
    client.release();
  }
}

async function readHeader(
  client: PoolClient,
  db: Db,
  keys: Readonly<Record<string, string>> | null,
): Promise<BackupHeader> {
  const one = async <T>(text: string): Promise<T | undefined> => (await client.query(text)).rows[0] as T | undefined;
  const all = async <T>(text: string, values: unknown[] = []): Promise<T[]> =>
    (await client.query(text, values)).rows as T[];
  const installation = await one<{ id: string }>("select id from installation");
  if (installation === undefined) throw new Error("The store is empty: there is nothing to back up.");
  const head = await one<{ size: number }>("select coalesce(max(seq), 0) as size from audit_positions");
  const size = head?.size ?? 0;
  const now = await one<{ now: number }>("select transaction_timestamp() as now");
  const tables = await all<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = current_schema() and not tablename = any ($1) order by 1",
    [NOT_CARRIED],
  );
  const names = await all<{ name: string }>(
    "select sequencename as name from pg_sequences where schemaname = current_schema() order by 1",
  );
  const sequences: BackupSequence[] = [];
  for (const { name } of names) {
    const at = await one<{ last: string; called: boolean }>(
      `select last_value::text as last, is_called as called from ${client.escapeIdentifier(name)}`,
    );
    if (at !== undefined) sequences.push({ name, lastValue: at.last, isCalled: at.called });
  }
  return {
    tidegateBackup: BACKUP_VERSION,
    installation: installation.id,
    takenAt: toTimestamp(now?.now ?? 0),
    schema: await all<AppliedMigration>("select name, checksum from schema_migrations order by name"),
    // Of a log that only grows, the root at a size is the same whenever it is asked for.
    audit: { position: size, root: Buffer.from(await rootAt(db, size)).toString("base64") },
    tables: tables.map(({ name }) => name),
    sequences,
    keys,
  };
}

async function writeLines(client: PoolClient, file: FileHandle, header: BackupHeader): Promise<number> {
  const hash = createHash("sha256");
  let [rows, waiting] = [0, ""];
  const put = async (line: string): Promise<void> => {
    add(hash, line);
    waiting += `${line}\n`;
    if (waiting.length < WRITE_BYTES) return;
    await file.write(waiting);
    waiting = "";
  };
  await put(JSON.stringify(header));
  for (const table of header.tables) {
    await client.query(
      `declare backup_rows no scroll cursor for select row_to_json(t)::text as row from ${client.escapeIdentifier(table)} t`,
    );
    for (;;) {
      const fetched = await client.query<{ row: string }>(`fetch ${FETCH_ROWS} from backup_rows`);
      for (const { row } of fetched.rows) {
        assert(!row.includes("\n"), `a row of ${table} is one line of JSON`);
        await put(rowLine(table, row));
      }
      rows += fetched.rows.length;
      if (fetched.rows.length < FETCH_ROWS) break;
    }
    await client.query("close backup_rows");
  }
  await file.write(`${waiting}${JSON.stringify({ seal: { rows, sha256: hash.digest("hex") } })}\n`);
  return rows;
}
