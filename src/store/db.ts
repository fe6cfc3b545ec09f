import { type Generated, Kysely, PostgresDialect, sql, type Transaction } from "kysely";
import pg from "pg";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import type { Authentication } from "../domain/authentication.ts";
import type { JsonColumn, LaterTime, NullableJson, NullableTime, Time } from "./columns.ts";
import type { IdentityTables } from "./identity-tables.ts";
import { NOT_WAITED_FOR, PreparingClient } from "./preparing-client.ts";
import type { TokenTable } from "./token-table.ts";

export type Tables = IdentityTables & {
  installation: { singleton: Generated<boolean>; id: string; created_at: Time; signing_key: string | null };
  principals: {
    id: string;
    kind: string;
    handle: string;
    name: string;
    email: string | null;
    type: string;
    groups: JsonColumn<string[]>;
    roles: JsonColumn<string[]>;
    oncall_tier: number;
    active: boolean;
    created_at: Time;
    deactivated_at: NullableTime;
    manager: string | null;
    has_left: Generated<boolean>;
    erased_at: NullableTime;
  };
  principal_identities: { issuer: string; subject: string; principal_id: string; linked_at: Time };
  api_tokens: TokenTable;
  sealed_secrets: {
    id: string;
    purpose: string;
    key_id: string;
    wrapped_key: Buffer;
    ciphertext: Buffer;
    created_at: Time;
  };
  sealing_key_holders: { process: string; current_key: string; keys: JsonColumn<string[]>; seen_at: Time };
  abandoned_keys: { key_id: string; abandoned_at: Time };
  quarantines: {
    id: Generated<number>;
    since: Time;
    why: string;
    facts: JsonColumn<JsonObject>;
    left_at: NullableTime;
    recovered: string | null;
  };
  config_versions: {
    id: Generated<number>;
    hash: string;
    content: JsonColumn<JsonObject>;
    source: string;
    created_at: Time;
  };
  config_active: { singleton: Generated<boolean>; version_id: number; activated_at: Time };
  requests: {
    id: string;
    parent_id: string | null;
    requester_id: string;
    extends_grant_id: string | null;
    resource: string;
    entitlement: string;
    scope_hash: string;
    narrowed_to: NullableJson<JsonObject>;
    duration_ms: number;
    reason: string;
    ticket: string;
    start_at: NullableTime;
    activation: string;
    via: string;
    emergency: boolean;
    state: string;
    ended_because: string | null;
    decision: JsonColumn<JsonObject>;
    facts: JsonColumn<JsonObject>;
    config_version: number;
    created_at: Time;
    expires_at: Time;
    decided_at: NullableTime;
    grant_id: string | null;
    review_due_at: NullableTime;
    review_remind_at: NullableTime;
    review_verdict: string | null;
    reviewed_by: string | null;
    review_comment: string | null;
    reviewed_at: NullableTime;
    seq: Generated<number>;
    escalates_at: NullableTime;
    edited_at: NullableTime;
  };
  absences: { principal_id: string; delegate_id: string | null; set_by: string; since: Time; until: Time };
  requests_to_look_at: { seq: Generated<number>; request_id: string };
  reviews: {
    id: string;
    request_id: string;
    reviewer_id: string;
    verdict: string;
    comment: string;
    duration_ms: number | null;
    entitlement: string;
    scope_hash: string;
    created_at: Time;
    voided_at: NullableTime;
    stands_for: JsonColumn<string[]>;
    authentication: NullableJson<Authentication>;
  };
  bundles: {
    id: string;
    requester_id: string;
    name: string | null;
    title: string;
    refused: JsonColumn<JsonObject[]>;
    created_at: Time;
    seq: Generated<number>;
  };
  comments: {
    id: string;
    request_id: string;
    author_id: string;
    text: string;
    asks: boolean;
    answered_by: string | null;
    created_at: Time;
    seq: Generated<number>;
  };
  grants: {
    id: string;
    request_id: string;
    principal_id: string;
    resource: string;
    entitlement: string;
    scope: JsonColumn<JsonObject>;
    scope_hash: string;
    activation: string;
    duration_ms: number;
    starts_at: Time;
    activate_by: NullableTime;
    expires_at: Time;
    extensions: number;
    config_version: number;
    created_at: Time;
    state: string;
    trouble: NullableJson<JsonObject>;
    extend_target: boolean;
    rotate_credential: boolean;
    credential: string;
    ending: NullableJson<JsonObject>;
    leads_to: string | null;
    access_gone: boolean;
    revoked_at: NullableTime;
    receipt: NullableJson<JsonObject>;
    receipt_entry_id: string | null;
    confirm_at: NullableTime;
    due_at: NullableTime;
    claim_owner: Generated<string | null>;
    claim_until: LaterTime;
    fence: Generated<number>;
    seq: Generated<number>;
    revoking_at: LaterTime;
    gone_at: LaterTime;
    delivered_at: LaterTime;
    standing: Generated<boolean>;
  };
  leases: {
    id: string;
    grant_id: string;
    right_key: string;
    names: JsonColumn<JsonObject>;
    origin: string;
    scope: JsonColumn<JsonObject>;
    scope_hash: string;
    account: JsonColumn<JsonObject>;
    connector: JsonColumn<JsonObject>;
    target_identity: string;
    target_position: string | null;
    state: string;
    details: JsonColumn<JsonObject>;
    delivery: NullableJson<JsonObject>;
    secret_id: string | null;
    fence: number;
    created_at: Time;
  };
  right_claims: { right_key: string; owner: string; fence: number; until: Time };
  drift_sweeps: {
    resource: string;
    due_at: Time;
    claim_owner: string | null;
    claim_until: NullableTime;
    fence: Generated<number>;
    began_at: NullableTime;
    swept_at: NullableTime;
    target_identity: string | null;
    failing_since: NullableTime;
    error: NullableJson<{ code: string; message: string }>;
  };
  drift_findings: {
    id: string;
    resource: string;
    target_identity: string;
    kind: string;
    subject: string;
    what: string;
    grant_id: string | null;
    since: string | null;
    by_whom: string | null;
    first_seen_at: Time;
    last_seen_at: Time;
    resolved_at: NullableTime;
    remedy: string | null;
    problem: string | null;
    seq: Generated<number>;
  };
  config_proposals: {
    version_id: number;
    state: string;
    source: string;
    widens: JsonColumn<string[]>;
    proposed_at: Time;
    decided_at: NullableTime;
  };
  config_confirmations: { version_id: number; principal_id: string; confirmed_at: Time };
  panics: {
    id: string;
    scope: string;
    resource: string | null;
    principal_id: string | null;
    reason: string;
    started_by: string;
    started_at: Time;
    lifted_by: string | null;
    lifted_at: NullableTime;
    lifted_reason: string | null;
    seq: Generated<number>;
  };
  panic_grants: { panic_id: string; grant_id: string };
  messages: {
    id: string;
    entry_id: string;
    kind: string;
    created_at: Time;
    request_id: string | null;
    grant_id: string | null;
    recipients: string[];
    data: JsonColumn<JsonObject>;
    handed_over: Generated<boolean>;
    seq: Generated<number>;
  };
  message_deliveries: {
    message_id: string;
    channel: string;
    state: string;
    attempts: Generated<number>;
    due_at: Time;
    done_at: NullableTime;
    last_error: string | null;
  };
  ticket_looks: { ticket: string; due_at: Time };
  idempotency_keys: { principal_id: string; key: string; request_hash: string; result: NullableJson; created_at: Time };
  sinks: {
    purpose: string;
    name: string;
    position: number;
    created_at: Time;
    confirmed_at: NullableTime;
    due_at: Time;
    taken: Generated<number>;
    attempts: Generated<number>;
    failing_since: NullableTime;
    last_error: string | null;
    note: string | null;
  };
  audit_entries: { id: string; leaf: string };
  audit_positions: { seq: number; entry_id: string; leaf_hash: Buffer };
  audit_lookup: {
    seq: number;
    entry_id: string;
    kind: string;
    actor: string;
    grant_id: string | null;
    request_id: string | null;
    principal_id: string | null;
    at: Time;
  };
  audit_dropped: { position: number; before: Time; announced: number };
  audit_texts_gone: { position: number };
  audit_nodes: { level: number; index: number; hash: Buffer; earliest: LaterTime; latest: LaterTime };
  audit_unsequenced: { entry_id: string; queued: Generated<number>; leaf: string | null };
  audit_personal: { entry_id: string; field: string; salt: string; value: string };
};

