/** Appends to the log, gives positions, reads it back. Entries are only ever inserted. */
import { randomBytes } from "node:crypto";
import { type RawBuilder, sql } from "kysely";
import { canonicalJson } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { sha256Hex } from "../base/hash.ts";
import { type EntryId, entryId, type InstallationId, type RequestId } from "../base/ids.ts";
import { type EntryDraft, type EntryKind, type EntryLeaf, OF_REQUESTS } from "../domain/audit.ts";
import type { Message } from "../domain/message.ts";
import { entriesWithLeaves } from "./audit-lookup.ts";
import { type Positions, positionsWithin } from "./audit-tree.ts";
import { at, type Db, notWaitedFor, type Tx } from "./db.ts";
import { insertingTexts } from "./given-rows.ts";
import { messagesOf, writingMessages } from "./messages.ts";
import { lastAnnounced } from "./retention.ts";

/** SHA-256 over salt, field and value: binds the log to a text without holding it. */
export const commitment = (salt: string, field: string, value: string): string =>
  sha256Hex(`${salt}\n${field}\n${value}`);

/** An entry that will be in the log once it is written, with the messages that tell of it. */
export type NewEntry = {
  readonly id: EntryId;
  readonly leaf: string;
  readonly salted: readonly Salted[];
  readonly messages: readonly Message[];
};

/** Writes entries in the transaction of the change they tell of. Answers their ids, in order. */
export async function appendEntries(
  tx: Tx,
  installation: InstallationId,
  drafts: readonly EntryDraft[],
  nowMs: number,
): Promise<EntryId[]> {
  if (drafts.length === 0) return [];
  const entries = drafts.map((draft) => newEntry(draft, installation, nowMs));
  const { parts, last } = appending(entries);
  await inOneStatement(parts, last).execute(tx);
  return entries.map(({ id }) => id);
}

/**
 * What writes entries: parts for the `with` of a statement, and one that may stand at its end. This is in the way of every
 * change. Entries that nobody is told of can be written on a condition.
 */
export function appending(entries: readonly NewEntry[], when: RawBuilder<boolean> | null = null): Appending {
  const [ids, leaves] = [entries.map(({ id }) => id), entries.map(({ leaf }) => leaf)];
  const personal = entries.flatMap(({ id, salted }) => salted.map((one) => ({ id, ...one })));
  const messages = entries.flatMap((entry) => entry.messages);
  return {
    parts: [
      ...(personal.length === 0 ? [] : [withTexts(personal, when)]),
      ...(messages.length === 0 ? [] : [writingMessages(messages)]),
    ],
    last: insertingTexts("audit_unsequenced (entry_id, leaf)", [ids, leaves], when),
  };
}

/** It answers nothing. */
export const inOneStatement = (
  parts: readonly RawBuilder<unknown>[],
  last: RawBuilder<unknown>,
): RawBuilder<unknown> =>
  parts.length === 0 ? sql`${notWaitedFor} ${last}` : sql`${notWaitedFor} with ${sql.join(parts)} ${last}`;

type Appending = { readonly parts: readonly RawBuilder<unknown>[]; readonly last: RawBuilder<unknown> };

function withTexts(personal: readonly (Salted & { id: EntryId })[], when: RawBuilder<boolean> | null) {
  const column = (of: keyof Salted | "id"): string[] => personal.map((one) => one[of]);
  const columns = [column("id"), column("field"), column("salt"), column("value")];
  return sql`personal as (${insertingTexts("audit_personal (entry_id, field, salt, value)", columns, when)})`;
}

const SALT_BYTES = 16;
type Salted = { readonly field: string; readonly value: string; readonly salt: string };

/** The leaf as it is stored for ever, and beside it the texts that it only commits to. */
export function newEntry(draft: EntryDraft, installation: InstallationId, nowMs: number): NewEntry {
  const id = entryId.make();
  const personal = Object.entries(draft.personal ?? {});
  const salts = personal.length === 0 ? "" : randomBytes(SALT_BYTES * personal.length).toString("hex");
  const salted = personal.map(([field, value], i) => ({
    field,
    value,
    salt: salts.slice(2 * SALT_BYTES * i, 2 * SALT_BYTES * (i + 1)),
  }));
  const commitments = Object.fromEntries(
    salted.map(({ field, value, salt }) => [field, commitment(salt, field, value)]),
  );
  const leaf: EntryLeaf = {
    v: 1,
    id,
    at: toTimestamp(nowMs),
    installation,
    kind: draft.kind,
    actor: draft.actor,
    refs: draft.refs,
    data: draft.data,
    ...(salted.length === 0 ? {} : { commitments }),
  };
  const text = canonicalJson(leaf);
  if (text.length > LEAF_CHARS_MAX) throw new TypeError(`an audit entry cannot be ${text.length} characters long`);
  if (text.includes("\\u0000") && HOLDS_ZERO.test(text))
    throw new TypeError("an audit entry cannot hold the character U+0000: the store could not read it");
  return { id, leaf: text, salted, messages: messagesOf(draft, id, nowMs) };
}

