/** What an access review counts and lists, read in one picture of the store. Times are milliseconds; `until` is not included. */
import { sql } from "kysely";
import type { EntitlementRef } from "../domain/entitlement.ts";
import { entriesWithLeaves } from "./audit-lookup.ts";
import type { Db, Tx } from "./db.ts";
import { at } from "./db.ts";

export type Span = { readonly fromMs: number; readonly untilMs: number };

/** Everything in it is as of one moment, so that what is counted in two ways adds up. */
export const inOnePicture = <T>(db: Db, read: (tx: Tx) => Promise<T>): Promise<T> =>
  db.transaction().setIsolationLevel("repeatable read").setAccessMode("read only").execute(read);

/** What became of what was asked for. Each request is counted once. */
export const REQUEST_FATES = [
  "automatic",
  "approved-by-people",
  "denied-by-policy",
  "denied-by-people",
  "denied-for-want-of-approvers",
  "cancelled",
  "expired",
  "pending",
] as const;
export type RequestFate = (typeof REQUEST_FATES)[number];

const FATE = sql<RequestFate>`case
  when state = 'approved' and decision ->> 'outcome' = 'automatic' then 'automatic'
  when state = 'approved' then 'approved-by-people'
  when state <> 'denied' then state
  when decision ->> 'outcome' = 'denied' then 'denied-by-policy'
  when exists (select from reviews where request_id = requests.id and verdict = 'deny') then 'denied-by-people'
  else 'denied-for-want-of-approvers' end`;

export async function countRequests(tx: Tx, { fromMs, untilMs }: Span): Promise<Map<RequestFate, number>> {
  const rows = await tx
    .selectFrom("requests")
    .select(({ fn }) => [FATE.as("fate"), fn.countAll<string>().as("count")])
    .where("created_at", ">=", at(fromMs))
    .where("created_at", "<", at(untilMs))
    .groupBy("fate")
    .execute();
  return new Map(rows.map(({ fate, count }) => [fate, Number(count)]));
}

/**
 * What became of grants. `used`: its credential was taken. `membership`: an account that the person has was given a right,
 * and whether they used it nobody told us; or retention dropped what told. `unused`: there was a credential, nobody took it, and it is over. `open`: it is not
 * over yet. `lapsed`: it should have been started and nobody did. `not-made`: it ended before there was any access.
 */
export const GRANT_FATES = ["used", "membership", "unused", "open", "lapsed", "not-made"] as const;
export type GrantFate = (typeof GRANT_FATES)[number];

/** Of the grant `g` and its lease `l`. */
export const GRANT_FATE = sql<GrantFate>`case
  when l.delivery ->> 'kind' = 'membership' then 'membership'
  when g.delivered_at is not null then 'used'
  when g.state in ('scheduled', 'provisioning', 'active') then 'open'
  when g.ending ->> 'cause' = 'lapsed' then 'lapsed'
  when l.delivery is null then 'not-made'
  else 'unused' end`;

const grantsIn = (tx: Tx, { fromMs, untilMs }: Span) =>
  tx
    .selectFrom("grants as g")
    .leftJoin("leases as l", "l.grant_id", "g.id")
    .where("g.created_at", ">=", at(fromMs))
    .where("g.created_at", "<", at(untilMs));

export async function countGrants(tx: Tx, span: Span): Promise<Map<GrantFate, number>> {
  const rows = await grantsIn(tx, span)
    .select(({ fn }) => [GRANT_FATE.as("fate"), fn.countAll<string>().as("count")])
    .groupBy("fate")
    .execute();
  return new Map(rows.map(({ fate, count }) => [fate, Number(count)]));
}

export type UnusedGrant = {
  readonly id: string;
  readonly person: string;
  readonly entitlement: string;
  readonly createdMs: number;
  readonly lapsed: boolean;
};

