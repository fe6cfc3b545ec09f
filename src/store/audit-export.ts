/**
 * The whole log as lines of JSON that verify without us (verifier/verify.mjs tells their form): what was signed, the tree
 * from its root down, and below each of its lowest hashes the entry.
 */
import { sql } from "kysely";
import { canonicalJson } from "../base/canonical.ts";
import type { Hash, Span } from "../base/merkle.ts";
import { headPosition, type SigningKeyChange } from "./audit.ts";
import type { Checkpoint } from "./audit-head.ts";
import { firstMislaid } from "./audit-lookup.ts";
import { BrokenTree, CHILDREN, levelHashes, rootAt, spanRoot } from "./audit-tree.ts";
import type { Db } from "./db.ts";
import { lastAnnounced } from "./retention.ts";

export type AuditExport = {
  readonly checkpoint: Checkpoint;
  /** Of the signing key, the first first. */
  readonly changes: readonly SigningKeyChange[];
  /** With the texts by and about people that have not been erased. */
  readonly withPersonal: boolean;
};

const base64 = (hashes: readonly Hash[]): string => Buffer.concat(hashes).toString("base64");

/** Pieces of the export, each some whole lines. A log that lacks what was signed is told as it is, up to where it breaks off. */
export async function* exportLog(db: Db, { checkpoint, changes, withPersonal }: AuditExport): AsyncGenerator<string> {
  const size = Math.min(checkpoint.size, await headPosition(db));
  const root = size === checkpoint.size ? checkpoint.root : await rootAt(db, size).catch(() => checkpoint.root);
  const key = changes[0]?.from ?? checkpoint.by.text;
  const first = { tidegateAuditExport: 1, size, root: base64([root]), checkpoint: checkpoint.note, key, changes };
  yield `${JSON.stringify(first)}\n`;
  if (size === 0) return;
  let height = 0;
  while (size > CHILDREN ** (height + 1)) height += 1;
  try {
    const announced = (await lastAnnounced(db, size))?.to ?? 0;
    yield* subtree({ db, size, withPersonal, announced }, height, 0);
  } catch (error) {
    if (!(error instanceof BrokenTree)) throw error;
    yield `${JSON.stringify({ missing: await firstMissing(db) })}\n`;
  }
}

type Exported = {
  readonly db: Db;
  readonly size: number;
  readonly withPersonal: boolean;
  /** Up to where the log says that it is dropped. */
  readonly announced: number;
};

async function* subtree(of: Exported, height: number, from: number): AsyncGenerator<string> {
  const { db, size } = of;
  const width = CHILDREN ** height;
  const to = Math.min(size, from + CHILDREN * width);
  const complete = Math.floor((to - from) / width);
  const hashes = await levelHashes(db, height, from / width, from / width + complete);
  const rest = from + complete * width;
  if (rest < to) hashes.push(await spanRoot(db, { from: rest, to }));
  const line = `{"hashes":"${base64(hashes)}"}\n`;
  if (height === 0) yield line + (await entries(of, from, to));
  else {
    yield line;
    for (let child = from; child < to; child += width) yield* subtree(of, height - 1, child);
  }
}

async function entries({ db, withPersonal, announced }: Exported, from: number, to: number): Promise<string> {
  const all = await entryLines(db, { from, to }, withPersonal);
  if (to <= announced && all.every(({ leaf }) => leaf === null)) return `{"dropped":${to}}\n`;
  const mislaid = await firstMislaid(db, { from, to }, all);
  let lines = "";
  for (const { seq, leaf, line } of all) {
    // What comes after a hole is not told: its place is not sure.
    if (leaf === null) return `${lines}${JSON.stringify({ missing: seq })}\n`;
    if (seq === mislaid) lines += `${JSON.stringify({ mislaid })}\n`;
    lines += `${line}\n`;
  }
  return lines;
}

/** An entry as it is stored, null where it is gone; and as a line of JSON with its position. */
export type EntryLine = { readonly seq: number; readonly leaf: string | null; readonly line: string };

/** The entries at the positions after `from` and up to `to`, with the personal texts where they are asked for. */
export async function entryLines(db: Db, { from, to }: Span, withPersonal: boolean): Promise<EntryLine[]> {
  const { rows } = await sql<{ seq: number; leaf: string | null; personal: Personal | null }>`
    select p.seq, e.leaf, texts.personal
      from audit_positions p left join audit_entries e on e.id = p.entry_id
      left join lateral (
        select json_object_agg(t.field, json_build_array(t.salt, t.value)) as personal
          from audit_personal t where t.entry_id = p.entry_id and ${withPersonal}
      ) texts on true
     where p.seq > ${from} and p.seq <= ${to} order by p.seq`.execute(db);
  return rows.map(({ seq, leaf, personal }) => {
    const texts = personal === null ? "" : `"personal":${canonicalJson(personal)},`;
    return { seq, leaf, line: `{"seq":${seq},${texts}"leaf":${leaf}}` };
  });
}

type Personal = Record<string, [salt: string, value: string]>;

/** The first position that is not there; the one after the last where none is missing. */
async function firstMissing(db: Db): Promise<number> {
  const { rows } = await sql<{ seq: number }>`
    select coalesce(
      (select place from (select seq, row_number() over (order by seq) as place from audit_positions) p
        where seq <> place order by seq limit 1),
      (select count(*) + 1 from audit_positions)) as seq`.execute(db);
  return rows[0]?.seq ?? 1;
}
