/** A transaction of the ledger in PostgreSQL: binds what the life of a grant needs to the statements of its neighbours. */
import { sql } from "kysely";
import { defined } from "../base/assert.ts";
import type {
  EntryId,
  GrantId,
  InstallationId,
  PrincipalId,
  RequestId,
  SecretId,
  SessionId,
  TokenId,
} from "../base/ids.ts";
import type { Secret } from "../base/secret.ts";
import type { EntryDraft } from "../domain/audit.ts";
import type { Sought } from "../domain/candidates.ts";
import type { Configuration } from "../domain/configuration.ts";
import type { History } from "../domain/facts.ts";
import type { Grant } from "../domain/grant.ts";
import type { LateSink } from "../domain/health-facts.ts";
import type { Lease } from "../domain/lease.ts";
import type { Principal } from "../domain/principal.ts";
import type { AccessRequest, Review } from "../domain/request.ts";
import type { Punctual } from "../domain/sink.ts";
import { appendEntries } from "./audit.ts";
import { activateConfig, activeConfig, type ConfigVersion } from "./catalog.ts";
import { type Db, databaseNowMs, json, notWaitedFor, type Tx } from "./db.ts";
import { type GrantSeen, lockEnded } from "./due.ts";
import { type Claim, findGrant, historyOf, type LiveGrant, lockGrant, lockLive, putGrant } from "./grants.ts";
import { type HeldAsker, holdAskers, type InForce, inForceNow } from "./in-force.ts";
import { holdersOf, leaseOf, putLease } from "./leases.ts";
import type { LedgerReader, LedgerTx } from "./ledger.ts";
import { haltDecisions } from "./panics.ts";
import {
  candidatesFor,
  findPrincipal,
  linkIdentity,
  lockPrincipal,
  principalsOfIssuer,
  putPrincipal,
  whoNamed,
} from "./principals.ts";
import {
  countUses,
  findRequest,
  lockRequest,
  lookAgainAt,
  lookedAt,
  pendingRequestIds,
  putReview,
  reviewsOf,
} from "./requests.ts";
import { discard, type KeyRing, type SealPurpose, seal, unseal } from "./sealed.ts";
import { endSessionsOf } from "./sign-in-sessions.ts";
import { lateSinks } from "./sinks.ts";
import { revokeTokensOf, type StoredToken, setDeclaredTokens } from "./tokens.ts";
import { type Written, writeChanges } from "./write-changes.ts";

export class SqlReader<Connection extends Db | Tx> implements LedgerReader {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The connection itself, for what is not about the life of a grant. */
  get sql(): Connection {
    return this.#connection;
  }

  nowMs(): Promise<number> {
    return databaseNowMs(this.sql);
  }

  async activeVersion(): Promise<number | null> {
    const row = await this.sql.selectFrom("config_active").select("version_id").executeTakeFirst();
    return row?.version_id ?? null;
  }

  activeConfig(): Promise<ConfigVersion | null> {
    return activeConfig(this.sql);
  }

  inForce(): Promise<InForce> {
    return inForceNow(this.sql);
  }

  lateSinks(sinks: readonly Punctual[]): Promise<LateSink[]> {
    return lateSinks(this.sql, sinks);
  }

  findPrincipal(id: PrincipalId): Promise<Principal | null> {
    return findPrincipal(this.sql, id);
  }

  leaseOf(grant: GrantId): Promise<Lease | null> {
    return leaseOf(this.sql, grant);
  }

  holdersOf(rightKey: string): Promise<{ grant: Grant | null; lease: Lease }[]> {
    return holdersOf(this.sql, rightKey);
  }

  unseal(ring: KeyRing, purpose: SealPurpose, id: SecretId): Promise<Secret | null> {
    return unseal(this.sql, ring, purpose, id);
  }
}

/** A transaction that is under way. `sql` is Kysely's, for an operation that needs a table of its own besides. */
export class SqlTx extends SqlReader<Tx> implements LedgerTx {
  async holdConfig(): Promise<number | null> {
    const row = await this.sql.selectFrom("config_active").select("version_id").forShare().executeTakeFirst();
    return row?.version_id ?? null;
  }

  haltDecisions(): Promise<void> {
    return haltDecisions(this.sql);
  }

  activateConfig(configuration: Configuration, source: string, nowMs: number): Promise<ConfigVersion | null> {
    return activateConfig(this.sql, configuration, source, nowMs);
  }

  lockPrincipal(id: PrincipalId): Promise<Principal | null> {
    return lockPrincipal(this.sql, id);
  }

  async holdAsker(id: PrincipalId): Promise<HeldAsker> {
    return defined((await holdAskers(this.sql, [id])).get(id), "who asks");
  }

  candidatesFor(sought: Sought): Promise<Principal[]> {
    return candidatesFor(this.sql, sought);
  }

