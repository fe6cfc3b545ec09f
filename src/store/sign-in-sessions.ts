/**
 * Browsers and command lines that are signed in. A session is good until it is ended, not used for too long, or at its end;
 * database time decides. That of a command line is shown by a token, which is exchanged from time to time.
 */
import { type Expression, type Selectable, type SqlBool, sql } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { PrincipalId, SessionId } from "../base/ids.ts";
import type { Authentication, SeenByProvider } from "../domain/authentication.ts";
import type { Principal } from "../domain/principal.ts";
import { type Db, json, type Tables, type Tx, timeOrNull } from "./db.ts";
import { toPrincipal } from "./principals.ts";

export type SessionKind = "browser" | "cli";

export type SignInSession = {
  readonly id: SessionId;
  readonly kind: SessionKind;
  readonly principalId: PrincipalId;
  readonly provider: string;
  readonly issuer: string;
  readonly subject: string;
  /** What the provider calls it; null where it does not say. */
  readonly providerSession: string | null;
  readonly userAgent: string;
  readonly idleMs: number;
  readonly createdMs: number;
  readonly seenMs: number;
  readonly expiresMs: number;
  /** Of a command line: until when its token is taken unless it is exchanged; null for a browser. */
  readonly tokenExpiresMs: number | null;
  readonly authentication: Authentication;
  /** When a passkey answered for some act last. */
  readonly passkeyMs?: number | null;
};

/** Being used is noted so often: more would be a write for every call. */
const NOTED_EVERY = "60 seconds";
/** So long a token is taken after the one that came in its place was seen: calls that are under way end well. */
const OVERLAP = "60 seconds";

const now = sql<number>`clock_timestamp()`;
export const inForce = (db: Db | Tx) =>
  db
    .selectFrom("sign_in_sessions as s")
    .where("s.ended_at", "is", null)
    .where("s.expires_at", ">", now)
    .where(sql<number>`s.seen_at + s.idle_ms * interval '1 millisecond'`, ">", now);

export async function putSession(tx: Tx, hash: string, session: SignInSession): Promise<void> {
  await tx
    .insertInto("sign_in_sessions")
    .values({
      id: session.id,
      principal_id: session.principalId,
      hash,
      provider: session.provider,
      issuer: session.issuer,
      subject: session.subject,
      provider_session: session.providerSession,
      user_agent: session.userAgent,
      idle_ms: session.idleMs,
      created_at: toTimestamp(session.createdMs),
      seen_at: toTimestamp(session.seenMs),
      expires_at: toTimestamp(session.expiresMs),
      kind: session.kind,
      token_expires_at: timeOrNull(session.tokenExpiresMs),
      ...seenColumns(session.authentication),
    })
    .execute();
}

const seenColumns = ({ atMs, acr, amr }: SeenByProvider) => ({
  ...{ authenticated_at: timeOrNull(atMs), acr },
  amr: json(amr),
});

/** Their provider has seen them anew. Where it does not say when, what it said before stands. */
export async function setAuthentication(tx: Tx, id: SessionId, seen: SeenByProvider): Promise<void> {
  const { authenticated_at: at, ...how } = seenColumns(seen);
  await tx
    .updateTable("sign_in_sessions")
    .set({ ...how, ...(at === null ? {} : { authenticated_at: at }) })
    .where("id", "=", id)
    .execute();
}

/** The token with this hash, or the one before it while that is still taken. */
export const shownBy = (hash: string): Expression<SqlBool> =>
  sql<SqlBool>`(s.hash = ${hash} or (s.former_hash = ${hash} and coalesce(s.former_until > clock_timestamp(), true)))`;

/**
 * Who shows the cookie, or the token, with this hash; with it, in the same look, whether the store is in quarantine, and
 * which version of the configuration is active.
 */
export async function principalBySession(
  db: Db,
  hash: string,
  kind: SessionKind,
): Promise<{ principal: Principal; session: SessionId; quarantined: boolean; version: number | null } | null> {
  const isFirst = sql<boolean>`s.hash = ${hash} and s.former_hash is not null and s.former_until is null`;
  const row = await inForce(db)
    .innerJoin("principals as p", "p.id", "s.principal_id")
    .selectAll("p")
    .select("s.id as session")
    .select(sql<boolean>`exists (select from quarantines where left_at is null)`.as("quarantined"))
    .select(sql<boolean>`s.seen_at < clock_timestamp() - ${NOTED_EVERY}::interval`.as("to_note"))
    .select(isFirst.as("is_first"))
    .select(sql<number | null>`(select version_id from config_active)`.as("version"))
    .where("s.kind", "=", kind)
    .where(kind === "browser" ? sql<SqlBool>`s.hash = ${hash}` : shownBy(hash))
    .where(sql<SqlBool>`coalesce(s.token_expires_at > clock_timestamp(), true)`)
    .where("p.active", "=", true)
    .executeTakeFirst();
  if (row === undefined) return null;
  if (row.to_note || row.is_first)
    await db
      .updateTable("sign_in_sessions")
      .set({ seen_at: sql`clock_timestamp()` })
      // Where it was exchanged again in between, it is the next one that counts.
      .$if(row.is_first, (update) =>
        update.set({ former_until: sql`clock_timestamp() + ${OVERLAP}::interval` }).where("hash", "=", hash),
      )
      .where("id", "=", row.session)
      .execute();
  const { quarantined, version } = row;
  return { principal: toPrincipal(row), session: row.session as SessionId, quarantined, version };
}

