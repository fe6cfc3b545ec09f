/**
 * The ledger in memory. Kept to the rules of the real one by the suite that both must pass (`ledger-suite.ts`): transactions
 * with row locks, claims with fences, rights, the guards of the tables. No index, no plan, no disk.
 */
import type { JsonObject } from "../../../src/base/canonical.ts";
import type { Timers } from "../../../src/base/clock.ts";
import type { GrantId, PrincipalId, RequestId } from "../../../src/base/ids.ts";
import { nextEscalationMs } from "../../../src/domain/escalation.ts";
import type { Grant } from "../../../src/domain/grant.ts";
import { type Urgency, urgencyOf } from "../../../src/domain/plan.ts";
import type { ClaimedGrant, Wanted } from "../../../src/store/due.ts";
import type { Claim } from "../../../src/store/grants.ts";
import type { Ledger } from "../../../src/store/ledger.ts";
import { type GrantRow, isFree, Rows } from "./memory-rows.ts";
import { type Drafted, MemoryReader, MemoryTx } from "./memory-tx.ts";
import { Locks, TransactionLost, Writes } from "./tables.ts";

const LOCK_TIMEOUT_MS = 10_000;
const ATTEMPTS_MAX = 5;

/** A transaction as the store sees it: it may be ended from outside, when its connection is gone. */
export type OpenTransaction = { readonly tx: MemoryTx; readonly writes: Writes };

export type MemoryLedgerOptions = {
  readonly clock: Pick<Timers, "nowMs" | "after">;
  /** Entries that were just committed, in order, at once. */
  readonly committed?: (entries: readonly Drafted[]) => void;
};

export class MemoryLedger extends MemoryReader implements Ledger<MemoryTx> {
  readonly rows: Rows;
  readonly #committed: (entries: readonly Drafted[]) => void;
  #fence = 0;

  constructor({ clock, committed = () => undefined }: MemoryLedgerOptions) {
    const rows = new Rows();
    const locks = new Locks((ms, act) => clock.after(ms, act), LOCK_TIMEOUT_MS);
    super({ rows, locks, nowMs: () => clock.nowMs(), quarantine: null, versions: 0, looks: 0 }, new Writes());
    this.rows = rows;
    this.#committed = committed;
  }

  begin(): OpenTransaction {
    const writes = new Writes();
    return { tx: new MemoryTx(this.shared, writes), writes };
  }

  commit({ tx, writes }: OpenTransaction): void {
    if (writes.over !== null) throw new TransactionLost(writes.over, false);
    writes.commit();
    this.end(writes, "it is committed");
    if (tx.entries.length > 0) this.#committed(tx.entries);
  }

  /** Rolls back; whatever waits in it fails. */
  rollBack({ writes }: OpenTransaction, why = "it was rolled back"): void {
    if (writes.over === null) this.end(writes, why);
  }

  sharedTransaction<T>(_asker: PrincipalId, body: (tx: MemoryTx) => Promise<T>): Promise<T> {
    return this.transaction(body);
  }

