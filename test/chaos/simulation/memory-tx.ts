/** One transaction of the ledger in memory: READ COMMITTED with row locks, as PostgreSQL has it. */

import { toTimestamp } from "../../../src/base/clock.ts";
import { hashOf } from "../../../src/base/hash.ts";
import {
  type EntryId,
  entryId,
  type GrantId,
  type InstallationId,
  type PrincipalId,
  type RequestId,
  type SecretId,
  secretId,
} from "../../../src/base/ids.ts";
import { Secret } from "../../../src/base/secret.ts";
import type { EntryDraft, EntryLeaf } from "../../../src/domain/audit.ts";
import { candidatesAmong, type Sought } from "../../../src/domain/candidates.ts";
import type { Configuration } from "../../../src/domain/configuration.ts";
import { NOT_GIVEN } from "../../../src/domain/end-cause.ts";
import type { History } from "../../../src/domain/facts.ts";
import { type Grant, isLive } from "../../../src/domain/grant.ts";
import type { LateSink } from "../../../src/domain/health-facts.ts";
import type { Lease } from "../../../src/domain/lease.ts";
import type { Message } from "../../../src/domain/message.ts";
import type { Principal } from "../../../src/domain/principal.ts";
import type { AccessRequest, Review } from "../../../src/domain/request.ts";
import type { ConfigVersion } from "../../../src/store/catalog.ts";
import type { GrantSeen } from "../../../src/store/due.ts";
import { type Claim, ClaimLost, type LiveGrant } from "../../../src/store/grants.ts";
import type { HeldAsker, InForce } from "../../../src/store/in-force.ts";
import type { LedgerReader, LedgerTx } from "../../../src/store/ledger.ts";
import { messagesOf } from "../../../src/store/messages.ts";
import { CannotUnseal, type KeyRing, type SealPurpose } from "../../../src/store/sealed.ts";
import type { StoredToken } from "../../../src/store/tokens.ts";
import type { Written } from "../../../src/store/write-changes.ts";
import { checkLease, checkRequest, checkReview, grantRow, isFree, type Rows } from "./memory-rows.ts";
import { type Locks, TransactionLost, type Writes } from "./tables.ts";

/** An entry that was written, and what it only commits to. It gets its position when the transaction is committed. */
export type Drafted = {
  readonly leaf: EntryLeaf;
  readonly personal: Readonly<Record<string, string>>;
  readonly messages: readonly Message[];
};

/** What the whole ledger shares. */
export type Shared = {
  readonly rows: Rows;
  readonly locks: Locks;
  readonly nowMs: () => number;
  quarantine: InForce["quarantine"];
  versions: number;
  looks: number;
};

export class MemoryReader implements LedgerReader {
  protected readonly shared: Shared;
  protected readonly writes: Writes;

  constructor(shared: Shared, writes: Writes) {
    this.shared = shared;
    this.writes = writes;
  }

  async nowMs(): Promise<number> {
    this.alive();
    return Math.floor(this.shared.nowMs());
  }

  async activeVersion(): Promise<number | null> {
    this.alive();
    return this.writes.get(this.shared.rows.active, "active") ?? null;
  }

  async activeConfig(): Promise<ConfigVersion | null> {
    const id = await this.activeVersion();
    return id === null ? null : (this.writes.get(this.shared.rows.versions, String(id)) ?? null);
  }

  /** Nobody presses the button here. */
  async inForce(): Promise<InForce> {
    return { nowMs: await this.nowMs(), quarantine: this.shared.quarantine, panics: [] };
  }

  /** The log is sent nowhere here. */
  async lateSinks(): Promise<LateSink[]> {
    return [];
  }

  async findPrincipal(id: PrincipalId): Promise<Principal | null> {
    this.alive();
    return this.writes.get(this.shared.rows.principals, id) ?? null;
  }

  async leaseOf(grant: GrantId): Promise<Lease | null> {
    this.alive();
    return this.writes.get(this.shared.rows.leases, grant) ?? null;
  }

  async holdersOf(rightKey: string): Promise<{ grant: Grant | null; lease: Lease }[]> {
    this.alive();
    const { rows } = this.shared;
    return this.writes
      .all(rows.leases)
      .filter((lease) => lease.rightKey === rightKey && lease.state !== "released")
      .map((lease) => ({ grant: this.writes.get(rows.grants, lease.grantId)?.grant ?? null, lease }));
  }