/** The session whose cookie or token has this hash, while it is good. */
export async function sessionByHash(db: Db | Tx, hash: string): Promise<SignInSession | null> {
  const row = await inForce(db).selectAll("s").where(shownBy(hash)).executeTakeFirst();
  return row === undefined ? null : toSession(row);
}

export async function sessionById(db: Db | Tx, id: SessionId): Promise<SignInSession | null> {
  const row = await inForce(db).selectAll("s").where("s.id", "=", id).executeTakeFirst();
  return row === undefined ? null : toSession(row);
}

/** The same, held until the transaction ends. */
export async function lockSession(tx: Tx, id: SessionId): Promise<SignInSession | null> {
  const row = await inForce(tx).selectAll("s").where("s.id", "=", id).forUpdate().executeTakeFirst();
  return row === undefined ? null : toSession(row);
}

/** Those of one person, the newest first. */
export async function sessionsOf(db: Db | Tx, id: PrincipalId): Promise<SignInSession[]> {
  const rows = await inForce(db)
    .selectAll("s")
    .where("s.principal_id", "=", id)
    .orderBy("s.created_at", "desc")
    .execute();
  return rows.map(toSession);
}

/** What a provider ends: one of its sessions, or all of a person's; none that began after it said so. */
export async function sessionsAtProvider(
  tx: Tx,
  {
    issuer,
    subject,
    session,
    beganByMs,
  }: { issuer: string; subject: string | null; session: string | null; beganByMs: number },
): Promise<SignInSession[]> {
  let query = inForce(tx)
    .selectAll("s")
    .where("s.issuer", "=", issuer)
    .where("s.created_at", "<=", sql<number>`${toTimestamp(beganByMs)}::timestamptz`);
  if (subject !== null) query = query.where("s.subject", "=", subject);
  if (session !== null) query = query.where("s.provider_session", "=", session);
  return (await query.execute()).map(toSession);
}

/** Whether it was this call that ended it. */
export async function endSessionRow(tx: Tx, id: SessionId, nowMs: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("sign_in_sessions")
    .set({ ended_at: toTimestamp(nowMs) })
    .where("id", "=", id)
    .where("ended_at", "is", null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** All of one person. Answers what ended, the newest first. */
export async function endSessionsOf(
  tx: Tx,
  id: PrincipalId,
  nowMs: number,
): Promise<{ session: SessionId; provider: string }[]> {
  const sessions = await sessionsOf(tx, id);
  for (const session of sessions) await endSessionRow(tx, session.id, nowMs);
  return sessions.map(({ id: session, provider }) => ({ session, provider }));
}

/** True the first time, false ever after. What has long been of no use is forgotten on the way. */
export async function useState(db: Db, hash: string, keptMs: number): Promise<boolean> {
  await db.deleteFrom("sign_in_states").where("expires_at", "<", now).execute();
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto("sign_in_states")
    .values({ hash, expires_at: sql`clock_timestamp() + ${keptMs} * interval '1 millisecond'` })
    .onConflict((conflict) => conflict.column("hash").doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows > 0n;
}

type Row = Omit<Selectable<Tables["sign_in_sessions"]>, "hash" | "ended_at" | "former_hash" | "former_until" | "salt">;

const toSession = (row: Row): SignInSession => ({
  id: row.id as SessionId,
  principalId: row.principal_id as PrincipalId,
  provider: row.provider,
  issuer: row.issuer,
  subject: row.subject,
  providerSession: row.provider_session,
  userAgent: row.user_agent,
  idleMs: row.idle_ms,
  createdMs: row.created_at,
  seenMs: row.seen_at,
  expiresMs: row.expires_at,
  kind: row.kind as SessionKind,
  tokenExpiresMs: row.token_expires_at,
  authentication: { atMs: row.authenticated_at, acr: row.acr, amr: row.amr },
  passkeyMs: row.passkey_at,
});