  async transaction<T>(body: (tx: MemoryTx) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const open = this.begin();
      try {
        const result = await body(open.tx);
        this.commit(open);
        return result;
      } catch (error) {
        this.rollBack(open);
        if (!(error instanceof TransactionLost && error.again) || attempt >= ATTEMPTS_MAX) throw error;
      }
    }
  }

  async grantNow(id: GrantId): Promise<{ grant: Grant; nowMs: number } | null> {
    const row = this.rows.grants.rows.get(id);
    return row === undefined ? null : { grant: row.grant, nowMs: await this.nowMs() };
  }

  async dueToStart(resource: string, principal: PrincipalId, byMs: number): Promise<Grant[]> {
    return [...this.rows.grants.rows.values()]
      .filter(({ grant, dueMs }) => urgencyOf(grant) === 1 && dueMs !== null && dueMs <= byMs)
      .map(({ grant }) => grant)
      .filter((grant) => grant.resource === resource && grant.principalId === principal);
  }

  async overdueRequestIds(nowMs: number, limit: number): Promise<RequestId[]> {
    return [...this.rows.requests.rows.values()]
      .filter(({ state, expiresMs }) => state === "pending" && expiresMs <= nowMs)
      .sort((a, b) => a.expiresMs - b.expiresMs)
      .slice(0, limit)
      .map(({ id }) => id);
  }

  async requestsToLookAt(nowMs: number, limit: number): Promise<RequestId[]> {
    const escalating = [...this.rows.requests.rows.values()]
      .map((request) => ({ request, dueMs: nextEscalationMs(request) }))
      .filter(({ request, dueMs }) => dueMs !== null && dueMs <= nowMs && request.expiresMs > nowMs)
      .sort((a, b) => (a.dueMs ?? 0) - (b.dueMs ?? 0))
      .map(({ request }) => request.id);
    const asked = [...this.rows.looks.rows.values()];
    return [...new Set([...escalating.slice(0, limit), ...asked.slice(0, limit)])];
  }

  async dueResources(): Promise<{ resource: string; urgency: Urgency }[]> {
    const most = new Map<string, Urgency>();
    for (const row of this.#free()) {
      const { resource } = row.grant;
      most.set(resource, Math.min(most.get(resource) ?? 2, urgencyOf(row.grant)) as Urgency);
    }
    return [...most]
      .map(([resource, urgency]) => ({ resource, urgency }))
      .sort((a, b) => (a.resource < b.resource ? -1 : 1));
  }

  async claimDue(wanted: readonly Wanted[], owner: string, lifetimeMs: number): Promise<ClaimedGrant[]> {
    const untilMs = this.shared.nowMs() + lifetimeMs;
    return wanted.flatMap(({ resource, places }) =>
      this.#free()
        .filter(({ grant }) => grant.resource === resource && !this.shared.locks.isHeld(`grant ${grant.id}`, null))
        .sort((a, b) => urgencyOf(a.grant) - urgencyOf(b.grant) || (a.dueMs ?? 0) - (b.dueMs ?? 0))
        .slice(0, places)
        .map((row) => {
          this.#fence += 1;
          this.rows.grants.rows.set(row.grant.id, { ...row, owner, untilMs, fence: this.#fence });
          const claim: Claim = { grant: row.grant.id, owner, fence: this.#fence };
          const seen = { grant: row.grant, nowMs: Math.floor(this.shared.nowMs()) };
          return { claim, resource, urgency: urgencyOf(row.grant), seen };
        }),
    );
  }

  async msUntilDue(): Promise<number | null> {
    const dues = [...this.rows.grants.rows.values()].flatMap(({ dueMs, untilMs }) =>
      dueMs === null ? [] : [Math.max(dueMs, untilMs ?? dueMs)],
    );
    return dues.length === 0 ? null : Math.min(...dues) - this.shared.nowMs();
  }

  async hasten(resource: string, limit: number): Promise<number> {
    const nowMs = this.shared.nowMs();
    const waiting = [...this.rows.grants.rows.values()]
      .filter(({ grant, dueMs }) => grant.resource === resource && dueMs !== null && dueMs > nowMs)
      .filter(({ grant: { trouble }, dueMs }) => {
        const silent = trouble !== null && ["unreachable", "cannot-sign-in"].includes(trouble.lastError.code);
        return silent && Math.abs((dueMs ?? 0) - trouble.retryMs) < 2;
      })
      .filter(({ grant }) => !this.shared.locks.isHeld(`grant ${grant.id}`, null))
      .sort((a, b) => (a.dueMs ?? 0) - (b.dueMs ?? 0))
      .slice(0, limit);
    for (const row of waiting) {
      const trouble = row.grant.trouble === null ? null : { ...row.grant.trouble, retryMs: Math.floor(nowMs) };
      this.rows.grants.rows.set(row.grant.id, { ...row, grant: { ...row.grant, trouble }, dueMs: nowMs });
    }
    return waiting.length;
  }

  renewClaims(claims: readonly Claim[], lifetimeMs: number): Promise<Set<GrantId>> {
    return this.#statement(async (writes) => {
      const kept = new Set<GrantId>();
      for (const { grant, fence } of claims) {
        if (this.rows.grants.rows.get(grant)?.fence !== fence) continue;
        await this.shared.locks.take(`grant ${grant}`, writes);
        const row = this.rows.grants.rows.get(grant);
        if (row === undefined || row.fence !== fence || row.untilMs === null) continue;
        const untilMs = this.shared.nowMs() + lifetimeMs;
        writes.put(this.rows.grants, grant, { ...row, untilMs });
        for (const [key, right] of this.rows.rights.rows)
          if (right.fence === fence) this.rows.rights.rows.set(key, { ...right, untilMs });
        kept.add(grant);
      }
      return kept;
    });
  }

  releaseClaim({ grant, owner, fence }: Claim, againInMs = 0): Promise<void> {
    return this.#statement(async (writes) => {
      await this.shared.locks.take(`grant ${grant}`, writes);
      this.#dropRight(owner, fence);
      const row = this.rows.grants.rows.get(grant);
      if (row === undefined || row.fence !== fence) return;
      const dueMs =
        againInMs === 0 || row.dueMs === null ? row.dueMs : Math.max(row.dueMs, this.shared.nowMs() + againInMs);
      writes.put(this.rows.grants, grant, { ...row, owner: null, untilMs: null, dueMs });
    });
  }

  async isClaimed({ grant, owner, fence }: Claim): Promise<boolean> {
    const row = this.rows.grants.rows.get(grant);
    return row?.fence === fence && row.owner === owner;
  }

  async claimRight(rightKey: string, { owner, fence }: Claim, lifetimeMs: number): Promise<boolean> {
    const { rows } = this.rows.rights;
    const nowMs = this.shared.nowMs();
    const held = rows.get(rightKey);
    if (held !== undefined && held.untilMs >= nowMs && (held.owner !== owner || held.fence !== fence)) return false;
    rows.set(rightKey, { owner, fence, untilMs: nowMs + lifetimeMs });
    return true;
  }

  async releaseRight({ owner, fence }: Claim): Promise<void> {
    this.#dropRight(owner, fence);
  }

  mergeDetails({ grant, owner, fence }: Claim, details: JsonObject): Promise<boolean> {
    return this.#statement(async (writes) => {
      const { locks } = this.shared;
      await locks.take(`grant ${grant}`, writes);
      const row = this.rows.grants.rows.get(grant);
      if (row?.fence !== fence || row.owner !== owner || !this.rows.leases.rows.has(grant)) return false;
      await locks.take(`lease ${grant}`, writes);
      const lease = this.rows.leases.rows.get(grant);
      if (lease === undefined) return false;
      writes.put(this.rows.leases, grant, { ...lease, details: { ...lease.details, ...details }, fence });
      return true;
    });
  }

  /** One statement is a transaction of its own. */
  async #statement<T>(body: (writes: Writes) => Promise<T>): Promise<T> {
    const writes = new Writes();
    try {
      const result = await body(writes);
      writes.commit();
      return result;
    } finally {
      this.end(writes, "the statement is done");
    }
  }

  protected end(writes: Writes, why: string): void {
    writes.over = why;
    writes.waiting?.stop(new TransactionLost(why, false));
    this.shared.locks.releaseAll(writes);
  }

  /** What is due and nobody works on. */
  #free(): GrantRow[] {
    const nowMs = this.shared.nowMs();
    return [...this.rows.grants.rows.values()].filter(
      ({ dueMs, untilMs }) => dueMs !== null && dueMs <= nowMs && isFree(untilMs, nowMs),
    );
  }

  #dropRight(owner: string, fence: number): void {
    for (const [key, right] of this.rows.rights.rows)
      if (right.owner === owner && right.fence === fence) this.rows.rights.rows.delete(key);
  }
}