/** Those that nobody used, the oldest first. */
export async function unusedGrants(tx: Tx, span: Span, limit: number): Promise<UnusedGrant[]> {
  const rows = await grantsIn(tx, span)
    .innerJoin("principals as p", "p.id", "g.principal_id")
    .select(["g.id", "p.handle", "g.entitlement", "g.created_at", GRANT_FATE.as("fate")])
    .where(sql<boolean>`${GRANT_FATE} in ('unused', 'lapsed')`)
    .orderBy("g.seq")
    .limit(limit)
    .execute();
  return rows.map(({ id, handle, entitlement, created_at, fate }) => ({
    ...{ id, entitlement, person: handle, createdMs: created_at },
    lapsed: fate === "lapsed",
  }));
}

/** When each entitlement was last asked for before the end of the span, and how often within it. */
export async function askedFor(
  tx: Tx,
  { fromMs, untilMs }: Span,
): Promise<Map<EntitlementRef, { readonly lastMs: number; readonly count: number }>> {
  const { rows } = await sql<{ entitlement: EntitlementRef; last: number; count: number }>`
    select entitlement, max(created_at) as last, count(*) filter (where created_at >= ${at(fromMs)}) as count
    from requests where created_at < ${at(untilMs)} group by entitlement`.execute(tx);
  return new Map(rows.map(({ entitlement, last, count }) => [entitlement, { lastMs: last, count: Number(count) }]));
}

export type Automatic = {
  readonly person: string;
  readonly rule: string;
  readonly entitlement: string;
  readonly count: number;
};

/** How often each rule approved which entitlement for whom without anybody. */
export async function automaticApprovals(tx: Tx, { fromMs, untilMs }: Span): Promise<Automatic[]> {
  const { rows } = await sql<Automatic>`
    select p.handle as person, coalesce(r.decision ->> 'rule', '') as rule, r.entitlement, count(*) as count
    from requests r join principals p on p.id = r.requester_id
    where r.created_at >= ${at(fromMs)} and r.created_at < ${at(untilMs)}
      and r.state = 'approved' and r.decision ->> 'outcome' = 'automatic'
    group by p.id, p.handle, rule, r.entitlement`.execute(tx);
  return rows.map((row) => ({ ...row, count: Number(row.count) }));
}

export type EmergencyUse = {
  readonly id: string;
  readonly person: string;
  readonly entitlement: string;
  readonly rule: string;
  readonly atMs: number;
};

/** Emergencies that were granted, the oldest first. */
export async function emergencies(tx: Tx, { fromMs, untilMs }: Span, limit: number): Promise<EmergencyUse[]> {
  const rows = await tx
    .selectFrom("requests as r")
    .innerJoin("principals as p", "p.id", "r.requester_id")
    .select([
      "r.id",
      "p.handle",
      "r.entitlement",
      "r.created_at",
      sql<string>`coalesce(r.decision ->> 'rule', '')`.as("rule"),
    ])
    .where("r.emergency", "=", true)
    .where("r.state", "=", "approved")
    .where("r.created_at", ">=", at(fromMs))
    .where("r.created_at", "<", at(untilMs))
    .orderBy("r.seq")
    .limit(limit)
    .execute();
  return rows.map(({ id, handle, entitlement, created_at, rule }) => ({
    ...{ id, entitlement, rule, person: handle, atMs: created_at },
  }));
}

/** Each activation up to the end of the span that was in force within it, the oldest first. */
export async function activations(tx: Tx, { fromMs, untilMs }: Span): Promise<{ version: number; atMs: number }[]> {
  const { rows } = await sql<{ version: string; at: number }>`
    select l.leaf::jsonb -> 'data' ->> 'version' as version, l.at
    from ${entriesWithLeaves(sql`l.kind = 'config.activated'`)} l`.execute(tx);
  const all = rows
    .map(({ version, at: atMs }) => ({ version: Number(version), atMs }))
    .filter(({ atMs }) => atMs < untilMs)
    .sort((a, b) => a.atMs - b.atMs);
  const first = all.findLastIndex(({ atMs }) => atMs <= fromMs);
  return all.slice(Math.max(0, first));
}