  async unseal(ring: KeyRing, purpose: SealPurpose, id: SecretId): Promise<Secret | null> {
    this.alive();
    const row = this.writes.get(this.shared.rows.secrets, id);
    if (row === undefined || row.purpose !== purpose) return null;
    if (ring.find(row.keyId) === null) throw new CannotUnseal(`secret ${id} is sealed with another key`, row.keyId);
    return new Secret(row.value);
  }

  protected alive(): void {
    if (this.writes.over !== null) throw new TransactionLost(this.writes.over, false);
  }
}

export class MemoryTx extends MemoryReader implements LedgerTx {
  readonly entries: Drafted[] = [];

  #lock(what: string, share = false): Promise<void> {
    this.alive();
    return this.shared.locks.take(what, this.writes, share);
  }

  async holdConfig(): Promise<number | null> {
    await this.#lock("config", true);
    return this.activeVersion();
  }

  haltDecisions(): Promise<void> {
    return this.#lock("config");
  }

  async activateConfig(configuration: Configuration, _source: string, _nowMs: number): Promise<ConfigVersion | null> {
    await this.#lock("config");
    const { rows } = this.shared;
    const hash = hashOf(configuration);
    if ((await this.activeConfig())?.hash === hash) return null;
    const known = this.writes.all(rows.versions).find((version) => version.hash === hash);
    if (known === undefined) this.shared.versions += 1;
    const version = known ?? { id: this.shared.versions, hash, configuration };
    this.writes.put(rows.versions, String(version.id), version);
    this.writes.put(rows.active, "active", version.id);
    return version;
  }

  async lockPrincipal(id: PrincipalId): Promise<Principal | null> {
    await this.#lock(`principal ${id}`);
    return this.findPrincipal(id);
  }

  async holdAsker(id: PrincipalId): Promise<HeldAsker> {
    const [version, person] = [await this.holdConfig(), await this.lockPrincipal(id)];
    return { ...(await this.inForce()), version, person };
  }

  async candidatesFor(sought: Sought): Promise<Principal[]> {
    this.alive();
    const found = candidatesAmong(this.writes.all(this.shared.rows.principals), sought);
    return found.sort((a, b) => (a.handle < b.handle ? -1 : 1));
  }

  /** Nobody goes away here. */
  /** Nobody signs in here. */
  async endSessionsOf(): Promise<[]> {
    this.alive();
    return [];
  }

  async revokeTokensOf(): Promise<[]> {
    this.alive();
    return [];
  }

  async whoNamed(_delegate: PrincipalId): Promise<Principal[]> {
    this.alive();
    return [];
  }

  async principalsOfIssuer(issuer: string): Promise<Map<string, Principal>> {
    this.alive();
    const { identities, principals } = this.shared.rows;
    const found = new Map<string, Principal>();
    for (const person of this.writes.all(principals))
      if (this.writes.get(identities, `${issuer} ${person.handle}`) === person.id) found.set(person.handle, person);
    return found;
  }

  async putPrincipal(principal: Principal, _nowMs: number): Promise<void> {
    await this.#lock(`principal ${principal.id}`);
    this.writes.put(this.shared.rows.principals, principal.id, principal);
  }

  async linkIdentity(issuer: string, subject: string, id: PrincipalId, _nowMs: number): Promise<void> {
    await this.#lock(`identity ${issuer} ${subject}`);
    this.writes.put(this.shared.rows.identities, `${issuer} ${subject}`, id);
  }

  /** Nobody signs in here. */
  async setDeclaredTokens(_principal: PrincipalId, _tokens: readonly StoredToken[], _nowMs: number): Promise<void> {
    this.alive();
  }

  async findRequest(id: RequestId): Promise<AccessRequest | null> {
    this.alive();
    return this.writes.get(this.shared.rows.requests, id) ?? null;
  }

  async lockRequest(id: RequestId): Promise<AccessRequest | null> {
    await this.#lock(`request ${id}`);
    return this.findRequest(id);
  }

  async pendingRequestIds(requester: PrincipalId | null): Promise<RequestId[]> {
    this.alive();
    return this.writes
      .all(this.shared.rows.requests)
      .filter((it) => it.state === "pending" && (requester === null || it.requesterId === requester))
      .map(({ id }) => id);
  }

  async #putRequest(request: AccessRequest): Promise<void> {
    await this.#lock(`request ${request.id}`);
    checkRequest(request);
    this.writes.put(this.shared.rows.requests, request.id, request);
  }

  async reviewsOf(id: RequestId): Promise<Review[]> {
    this.alive();
    const found = this.writes.all(this.shared.rows.reviews).filter(({ requestId }) => requestId === id);
    return found.sort((a, b) => a.createdMs - b.createdMs);
  }

  async countUses(counted: string, sinceMs: number, except: RequestId | null): Promise<number> {
    await this.#lock(`limit ${counted}`);
    const notGiven = new Set(
      this.writes
        .all(this.shared.rows.grants)
        .flatMap(({ grant }) => ("ending" in grant && NOT_GIVEN.includes(grant.ending.cause) ? [grant.requestId] : [])),
    );
    return this.writes
      .all(this.shared.rows.requests)
      .filter(({ id }) => !notGiven.has(id))
      .filter((it) => it.decision.counted === counted && it.createdMs > sinceMs && it.id !== except)
      .filter(({ state }) => state === "pending" || state === "approved").length;
  }

  async historyOf(principal: PrincipalId, resource: string, sinceMs: number): Promise<History> {
    this.alive();
    const theirs = this.writes
      .all(this.shared.rows.grants)
      .map(({ grant }) => grant)
      .filter(({ principalId }) => principalId === principal);
    const open = theirs.filter(({ state }) => ["scheduled", "provisioning", "active", "revoking"].includes(state));
    const recent = theirs.filter(({ createdMs }) => createdMs > sinceMs);
    const here = (grants: readonly Grant[]): number => grants.filter((grant) => grant.resource === resource).length;
    const unreviewed = this.writes
      .all(this.shared.rows.requests)
      .filter(({ requesterId, emergencyReview }) => requesterId === principal && emergencyReview?.done === null);
    const grants = { open: open.length, openHere: here(open), recent: recent.length, recentHere: here(recent) };
    return { ...grants, unreviewed: unreviewed.length };
  }

  async lookAgainAt(sources: readonly string[]): Promise<void> {
    this.alive();
    const { requests, looks } = this.shared.rows;
    for (const { id, state, decision } of this.writes.all(requests)) {
      const named = decision.steps.flatMap(({ by, escalate, fallback }) => [
        ...by,
        ...(escalate?.to ?? []),
        ...(fallback ?? []),
      ]);
      if (state !== "pending" || !named.some((source) => sources.includes(source))) continue;
      this.shared.looks += 1;
      this.writes.put(looks, String(this.shared.looks), id);
    }
  }

  async lookedAt(id: RequestId): Promise<void> {
    this.alive();
    const { looks } = this.shared.rows;
    for (const [number, asked] of looks.rows) if (asked === id) this.writes.put(looks, number, undefined);
  }

  async putReview(review: Review): Promise<void> {
    await this.#lock(`reviews of ${review.requestId} by ${review.reviewerId}`);
    checkReview(this.writes, this.shared.rows, review);
    this.writes.put(this.shared.rows.reviews, review.id, review);
  }

  async findGrant(id: GrantId): Promise<Grant | null> {
    this.alive();
    return this.writes.get(this.shared.rows.grants, id)?.grant ?? null;
  }

  async lockGrant(id: GrantId, claim: Claim | null): Promise<{ grant: Grant; nowMs: number } | null> {
    await this.#lock(`grant ${id}`);
    const row = this.writes.get(this.shared.rows.grants, id);
    if (row === undefined) return null;
    if (claim !== null && (row.fence !== claim.fence || row.owner !== claim.owner))
      throw new ClaimLost(`the claim on grant ${id} with fence ${claim.fence} was taken over (fence ${row.fence})`);
    return { grant: row.grant, nowMs: await this.nowMs() };
  }

  async lockEnded(limit: number): Promise<GrantSeen[]> {
    this.alive();
    const nowMs = Math.floor(this.shared.nowMs());
    const ended = this.writes
      .all(this.shared.rows.grants)
      .filter(({ grant, untilMs }) => grant.state === "active" && grant.expiresMs <= nowMs && isFree(untilMs, nowMs))
      .filter(({ grant }) => !this.shared.locks.isHeld(`grant ${grant.id}`, this.writes))
      .sort((a, b) => a.grant.expiresMs - b.grant.expiresMs)
      .slice(0, limit);
    for (const { grant } of ended) await this.#lock(`grant ${grant.id}`);
    return ended.map(({ grant }) => ({ grant, nowMs }));
  }

  async lockLive(principal: PrincipalId): Promise<LiveGrant[]> {
    this.alive();
    const live: LiveGrant[] = [];
    for (const { grant } of this.writes.all(this.shared.rows.grants)) {
      if (grant.principalId !== principal || !isLive(grant)) continue;
      const locked = await this.lockGrant(grant.id, null);
      if (locked !== null && isLive(locked.grant))
        live.push({ ...locked, leaseWritten: (await this.leaseOf(grant.id)) !== null });
    }
    return live;
  }

  async putGrant(grant: Grant, receiptEntry: EntryId | null): Promise<void> {
    await this.#lock(`grant ${grant.id}`);
    this.writes.put(this.shared.rows.grants, grant.id, grantRow(this.writes, this.shared.rows, grant, receiptEntry));
  }

  async putLease(lease: Lease): Promise<void> {
    await this.#lock(`lease ${lease.grantId}`);
    checkLease(this.writes, this.shared.rows, lease);
    this.writes.put(this.shared.rows.leases, lease.grantId, lease);
  }

  async seal(ring: KeyRing, purpose: SealPurpose, secret: Secret, _nowMs: number): Promise<SecretId> {
    this.alive();
    const id = secretId.make();
    this.writes.put(this.shared.rows.secrets, id, { purpose, keyId: ring.current.id, value: secret.reveal() });
    return id;
  }

  async discard(id: SecretId): Promise<void> {
    await this.#lock(`secret ${id}`);
    const { leases, secrets } = this.shared.rows;
    if (this.writes.get(secrets, id) === undefined) return;
    this.writes.put(secrets, id, undefined);
    // `on delete set null`
    for (const lease of this.writes.all(leases)) {
      if (lease.secretId !== id) continue;
      await this.#lock(`lease ${lease.grantId}`);
      this.writes.put(leases, lease.grantId, { ...lease, secretId: null });
    }
  }

  async appendEntries(installation: InstallationId, drafts: readonly EntryDraft[], nowMs: number): Promise<EntryId[]> {
    this.alive();
    return drafts.map((draft) => {
      const { kind, actor, refs, data, personal = {} } = draft;
      const id = entryId.make();
      const leaf: EntryLeaf = { v: 1, id, at: toTimestamp(nowMs), installation, kind, actor, refs, data };
      this.entries.push({ leaf, personal, messages: messagesOf(draft, id, nowMs) });
      return id;
    });
  }

  async write(
    installation: InstallationId,
    { entries, requests, grants, leases, discarded, released }: Written,
    nowMs: number,
  ): Promise<void> {
    const { rows } = this.shared;
    const ids = await this.appendEntries(installation, entries, nowMs);
    for (const request of requests) await this.#putRequest(request);
    for (const { grant, receipt } of grants) {
      await this.putGrant(grant, receipt === null ? null : (ids[receipt] ?? null));
      const row = this.writes.get(rows.grants, grant.id);
      if (row !== undefined && released?.grant === grant.id && released.fence === row.fence)
        this.writes.put(rows.grants, grant.id, { ...row, owner: null, untilMs: null });
    }
    for (const lease of leases) await this.putLease(lease);
    for (const id of discarded) await this.discard(id);
    if (released === null) return;
    for (const [key, right] of rows.rights.rows)
      if (right.owner === released.owner && right.fence === released.fence)
        this.writes.put(rows.rights, key, undefined);
  }

  async recallCall(
    principal: PrincipalId,
    key: string,
    hash: string,
  ): Promise<{ hash: string; result: unknown } | null> {
    await this.#lock(`call ${principal} ${key}`);
    const { calls } = this.shared.rows;
    const known = this.writes.get(calls, `${principal} ${key}`);
    if (known === undefined) this.writes.put(calls, `${principal} ${key}`, { hash, result: null });
    return known ?? null;
  }

  async rememberCall(principal: PrincipalId, key: string, result: unknown): Promise<void> {
    await this.#lock(`call ${principal} ${key}`);
    const { calls } = this.shared.rows;
    const known = this.writes.get(calls, `${principal} ${key}`);
    if (known !== undefined) this.writes.put(calls, `${principal} ${key}`, { ...known, result: result ?? null });
  }
}
