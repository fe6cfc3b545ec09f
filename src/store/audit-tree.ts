/**
 * The Merkle tree over the log, as it lies in the store: the hash of each leaf beside its position, and the complete
 * subtrees over 256, 65,536, … leaves in rows of their own. Everything between is computed when it is asked for, from some
 * hundreds of hashes; a row for every node would double what each entry costs.
 */
import { sql } from "kysely";
import { defined } from "../base/assert.ts";
import {
  completeSubtrees,
  consistencySpans,
  foldComplete,
  HASH_BYTES,
  type Hash,
  inclusionSpans,
  rootOf,
  type Span,
  type Subtree,
} from "../base/merkle.ts";
import { at, type Db, type Tx } from "./db.ts";

/** So many levels of the tree lie between two that are stored; 2^8 children under a stored node. */
const LEVELS = 8;
export const CHILDREN = 2 ** LEVELS;

/** Whether nodes of this level have rows of their own. */
export const isStored = (level: number): boolean => level > 0 && level % LEVELS === 0;

/** The stored hashes of one level, from one index to before another. */
type Stored = { readonly level: number; readonly from: number; readonly to: number };

/** The store lacks hashes that a log of that length has: somebody took them out. */
export class BrokenTree extends Error {
  override readonly name = "BrokenTree";
}

export type Positions = { readonly after: number; readonly last: number };

/**
 * Between which positions all lies that was written within the span, in order. A block whose times are out of order is one
 * more to be read, and no reason to read what lies before it.
 */
export async function positionsWithin(tx: Db | Tx, fromMs: number, untilMs: number): Promise<Positions[]> {
  const whole = sql`(select coalesce(max(index) + 1, 0) from audit_nodes where level = ${LEVELS})`;
  const { rows } = await sql<Positions>`
    with blocks as (
      select index, earliest, latest from audit_nodes where level = ${LEVELS}
      union all
      -- What is under no such node yet.
      select ${whole}, min(at), max(at) from audit_lookup where seq > ${whole} * ${CHILDREN} having count(*) > 0
    ), wanted as (
      select index, index - row_number() over (order by index) as run from blocks
      where coalesce(latest >= ${at(fromMs)} and earliest < ${at(untilMs)}, true)
    )
    select min(index) * ${CHILDREN} as after, (max(index) + 1) * ${CHILDREN} as last from wanted group by run order by 1`.execute(
    tx,
  );
  return rows;
}

/** Reads ranges of stored hashes in one statement, each of them in one piece. */
async function stored(db: Db | Tx, ranges: readonly Stored[]): Promise<Hash[][]> {
  const pieces = joined(ranges);
  const { rows } = await sql<{ hashes: Buffer | null }>`
    select found.hashes
      from unnest(${pieces.map((it) => it.level)}::int[], ${pieces.map((it) => it.from)}::bigint[],
                  ${pieces.map((it) => it.to)}::bigint[]) with ordinality as r (level, low, high, place)
      cross join lateral (
        select string_agg(hash, ''::bytea order by index) as hashes from (
          select leaf_hash as hash, seq as index from audit_positions
           where r.level = 0 and seq > r.low and seq <= r.high
          union all
          select hash, index from audit_nodes where level = r.level and index >= r.low and index < r.high
        ) one
      ) found
     order by r.place`.execute(db);
  const found = pieces.map((piece, i) => {
    const bytes = rows[i]?.hashes ?? Buffer.alloc(0);
    if (bytes.length !== (piece.to - piece.from) * HASH_BYTES)
      throw new BrokenTree(missing(piece.level, piece.from, piece.to));
    return { ...piece, bytes };
  });
  return ranges.map(({ level, from, to }) => {
    const piece = defined(
      found.find((it) => it.level === level && it.from <= from && to <= it.to),
      "hashes of a range",
    );
    return Array.from({ length: to - from }, (_, n) => {
      const at = (from - piece.from + n) * HASH_BYTES;
      return piece.bytes.subarray(at, at + HASH_BYTES);
    });
  });
}

/** The ranges that side by side are one; also with a hash between, as a proof names all but that of its own leaf. */
function joined(ranges: readonly Stored[]): Stored[] {
  const pieces: Stored[] = [];
  for (const range of ranges.toSorted((a, b) => a.level - b.level || a.from - b.from)) {
    const last = pieces.at(-1);
    if (last === undefined || last.level !== range.level || range.from > last.to + 1) pieces.push(range);
    else pieces[pieces.length - 1] = { ...last, to: Math.max(last.to, range.to) };
  }
  return pieces;
}

const missing = (level: number, from: number, to: number): string =>
  `the store lacks hashes of the log between positions ${from * 2 ** level + 1} and ${to * 2 ** level}`;

const underStored = ({ level, index }: Subtree): Stored => {
  const width = 2 ** (level % LEVELS);
  return { level: level - (level % LEVELS), from: index * width, to: (index + 1) * width };
};

/** The roots over spans of the log, as its proofs name them. */
async function spanRoots(db: Db | Tx, spans: readonly Span[]): Promise<Hash[]> {
  const subtrees = spans.map(completeSubtrees);
  const hashes = (await stored(db, subtrees.flat().map(underStored))).map(foldComplete);
  return subtrees.map((of) => rootOf(hashes.splice(0, of.length)));
}

/** Hashes over 256^height leaves each, from one to before another, as they are stored. */
export const levelHashes = async (db: Db, height: number, from: number, to: number): Promise<Hash[]> =>
  (await stored(db, [{ level: height * LEVELS, from, to }]))[0] ?? [];

export const spanRoot = async (db: Db | Tx, span: Span): Promise<Hash> => (await spanRoots(db, [span]))[0] as Hash;

/** The hash of the leaf at a position. */
export const leafHashAt = async (db: Db, seq: number): Promise<Hash> =>
  (await levelHashes(db, 0, seq - 1, seq))[0] as Hash;

/** The root of the log as it was when it had so many entries. */
export const rootAt = (db: Db | Tx, size: number): Promise<Hash> => spanRoot(db, { from: 0, to: size });

/** Proves that a leaf, counted from 0, is in the log of this size. */
export const inclusionProof = (db: Db | Tx, index: number, size: number): Promise<Hash[]> =>
  spanRoots(db, inclusionSpans(index, size));

/** The same of several leaves, read at once. */
export async function inclusionProofs(db: Db, indices: readonly number[], size: number): Promise<Hash[][]> {
  const spans = indices.map((index) => inclusionSpans(index, size));
  const roots = await spanRoots(db, spans.flat());
  return spans.map((of) => roots.splice(0, of.length));
}

/** Proves that the log of the second size goes on from that of the first. */
export const consistencyProof = (db: Db | Tx, first: number, second: number): Promise<Hash[]> =>
  spanRoots(db, consistencySpans(first, second));