/** In bytes surely no more than what the store takes for one (migration 0036). */
const LEAF_CHARS_MAX = 2_000_000;

/** As JSON writes it: after a backslash that is none itself. */
const HOLDS_ZERO = /(?<!\\)(?:\\\\)*\\u0000/;

/**
 * Gives the next positions to entries that have none, with the hashes of their leaves, what they are found by, and the nodes
 * that are complete now. Answers how many: a thousand at most. The store does it all: no leaf has to come here.
 */
export async function sequenceEntries(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`select audit_sequence() as count`.execute(db);
  return rows[0]?.count ?? 0;
}

/**
 * Until all that waits now has its position; what comes meanwhile may wait. Each reading of the queue is a function's, which knows
 * of no other way than its index (0035): after many entries at once the table stays long, and it is looked at five times a second.
 */
export async function sequenceAll(db: Db): Promise<void> {
  const ask = async (what: string): Promise<number | undefined> =>
    (await sql<{ queued: number }>`select ${sql.raw(what)}`.execute(db)).rows[0]?.queued;
  const last = (await ask("last_value as queued from audit_unsequenced_queued_seq")) ?? 0;
  while ((await sequenceEntries(db)) > 0) {
    const next = await ask("queued from audit_next(1)");
    if (next === undefined || next > last) return;
  }
}

export type SequencedEntry = {
  readonly seq: number;
  /** Hex. */
  readonly leafHash: string;
  readonly leaf: EntryLeaf;
  readonly personal: Record<string, string>;
};

export type EntryFilter = {
  readonly afterSeq: number;
  readonly beforeSeq?: number | undefined;
  readonly order?: "oldest" | "newest";
  readonly limit: number;
  readonly kinds?: readonly EntryKind[] | undefined;
  /** Ids of principals, or names of parts of Tidegate. */
  readonly actors?: readonly string[] | undefined;
  readonly grant?: string | undefined;
  readonly request?: string | undefined;
  readonly fromMs?: number | undefined;
  readonly untilMs?: number | undefined;
};

/** The end of the year 9999. */
const FAR_MS = 253_402_300_799_999;

/** Entries in order of position, the oldest first unless told, with the personal texts that have not been erased. */
export async function readEntries(db: Db, filter: EntryFilter): Promise<SequencedEntry[]> {
  const rows: Awaited<ReturnType<typeof rowsWithin>> = [];
  for (const part of await positionsOf(db, filter)) {
    if (rows.length === filter.limit) break;
    rows.push(...(await rowsWithin(db, { ...filter, limit: filter.limit - rows.length }, part)));
  }
  const personal = await personalOf(
    db,
    rows.map((row) => row.id),
  );
  return rows.map((row) => ({
    seq: row.seq,
    leafHash: row.leaf_hash.toString("hex"),
    leaf: JSON.parse(row.leaf) as EntryLeaf,
    personal: personal(row.id),
  }));
}

/** Where all lies that the filter asks for, in its order; of a time, in whole blocks. */
async function positionsOf(db: Db, { afterSeq, beforeSeq, fromMs, untilMs, order }: EntryFilter): Promise<Positions[]> {
  const asked = { after: afterSeq, last: (beforeSeq ?? Number.MAX_SAFE_INTEGER) - 1 };
  if (fromMs === undefined && untilMs === undefined) return [asked];
  const parts = (await positionsWithin(db, fromMs ?? 0, untilMs ?? FAR_MS)).map(({ after, last }) => ({
    after: Math.max(after, asked.after),
    last: Math.min(last, asked.last),
  }));
  return order === "newest" ? parts.reverse() : parts;
}

function rowsWithin(db: Db, filter: EntryFilter, { after, last }: Positions) {
  const query = db
    .selectFrom("audit_positions as p")
    .innerJoin("audit_entries as e", "e.id", "p.entry_id")
    .select(["p.seq", "p.leaf_hash", "e.leaf", "e.id"])
    .where("p.seq", ">", after)
    .where("p.seq", "<=", last)
    .orderBy("p.seq", filter.order === "newest" ? "desc" : "asc")
    .limit(filter.limit);
  const narrowed = lookedUp(db, filter, { after, last });
  return (narrowed === null ? query : query.where("p.seq", "in", narrowed)).execute();
}

/** Those of them of which a filter says more than where they are; null: it says no more. */
function lookedUp(db: Db, { kinds, actors, grant, request, fromMs, untilMs }: EntryFilter, { after, last }: Positions) {
  if ([kinds, actors, grant, request, fromMs, untilMs].every((it) => it === undefined)) return null;
  let found = db.selectFrom("audit_lookup as l").select("l.seq").where("l.seq", ">", after).where("l.seq", "<=", last);
  if (kinds !== undefined) found = found.where("l.kind", "in", kinds);
  if (actors !== undefined) found = found.where("l.actor", "in", actors);
  if (grant !== undefined) found = found.where("l.grant_id", "=", grant);
  if (request !== undefined) found = found.where("l.request_id", "=", request);
  if (fromMs !== undefined) found = found.where("l.at", ">=", at(fromMs));
  if (untilMs !== undefined) found = found.where("l.at", "<", at(untilMs));
  return found;
}

