/** Bearer tokens: declared in the file, made by the server, or given to a job. Only hashes are here; database time decides. */
import { type Selectable, sql } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { PrincipalId, TokenId } from "../base/ids.ts";
import type { Scope } from "../base/scope.ts";
import type { Principal } from "../domain/principal.ts";
import { type Db, type Tables, type Tx, timeOrNull } from "./db.ts";
import { toPrincipal } from "./principals.ts";
import type { PageOf } from "./visible.ts";

export type TokenSource = "file" | "issued" | "exchange";

/** As one is put. */
export type StoredToken = {
  readonly id: TokenId;
  readonly principalId: PrincipalId;
  readonly name: string;
  readonly hash: string;
  readonly expiresMs: number | null;
  /** Null: whatever its owner may do. */
  readonly scopes: readonly Scope[] | null;
};

export type ApiToken = Omit<StoredToken, "hash"> & {
  readonly seq: number;
  readonly source: TokenSource;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
  readonly madeBy: PrincipalId | null;
  readonly successor: TokenId | null;
};

/** By which token somebody is known, and what that is good for. */
export type ShownToken = Pick<ApiToken, "id" | "scopes">;

/** Being used is noted so often. */
const NOTED_EVERY = sql`interval '60 seconds'`;
/** What has ended is kept for so long, for whoever asks what it was. */
const KEPT = { exchange: "1 day", issued: "90 days" } as const;

const now = sql<number>`clock_timestamp()`;
const good = (db: Db | Tx) =>
  db
    .selectFrom("api_tokens as t")
    .where("t.revoked_at", "is", null)
    .where((w) => w.or([w("t.expires_at", "is", null), w("t.expires_at", ">", now)]));

export type TokenOwner = {
  readonly principal: Principal;
  readonly token: ShownToken;
  /** Whether the store is in quarantine. */
  readonly quarantined: boolean;
  /** Whether it is to be noted that the token was used. */
  readonly toNote: boolean;
};

/** Whom tokens belong to, by their hashes: none where one is unknown, revoked, expired, or its owner is deactivated. */
export async function tokenOwners(db: Db, hashes: readonly string[]): Promise<Map<string, TokenOwner>> {
  const rows = await good(db)
    .innerJoin("principals as p", "p.id", "t.principal_id")
    .selectAll("p")
    .select(["t.id as token", "t.scopes", "t.hash"])
    .select(sql<boolean>`exists (select from quarantines where left_at is null)`.as("quarantined"))
    .select(sql<boolean>`coalesce(t.last_used_at < clock_timestamp() - ${NOTED_EVERY}, true)`.as("to_note"))
    .where("t.hash", "=", sql<string>`any(${[...hashes]}::text[])`)
    .where("p.active", "=", true)
    .execute();
  return new Map(
    rows.map((row) => {
      const token = { id: row.token as TokenId, scopes: row.scopes as Scope[] | null };
      const { quarantined, to_note: toNote } = row;
      return [row.hash, { principal: toPrincipal(row), token, quarantined, toNote }];
    }),
  );
}

/** A second process that notes the same writes nothing. */
export async function noteUse(db: Db, id: TokenId): Promise<void> {
  await db
    .updateTable("api_tokens")
    .set({ last_used_at: sql`clock_timestamp()` })
    .where("id", "=", id)
    .where(sql<boolean>`coalesce(last_used_at < clock_timestamp() - ${NOTED_EVERY}, true)`)
    .execute();
}

/** When a token that belongs to nobody any more stopped by itself; null for every other reason. */
export async function tokenExpiredMs(db: Db, hash: string): Promise<number | null> {
  const row = await db
    .selectFrom("api_tokens")
    .select("expires_at")
    .where("hash", "=", hash)
    .where("revoked_at", "is", null)
    .where("expires_at", "<=", now)
    .executeTakeFirst();
  return row?.expires_at ?? null;
}

/** Those that are good: of one owner, or everybody's. `seq` is the cursor. */
export async function listTokens(
  db: Db | Tx,
  { owners, order, cursor, limit }: { readonly owners: readonly string[] | null } & PageOf,
): Promise<ApiToken[]> {
  const oldest = order === "oldest";
  let query = good(db)
    .selectAll("t")
    .orderBy("t.seq", oldest ? "asc" : "desc")
    .limit(limit);
  if (owners !== null) query = query.where("t.principal_id", "=", sql<string>`any(${[...owners]}::text[])`);
  if (cursor !== undefined) query = query.where("t.seq", oldest ? ">" : "<", cursor);
  return (await query.execute()).map(toToken);
}