export type Db = Kysely<Tables>;
export type Tx = Transaction<Tables>;

const TYPES = { int8: 20, timestamptz: 1184 } as const;

/** Reads what this program means: whole numbers as numbers, times as milliseconds. */
export const storeTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text" | "binary") => {
    if (format !== "binary" && oid === TYPES.int8) return Number;
    if (format !== "binary" && oid === TYPES.timestamptz) return (text: string) => Math.floor(Date.parse(text));
    return pg.types.getTypeParser(oid, format);
  }) as pg.CustomTypesConfig["getTypeParser"],
};

/**
 * The process's own time zone must never change what is read. Nor are many processes to work on one statement, or machine
 * code to be made for it: a page of fifty out of fifty thousand grants is read in a third of a millisecond, and starting a
 * helper for it took thirty (docs/rfd/0004-under-load.md).
 */
export const STATEMENTS_OF_OURS =
  "-c timezone=UTC -c synchronous_commit=on -c max_parallel_workers_per_gather=0 -c jit=off";

export type Store = { readonly db: Db; readonly pool: pg.Pool; close(): Promise<void> };

/** Connects to the store. Every statement has a deadline, so that a store that hangs is an error and not a silence. */
export function openStore(url: string, options: { connections?: number } = {}): Store {
  const pool = new pg.Pool({
    Client: PreparingClient,
    pipeline: true,
    connectionString: url,
    max: options.connections ?? 12,
    types: storeTypes,
    connectionTimeoutMillis: 10_000,
    statement_timeout: 30_000,
    lock_timeout: 10_000,
    idle_in_transaction_session_timeout: 30_000,
    application_name: "tidegate",
    options: STATEMENTS_OF_OURS,
  });
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on("error", () => undefined);
  // One in use may break between two statements: the next one fails, and the pool drops it. The pool does not listen then.
  pool.on("connect", (client) => client.on("error", () => undefined));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const close = async (): Promise<void> => {
    await db.destroy();
    // Kysely ends only a pool that it has used itself; migrations use it without.
    if (!pool.ending) await pool.end();
  };
  return { db, pool, close };
}

/** Database time now: what decides whether something has expired. Read it after the lock that matters. */
export async function databaseNowMs(db: Db | Tx): Promise<number> {
  const { rows } = await sql<{ now: number }>`select clock_timestamp() as now`.execute(db);
  const now = rows[0]?.now;
  if (now === undefined) throw new Error("the store did not say what time it is");
  return now;
}

/** Begins a statement of a transaction that answers nothing: see `NOT_WAITED_FOR`. */
export const notWaitedFor = sql.raw(NOT_WAITED_FOR);

export const json = (value: unknown): string => JSON.stringify(value);

/** A time to compare a column with. */
export const at = (ms: number) => sql<number>`${toTimestamp(ms)}::timestamptz`;

export const timeOrNull = (ms: number | null): string | null => (ms === null ? null : toTimestamp(ms));