/** The personal texts of entries, as far as they have not been erased. */
async function personalOf(db: Db, ids: readonly string[]): Promise<(id: string) => Record<string, string>> {
  const rows =
    ids.length === 0 ? [] : await db.selectFrom("audit_personal").selectAll().where("entry_id", "in", ids).execute();
  const byEntry = Map.groupBy(rows, (row) => row.entry_id);
  return (id) => Object.fromEntries((byEntry.get(id) ?? []).map(({ field, value }) => [field, value]));
}

/** What happened to a request and to the grant that came of it: entries of these kinds in order, with positions or not yet. */
export async function trailOf(
  db: Db,
  request: RequestId,
  kinds: readonly EntryKind[],
  limit: number,
): Promise<{ readonly leaf: EntryLeaf; readonly personal: Record<string, string> }[]> {
  const { rows } = await sql<{ id: string; leaf: string }>`
    select l.entry_id as id, l.leaf
      from ${entriesWithLeaves(sql`l.request_id = ${request} and l.kind = any(${[...kinds]}::text[])`)} l
     order by l.seq nulls last, l.queued limit ${limit}`.execute(db);
  const personal = await personalOf(
    db,
    rows.map(({ id }) => id),
  );
  return rows.map(({ id, leaf }) => ({ leaf: JSON.parse(leaf) as EntryLeaf, personal: personal(id) }));
}

/** An entry at its position, without the personal texts. */
export type Leaf = { readonly seq: number; readonly leaf: EntryLeaf };

/** Entries in order of position. */
export async function readLeaves(db: Db, afterSeq: number, limit: number): Promise<Leaf[]> {
  const rows = await db
    .selectFrom("audit_positions as p")
    .innerJoin("audit_entries as e", "e.id", "p.entry_id")
    .select(["p.seq", "e.leaf"])
    .where("p.seq", ">", afterSeq)
    .orderBy("p.seq")
    .limit(limit)
    .execute();
  return rows.map(({ seq, leaf }) => ({ seq, leaf: JSON.parse(leaf) as EntryLeaf }));
}

/** The last position that was given; 0 before the first. */
export async function headPosition(db: Db): Promise<number> {
  const head = await db.selectFrom("audit_positions").select("seq").orderBy("seq", "desc").limit(1).executeTakeFirst();
  return head?.seq ?? 0;
}

/** The position of an entry; sequences first when it has none yet. */
export async function positionOf(db: Db, id: EntryId): Promise<number> {
  const find = () => db.selectFrom("audit_positions").select("seq").where("entry_id", "=", id).executeTakeFirst();
  const found = await find();
  if (found !== undefined) return found.seq;
  await sequenceAll(db);
  const now = await find();
  if (now === undefined) throw new Error(`audit entry ${id} has no position`);
  return now.seq;
}

/** Another key signs heads of the log. `note`: the earlier key's signature over the new one; null where it was not at hand. */
export type SigningKeyChange = { readonly from: string; readonly to: string; readonly note: string | null };

/** Every change of the signing key, the first first; or those up to a position. What was dropped is in what announced that. */
export async function signingKeyChanges(db: Db | Tx, to: number | null = null): Promise<SigningKeyChange[]> {
  const earlier = (await lastAnnounced(db))?.keys ?? [];
  const kind: EntryKind = "key.signing-changed";
  const { rows } = await sql<{ leaf: string }>`
    select l.leaf from ${entriesWithLeaves(sql`l.kind = ${kind}`)} l
     where ${to}::bigint is null or l.seq <= ${to}
     order by l.at, l.seq`.execute(db);
  const all = [...earlier, ...rows.map(({ leaf }) => (JSON.parse(leaf) as { data: SigningKeyChange }).data)];
  return all.filter(({ from, to: next }, i) => all.findIndex((one) => one.from === from && one.to === next) === i);
}

/** Whether anything between these positions tells of an emergency. */
export async function tellsOfEmergency(db: Db, { after, last }: Positions): Promise<boolean> {
  // Leaf by leaf, of what came since the last look: mostly little, and only that of requests and of emergencies is read.
  const { rows } = await sql`
    select from audit_lookup l cross join lateral (
        select leaf from audit_entries where id = l.entry_id offset 0
      ) e
     where l.seq > ${after} and l.seq <= ${last} and l.kind like any (${OF_REQUESTS.map((noun) => `${noun}.%`)}::text[])
       -- To parse an entry costs more than to find that it has no such word.
       and e.leaf like '%"emergency":true%' and e.leaf::jsonb -> 'data' -> 'emergency' = 'true'::jsonb
     limit 1`.execute(db);
  return rows.length > 0;
}