  endSessionsOf(id: PrincipalId, nowMs: number): Promise<{ session: SessionId; provider: string }[]> {
    return endSessionsOf(this.sql, id, nowMs);
  }

  whoNamed(delegate: PrincipalId): Promise<Principal[]> {
    return whoNamed(this.sql, delegate);
  }

  principalsOfIssuer(issuer: string): Promise<Map<string, Principal>> {
    return principalsOfIssuer(this.sql, issuer);
  }

  putPrincipal(principal: Principal, nowMs: number): Promise<void> {
    return putPrincipal(this.sql, principal, nowMs);
  }

  linkIdentity(issuer: string, subject: string, id: PrincipalId, nowMs: number): Promise<void> {
    return linkIdentity(this.sql, issuer, subject, id, nowMs);
  }

  revokeTokensOf(id: PrincipalId, nowMs: number): Promise<TokenId[]> {
    return revokeTokensOf(this.sql, id, nowMs);
  }

  setDeclaredTokens(principal: PrincipalId, tokens: readonly StoredToken[], nowMs: number): Promise<void> {
    return setDeclaredTokens(this.sql, principal, tokens, nowMs);
  }

  findRequest(id: RequestId): Promise<AccessRequest | null> {
    return findRequest(this.sql, id);
  }

  lockRequest(id: RequestId): Promise<AccessRequest | null> {
    return lockRequest(this.sql, id);
  }

  pendingRequestIds(requester: PrincipalId | null): Promise<RequestId[]> {
    return pendingRequestIds(this.sql, requester);
  }

  countUses(counted: string, sinceMs: number, except: RequestId | null): Promise<number> {
    return countUses(this.sql, counted, sinceMs, except);
  }

  historyOf(principal: PrincipalId, resource: string, sinceMs: number): Promise<History> {
    return historyOf(this.sql, principal, resource, sinceMs);
  }

  reviewsOf(id: RequestId): Promise<Review[]> {
    return reviewsOf(this.sql, id);
  }

  lookAgainAt(sources: readonly string[]): Promise<void> {
    return lookAgainAt(this.sql, sources);
  }

  lookedAt(id: RequestId): Promise<void> {
    return lookedAt(this.sql, id);
  }

  putReview(review: Review): Promise<void> {
    return putReview(this.sql, review);
  }

  async findGrant(id: GrantId): Promise<Grant | null> {
    return (await findGrant(this.sql, id))?.grant ?? null;
  }

  lockGrant(id: GrantId, claim: Claim | null): Promise<{ grant: Grant; nowMs: number } | null> {
    return lockGrant(this.sql, id, claim);
  }

  lockEnded(limit: number): Promise<GrantSeen[]> {
    return lockEnded(this.sql, limit);
  }

  lockLive(principal: PrincipalId): Promise<LiveGrant[]> {
    return lockLive(this.sql, principal);
  }

  putGrant(grant: Grant, receiptEntry: EntryId | null): Promise<void> {
    return putGrant(this.sql, grant, receiptEntry);
  }

  putLease(lease: Lease): Promise<void> {
    return putLease(this.sql, lease);
  }

  seal(ring: KeyRing, purpose: SealPurpose, secret: Secret, nowMs: number): Promise<SecretId> {
    return seal(this.sql, ring, purpose, secret, nowMs);
  }

  discard(id: SecretId): Promise<void> {
    return discard(this.sql, id);
  }

  appendEntries(installation: InstallationId, drafts: readonly EntryDraft[], nowMs: number): Promise<EntryId[]> {
    return appendEntries(this.sql, installation, drafts, nowMs);
  }

  write(installation: InstallationId, written: Written, nowMs: number): Promise<void> {
    return writeChanges(this.sql, installation, written, nowMs);
  }

  async recallCall(
    principal: PrincipalId,
    key: string,
    hash: string,
  ): Promise<{ hash: string; result: unknown } | null> {
    const inserted = await this.sql
      .insertInto("idempotency_keys")
      .values({
        principal_id: principal,
        key,
        request_hash: hash,
        result: null,
        created_at: sql<string>`clock_timestamp()`,
      })
      .onConflict((conflict) => conflict.columns(["principal_id", "key"]).doNothing())
      .returning("key")
      .executeTakeFirst();
    if (inserted !== undefined) return null;
    const row = await this.sql
      .selectFrom("idempotency_keys")
      .selectAll()
      .where("principal_id", "=", principal)
      .where("key", "=", key)
      // What is to be asked anew is asked by one after another.
      .forUpdate()
      .executeTakeFirstOrThrow();
    return { hash: row.request_hash, result: row.result };
  }

  async rememberCall(principal: PrincipalId, key: string, result: unknown): Promise<void> {
    await sql`${notWaitedFor} update idempotency_keys set result = ${json(result ?? null)}
      where principal_id = ${principal} and key = ${key}`.execute(this.sql);
  }
}