/** One that is good. */
export async function goodToken(db: Db | Tx, id: TokenId): Promise<ApiToken | null> {
  const row = await good(db).selectAll("t").where("t.id", "=", id).executeTakeFirst();
  return row === undefined ? null : toToken(row);
}

/** Makes the declared tokens of a person exactly these: new ones are added, those no longer declared stop working. */
export async function setDeclaredTokens(
  tx: Tx,
  principal: PrincipalId,
  tokens: readonly StoredToken[],
  nowMs: number,
): Promise<void> {
  const hashes = tokens.map((token) => token.hash);
  let gone = tx
    .updateTable("api_tokens")
    .set({ revoked_at: toTimestamp(nowMs) })
    .where("principal_id", "=", principal)
    .where("source", "=", "file")
    .where("revoked_at", "is", null);
  if (hashes.length > 0) gone = gone.where("hash", "not in", hashes);
  await gone.execute();
  for (const token of tokens) {
    const row = {
      principal_id: principal,
      name: token.name,
      expires_at: timeOrNull(token.expiresMs),
      scopes: token.scopes === null ? null : [...token.scopes],
      source: "file",
    };
    await tx
      .insertInto("api_tokens")
      .values({ id: token.id, hash: token.hash, created_at: toTimestamp(nowMs), revoked_at: null, ...row })
      .onConflict((conflict) =>
        conflict.column("hash").doUpdateSet({
          ...row,
          // What somebody has revoked stays so, whatever the file says.
          revoked_at: sql`case when api_tokens.revoked_by is null then null else api_tokens.revoked_at end`,
        }),
      )
      .execute();
  }
}

/** A token that nobody declared. Those of its owner that ended long ago are forgotten on the way. */
export async function putToken(
  tx: Tx,
  token: StoredToken & { readonly madeBy: PrincipalId | null },
  source: keyof typeof KEPT,
  nowMs: number,
): Promise<void> {
  await tx
    .deleteFrom("api_tokens")
    .where("principal_id", "=", token.principalId)
    .where("source", "=", source)
    .where(sql<boolean>`least(revoked_at, expires_at) < clock_timestamp() - ${KEPT[source]}::interval`)
    .execute();
  await tx
    .insertInto("api_tokens")
    .values({
      ...{ id: token.id, principal_id: token.principalId, name: token.name, hash: token.hash, source },
      ...{ expires_at: timeOrNull(token.expiresMs), created_at: toTimestamp(nowMs), revoked_at: null },
      ...{ scopes: token.scopes === null ? null : [...token.scopes], made_by: token.madeBy },
    })
    .execute();
}

/** Another takes its place; it goes on until then. */
export async function succeedToken(tx: Tx, id: TokenId, successor: TokenId, untilMs: number): Promise<void> {
  await tx
    .updateTable("api_tokens")
    .set({ successor, expires_at: toTimestamp(untilMs) })
    .where("id", "=", id)
    .execute();
}

/** For good. */
export async function revokeTokenRow(tx: Tx, id: TokenId, by: PrincipalId, nowMs: number): Promise<void> {
  await tx
    .updateTable("api_tokens")
    .set({ revoked_at: toTimestamp(nowMs), revoked_by: by })
    .where("id", "=", id)
    .execute();
}

/** All that somebody has beside those of the file, for good. Answers what ended. */
export async function revokeTokensOf(tx: Tx, id: PrincipalId, nowMs: number): Promise<TokenId[]> {
  const rows = await tx
    .updateTable("api_tokens")
    .set({ revoked_at: toTimestamp(nowMs) })
    .where("principal_id", "=", id)
    .where("source", "<>", "file")
    .where("revoked_at", "is", null)
    .where("expires_at", ">", now)
    .returning("id")
    .execute();
  return rows.map((row) => row.id as TokenId);
}

const toToken = (row: Selectable<Tables["api_tokens"]>): ApiToken => ({
  id: row.id as TokenId,
  seq: row.seq,
  principalId: row.principal_id as PrincipalId,
  name: row.name,
  source: row.source as TokenSource,
  scopes: row.scopes as Scope[] | null,
  createdMs: row.created_at,
  expiresMs: row.expires_at,
  lastUsedMs: row.last_used_at,
  madeBy: row.made_by as PrincipalId | null,
  successor: row.successor as TokenId | null,
});
