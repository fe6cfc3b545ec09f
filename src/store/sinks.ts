/**
 * How far the log has got at each place where it is sent. Whoever sends takes a sink up by a statement that puts its next
 * turn ahead and counts: two never send at once, and what was overtaken says nothing any more. Time is database time.
 */
import { sql } from "kysely";
import type { AnchorFacts, LateSink, SinkFacts } from "../domain/health-facts.ts";
import type { Punctual } from "../domain/sink.ts";
import type { Db, Tx } from "./db.ts";

/** The entries of the log, or its checkpoints. */
export type Purpose = "entries" | "checkpoints";

/** A turn at a sink: what is after `position` is to be sent. */
export type Turn = {
  readonly purpose: Purpose;
  readonly name: string;
  readonly position: number;
  readonly taken: number;
  /** That have failed since the last that did not. */
  readonly attempts: number;
};

/** Lets a sink begin; one that has begun goes on where it was. Of the log the beginning is what was not dropped. */
export async function beginSink(db: Db, purpose: Purpose, name: string, from: "beginning" | "now"): Promise<void> {
  await sql`
    insert into sinks (purpose, name, position)
    select ${purpose}, ${name}, case when ${from === "now"} then coalesce(max(seq), 0)
        when ${purpose === "entries"} then coalesce((select position from audit_dropped), 0) else 0 end
      from audit_positions
    on conflict do nothing`.execute(db);
}

/** Takes the sink up for so long, where something is due for it; null where not, or where somebody else has it. */
export async function takeTurn(db: Db, purpose: Purpose, name: string, forMs: number): Promise<Turn | null> {
  const { rows } = await sql<Turn>`
    update sinks
       set taken = taken + 1, due_at = clock_timestamp() + ${forMs} * interval '1 millisecond'
     where purpose = ${purpose} and name = ${name} and due_at <= clock_timestamp()
       and (purpose = 'checkpoints' or position < (select coalesce(max(seq), 0) from audit_positions))
    returning purpose, name, position, taken, attempts`.execute(db);
  return rows[0] ?? null;
}

/** It has arrived up to there, and is due again after so long. False: somebody else has taken the sink up meanwhile. */
export async function confirmTurn(
  db: Db,
  { purpose, name, taken }: Turn,
  { position, againInMs, note = null }: { position: number; againInMs: number; note?: string | null },
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update sinks
       set position = ${position}, confirmed_at = clock_timestamp(), attempts = 0, failing_since = null,
           last_error = null, note = coalesce(${note}, note), due_at = clock_timestamp() + ${againInMs} * interval '1 millisecond'
     where purpose = ${purpose} and name = ${name} and taken = ${taken}`.execute(db);
  return numAffectedRows === 1n;
}

/** It has not arrived, or nobody knows: it is due again after so long. */
export async function missTurn(
  db: Db,
  { purpose, name, taken }: Turn,
  missed: { readonly error: string; readonly retryInMs: number },
): Promise<void> {
  await sql`
    update sinks
       set attempts = attempts + 1, failing_since = coalesce(failing_since, clock_timestamp()),
           last_error = ${missed.error}, due_at = clock_timestamp() + ${missed.retryInMs} * interval '1 millisecond'
     where purpose = ${purpose} and name = ${name} and taken = ${taken}`.execute(db);
}

/** Gives the turn back untried. */
export async function leaveTurn(db: Db, { purpose, name, taken }: Turn): Promise<void> {
  await sql`
    update sinks set due_at = clock_timestamp()
     where purpose = ${purpose} and name = ${name} and taken = ${taken}`.execute(db);
}

/** How long the first entry that has not arrived has waited: since it was written, or since the sink began; 0 where all have. */
const LAG = sql<number>`
  case when p.seq is null then 0 else greatest(0, extract(epoch from clock_timestamp()
    - greatest((e.leaf::jsonb ->> 'at')::timestamptz, s.created_at)) * 1000) end::float8`;

/** Of what was dropped nothing can arrive any more. */
const NEXT = sql`
  left join audit_positions p on p.seq = greatest(s.position, (select position from audit_dropped)) + 1 left join audit_entries e on e.id = p.entry_id`;

/** How sinks for entries do, by name. One that has not begun is left out. */
export async function sinkFigures(db: Db, names: readonly string[]): Promise<Map<string, SinkFacts>> {
  if (names.length === 0) return new Map();
  const { rows } = await sql<SinkFacts & { name: string }>`
    select s.name, s.position, s.last_error as "lastError", ${LAG} as "lagMs",
           greatest(0, (select coalesce(max(seq), 0) from audit_positions) - s.position) as waiting
      from sinks s ${NEXT}
     where s.purpose = 'entries' and s.name = any (${[...names]}::text[])`.execute(db);
  return new Map(rows.map(({ name, ...facts }) => [name, facts]));
}

/** Of these sinks, those that are late. */
export async function lateSinks(db: Db | Tx, sinks: readonly Punctual[]): Promise<LateSink[]> {
  const { rows } = await sql<LateSink>`
    select found.name, found.lag as "lagMs"
      from json_to_recordset(${JSON.stringify(sinks)}::json) as wanted (name text, "withinMs" float8)
      join (select s.name, ${LAG} as lag from sinks s ${NEXT} where s.purpose = 'entries') found using (name)
     where found.lag > wanted."withinMs" order by found.lag desc`.execute(db);
  return rows;
}

/** How anchors do, by name: up to which size, how long ago, or since they began. */
export async function anchorFigures(db: Db, names: readonly string[]): Promise<Map<string, AnchorFacts>> {
  if (names.length === 0) return new Map();
  const { rows } = await sql<AnchorFacts & { name: string }>`
    select name, position as size, last_error as "lastError",
           greatest(0, extract(epoch from clock_timestamp() - coalesce(confirmed_at, created_at)) * 1000)::float8 as "ageMs"
      from sinks where purpose = 'checkpoints' and name = any (${[...names]}::text[])`.execute(db);
  return new Map(rows.map(({ name, ...facts }) => [name, facts]));
}

/** The last checkpoint that each witness has signed, with its signature. */
export async function witnessed(db: Db): Promise<{ anchor: string; size: number; checkpoint: string }[]> {
  const { rows } = await sql<{ anchor: string; size: number; checkpoint: string }>`
    select name as anchor, position as size, note as checkpoint
      from sinks where purpose = 'checkpoints' and note is not null order by name`.execute(db);
  return rows;
}
