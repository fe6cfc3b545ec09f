/**
 * What the life of a grant needs of the store, and no more: the operations and the reconciler know only this. There are two
 * of it: PostgreSQL (`sql-ledger.ts`), and the one in the memory of the simulation, which runs the same operations and the
 * same reconciler through thousands of histories a minute. One suite holds both to the same rules.
 *
 * It is no invitation to fake the store: a test that is not the simulation uses PostgreSQL.
 */
import type { JsonObject } from "../base/canonical.ts";
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
import type { Urgency } from "../domain/plan.ts";
import type { Principal } from "../domain/principal.ts";
import type { AccessRequest, Review } from "../domain/request.ts";
import type { Punctual } from "../domain/sink.ts";
import type { ConfigVersion } from "./catalog.ts";
import type { ClaimedGrant, GrantSeen, Wanted } from "./due.ts";
import type { Claim, LiveGrant } from "./grants.ts";
import type { HeldAsker, InForce } from "./in-force.ts";
import type { KeyRing, SealPurpose } from "./sealed.ts";
import type { StoredToken } from "./tokens.ts";
import type { Written } from "./write-changes.ts";

/** Read inside a transaction or outside of any. */
export interface LedgerReader {
  /** Database time now. Inside a transaction: read it after the lock that matters. */
  nowMs(): Promise<number>;
  /** The number of the active configuration; null before the first. */
  activeVersion(): Promise<number | null>;
  activeConfig(): Promise<ConfigVersion | null>;
  /** What stands against giving anybody access. Inside a transaction: ask after `holdConfig`, and it stays so; its time as `nowMs`. */
  inForce(): Promise<InForce>;
  /** Of these sinks of the audit log, those that are late. */
  lateSinks(sinks: readonly Punctual[]): Promise<LateSink[]>;
  findPrincipal(id: PrincipalId): Promise<Principal | null>;
  leaseOf(grant: GrantId): Promise<Lease | null>;
  /** Every lease that still holds this right, with its grant; null where that row cannot be read. */
  holdersOf(rightKey: string): Promise<{ grant: Grant | null; lease: Lease }[]>;
  /** Null when it was discarded. Throws `CannotUnseal` when it is there and does not open here. */
  unseal(ring: KeyRing, purpose: SealPurpose, id: SecretId): Promise<Secret | null>;
}

/** A transaction: everything in it happens, or nothing does. What it locks is held until it ends. */
export interface LedgerTx extends LedgerReader {
  /** Holds the active configuration: no other becomes active before the transaction ends. Answers its number; null before the first. */
  holdConfig(): Promise<number | null>;
  /**
   * Waits for everybody who holds it, and nobody holds it before the transaction ends: whoever leaves is seen by those who
   * decide after, and what was decided before is seen from here.
   */
  haltDecisions(): Promise<void>;
  /** Makes this configuration the active one; null when it is already. */
  activateConfig(configuration: Configuration, source: string, nowMs: number): Promise<ConfigVersion | null>;

  lockPrincipal(id: PrincipalId): Promise<Principal | null>;
  /** As `holdConfig`, `lockPrincipal` and `inForce` one after the other, in one way to the store. */
  holdAsker(id: PrincipalId): Promise<HeldAsker>;
  /** Those who are sought, by handle, with their absence where they are away now. */
  candidatesFor(sought: Sought): Promise<Principal[]>;
  /** Who is away now and has named this person to decide in their place. */
  whoNamed(delegate: PrincipalId): Promise<Principal[]>;
  /** Signs them out of every browser and command line. Answers what ended, the newest first. */
  endSessionsOf(id: PrincipalId, nowMs: number): Promise<{ readonly session: SessionId; readonly provider: string }[]>;
  /** Of what they sign in with all that is not in the file. Answers what ended. */
  revokeTokensOf(id: PrincipalId, nowMs: number): Promise<TokenId[]>;
  /** Everybody whom this issuer knows, by subject. */
  principalsOfIssuer(issuer: string): Promise<Map<string, Principal>>;
  putPrincipal(principal: Principal, nowMs: number): Promise<void>;
  linkIdentity(issuer: string, subject: string, id: PrincipalId, nowMs: number): Promise<void>;
  setDeclaredTokens(principal: PrincipalId, tokens: readonly StoredToken[], nowMs: number): Promise<void>;

