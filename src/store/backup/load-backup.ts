import { sql } from "kysely";
import { GrowingTree, type Hash, leafHash, type Subtree, sameHash } from "../../base/merkle.ts";
import { firstMislaid } from "../audit-lookup.ts";
import { isStored } from "../audit-tree.ts";
import type { Db, Tx } from "../db.ts";
import { schemaOfThisVersion } from "../migrate.ts";
import { droppedPart, lastAnnounced } from "../retention.ts";
import { type BackupHeader, BadBackup, readRows } from "./backup-file.ts";

/**
 * Fences reach the targets, in the names of admin sessions. Whatever a process from before the restore left there must be
 * older than what comes now, so the restored store goes on far beyond.
 */
const FENCES_AHEAD = 1_000_000;
const INSERT_ROWS = 500;
const INSERT_CHARS = 4_000_000;
const LOG_ROWS = 1_000;

/** Refuses a backup of another version of the schema. */
export function requireSameSchema(header: BackupHeader, path: string): void {
  const ours = schemaOfThisVersion();
  const same =
    ours.length === header.schema.length &&
    ours.every(({ name, checksum }, i) => header.schema[i]?.name === name && header.schema[i]?.checksum === checksum);
  if (same) return;
  const [theirs, mine] = [header.schema.at(-1)?.name ?? "none", ours.at(-1)?.name ?? "none"];
  throw new BadBackup(
    `${path} was made by another version of Tidegate (its store is at ${theirs}, this version's at ${mine}). Restore it with the version that made it, then upgrade.`,
  );
}

/** Refuses a store that holds anything: a restore never mixes with what is there. */
export async function requireEmpty(db: Db | Tx, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    const { rows } = await sql`select 1 from ${sql.table(table)} limit 1`.execute(db);
    if (rows.length > 0)
      throw new Error(
        `The store is not empty: ${table} holds rows. Nothing was changed. Restore into a new data folder or database.`,
      );
  }
}

/** Puts every row of a checked file into empty tables. The caller's transaction makes it all or nothing. */
export async function loadBackup(tx: Tx, header: BackupHeader, path: string): Promise<void> {
  await sql`set local statement_timeout = 0`.execute(tx);
  await sql`set local idle_in_transaction_session_timeout = 0`.execute(tx);
  const addForeignKeys = await dropForeignKeys(tx);
  let [table, rows, chars] = ["", [] as string[], 0];
  const flush = async (): Promise<void> => {
    if (rows.length > 0) await insert(tx, table, rows);
    [rows, chars] = [[], 0];
  };
  for await (const read of readRows(path)) {
    if (!header.tables.includes(read.table)) throw new BadBackup(`${path} holds a row of no table: ${read.table}.`);
    if (read.table !== table || rows.length >= INSERT_ROWS || chars >= INSERT_CHARS) await flush();
    table = read.table;
    rows.push(read.row);
    chars += read.row.length;
  }
  await flush();
  await addForeignKeys();
  for (const { name, lastValue, isCalled } of header.sequences) {
    const ahead = name === "fences" ? FENCES_AHEAD : 0;
    await sql`select setval(${name}::regclass, ${lastValue}::bigint + ${ahead}, ${isCalled})`.execute(tx);
  }
  // No process of the old store is at work on this one.
  await sql`update grants set claim_until = null, claim_owner = null where claim_until is not null`.execute(tx);
}

/** As the columns say, whatever identity or default they have. */
async function insert(tx: Tx, table: string, rows: readonly string[]): Promise<void> {
  const into = sql.table(table);
  await sql`
    insert into ${into} overriding system value
    select * from json_populate_recordset(null::${into}, ${`[${rows.join(",")}]`}::json)`.execute(tx);
}

/** Rows come table by table, so what they point at may come later: every foreign key is checked when all are there. */
async function dropForeignKeys(tx: Tx): Promise<() => Promise<void>> {
  const { rows } = await sql<{ table: string; name: string; definition: string }>`
    select c.conrelid::regclass::text as table, quote_ident(c.conname) as name, pg_get_constraintdef(c.oid) as definition
    from pg_constraint c join pg_class t on t.oid = c.conrelid
    where c.contype = 'f' and t.relnamespace = current_schema()::regnamespace
    order by 1, 2`.execute(tx);
  for (const { table, name } of rows) await sql.raw(`alter table ${table} drop constraint ${name}`).execute(tx);
  return async () => {
    for (const { table, name, definition } of rows)
      await sql.raw(`alter table ${table} add constraint ${name} ${definition}`).execute(tx);
  };
}

/** Computes the tree of the audit log anew, from the entries as they now lie in the store, and holds it against the header. */
export async function requireWholeLog(tx: Tx, { audit }: BackupHeader, path: string): Promise<void> {
  const tree = new GrowingTree();
  const unfit = (seq: number) =>
    new BadBackup(
      `The audit log in ${path} is not whole: position ${seq} does not fit what was hashed. Nothing was restored. Use another backup, and look into how this one came about.`,
    );
  // Of what the log itself says that it is dropped the hashes are left.
  const dropped = Math.min((await droppedPart(tx))?.to ?? 0, (await lastAnnounced(tx))?.to ?? 0);
  const nodes: string[] = [];
  for (;;) {
    const rows = await tx
      .selectFrom("audit_positions as p")
      .leftJoin("audit_entries as e", "e.id", "p.entry_id")
      .select(["p.seq", "p.leaf_hash", "e.leaf"])
      .where("p.seq", ">", tree.size)
      .orderBy("p.seq")
      .limit(LOG_ROWS)
      .execute();
    for (const { seq, leaf_hash, leaf } of rows) {
      const hash = leaf === null ? (seq <= dropped ? leaf_hash : null) : leafHash(leaf);
      if (seq !== tree.size + 1 || hash === null || !sameHash(hash, leaf_hash)) throw unfit(tree.size + 1);
      tree.append(hash, ({ level, index }, node) => {
        if (isStored(level)) nodes.push(nodeText({ level, index, hash: node }));
      });
    }
    const mislaid = await firstMislaid(tx, { from: tree.size - rows.length, to: tree.size }, rows);
    if (mislaid !== null) throw unfit(mislaid);
    if (rows.length < LOG_ROWS) break;
  }
  if (tree.size !== audit.position || Buffer.from(tree.root()).toString("base64") !== audit.root)
    throw new BadBackup(
      `The audit log in ${path} ends at ${tree.size}, not where its header says, or is another. Nothing was restored.`,
    );
  const there = await tx.selectFrom("audit_nodes").selectAll().execute();
  if (there.map(nodeText).sort().join() !== nodes.sort().join())
    throw new BadBackup(`The tree of the audit log in ${path} is not that of its entries. Nothing was restored.`);
}

const nodeText = ({ level, index, hash }: Subtree & { readonly hash: Hash }): string =>
  `${level}/${index} ${Buffer.from(hash).toString("hex")}`;