  findRequest(id: RequestId): Promise<AccessRequest | null>;
  lockRequest(id: RequestId): Promise<AccessRequest | null>;
  /** Of everybody, or of one person; the oldest first. */
  pendingRequestIds(requester: PrincipalId | null): Promise<RequestId[]>;
  reviewsOf(id: RequestId): Promise<Review[]>;
  /**
   * How many requests but this one count under a limit's name: those that were made since then and wait or were approved,
   * but not those of which Tidegate gave nothing in the end (`NOT_GIVEN`).
   * Nobody else counts under it before the transaction ends.
   */
  countUses(counted: string, sinceMs: number, except: RequestId | null): Promise<number>;
  /** Grants of a person: what has not ended, and what was made since then. */
  historyOf(principal: PrincipalId, resource: string, sinceMs: number): Promise<History>;
  /** Who approves may have changed where a step names one of these: such pending requests are looked at again. */
  lookAgainAt(sources: readonly string[]): Promise<void>;
  /** Looked at: until somebody asks for it again. */
  lookedAt(id: RequestId): Promise<void>;
  putReview(review: Review): Promise<void>;

  findGrant(id: GrantId): Promise<Grant | null>;
  /** With database time read after the lock. With a claim: throws `ClaimLost` when it is no longer ours. */
  lockGrant(id: GrantId, claim: Claim | null): Promise<{ grant: Grant; nowMs: number } | null>;
  /** Active grants past their end that nobody works on, those that ended first first; held. Rows that cannot be read are left out. */
  lockEnded(limit: number): Promise<GrantSeen[]>;
  /** Grants of a person that have not ended; held. */
  lockLive(principal: PrincipalId): Promise<LiveGrant[]>;
  /** `receiptEntry` is the audit entry that holds the receipt, when this closes it. */
  putGrant(grant: Grant, receiptEntry: EntryId | null): Promise<void>;
  putLease(lease: Lease): Promise<void>;

  seal(ring: KeyRing, purpose: SealPurpose, secret: Secret, nowMs: number): Promise<SecretId>;
  discard(id: SecretId): Promise<void>;

  appendEntries(installation: InstallationId, drafts: readonly EntryDraft[], nowMs: number): Promise<EntryId[]>;
  /** Entries, requests, grants and leases together, in this order; then discards the secrets, and lets go of the claim and its right. */
  write(installation: InstallationId, written: Written, nowMs: number): Promise<void>;

  /** Takes the key; null when this is its first call. Waits for a call with the same key that is under way. */
  recallCall(principal: PrincipalId, key: string, hash: string): Promise<{ hash: string; result: unknown } | null>;
  rememberCall(principal: PrincipalId, key: string, result: unknown): Promise<void>;
}

export interface Ledger<Tx extends LedgerTx = LedgerTx> extends LedgerReader {
  /** Runs the body in a transaction. One that met another, and lost, goes again from the start: the body may run more than once. */
  transaction<T>(body: (tx: Tx) => Promise<T>): Promise<T>;

  /**
   * The same for an operation that holds whoever asks, and changes nobody: those that come at the same moment may share a
   * transaction, one after the other.
   */
  sharedTransaction<T>(asker: PrincipalId, body: (tx: Tx) => Promise<T>): Promise<T>;

  /** The grant as it is now, with database time; held by nobody. */
  grantNow(id: GrantId): Promise<GrantSeen | null>;
  /** Grants on a resource that are due to be made by then. */
  dueToStart(resource: string, principal: PrincipalId, byMs: number): Promise<Grant[]>;
  /** Pending requests whose time has passed. */
  overdueRequestIds(nowMs: number, limit: number): Promise<RequestId[]>;
  /** Pending requests with a step that escalates by then, and those to be looked at again; each once. */
  requestsToLookAt(nowMs: number, limit: number): Promise<RequestId[]>;

  /** Resources that have something due now that nobody has claimed, with the most urgent kind of it. */
  dueResources(): Promise<{ resource: string; urgency: Urgency }[]>;
  /** Claims up to so many of each resource: what takes access away first (`urgencyOf`), and of each kind what is due longest. */
  claimDue(wanted: readonly Wanted[], owner: string, lifetimeMs: number): Promise<ClaimedGrant[]>;
  /** Milliseconds until the next grant is due: zero or less when one is due now, null when none ever will be. */
  msUntilDue(): Promise<number | null>;
  /**
   * A target that was silent answers: grants that wait because it could not be reached are due now, at most so many. Answers
   * how many there were.
   */
  hasten(resource: string, limit: number): Promise<number>;
  /** Keeps the claims, and the rights held under them, for another lifetime. Answers those that are still ours. */
  renewClaims(claims: readonly Claim[], lifetimeMs: number): Promise<Set<GrantId>>;
  /** Lets go of the grant and of the right held under the claim. With `againInMs` it is due no sooner than then. */
  releaseClaim(claim: Claim, againInMs?: number): Promise<void>;
  isClaimed(claim: Claim): Promise<boolean>;
  /** Holds a right on a target for this claim. False: another claim holds it. */
  claimRight(rightKey: string, claim: Claim, lifetimeMs: number): Promise<boolean>;
  releaseRight(claim: Claim): Promise<void>;
  /** Adds to what a connector must know later. False: the claim no longer holds, and nothing was written. */
  mergeDetails(claim: Claim, details: JsonObject): Promise<boolean>;
}
