/** The ledger in PostgreSQL: its transactions, and which operations share one; and what is claimed and due, by the statements of its neighbours. */
import type { JsonObject } from "../base/canonical.ts";
import type { GrantId, PrincipalId, RequestId } from "../base/ids.ts";
import type { Grant } from "../domain/grant.ts";
import type { Urgency } from "../domain/plan.ts";
import { AskersTx } from "./askers-tx.ts";
import type { Db } from "./db.ts";
import { type ClaimedGrant, claimDue, dueResources, dueToStart, hasten, msUntilDue, type Wanted } from "./due.ts";
import { goingAgain } from "./go-again.ts";
import { type Claim, claimRight, grantNow, isClaimed, releaseClaim, releaseRight, renewClaims } from "./grants.ts";
import { holdAskers } from "./in-force.ts";
import { mergeDetails } from "./leases.ts";
import type { Ledger } from "./ledger.ts";
import { overdueRequestIds, requestsToLookAt } from "./requests.ts";
import { PATIENCE, sharing } from "./sharing.ts";
import { SqlReader, SqlTx } from "./sql-tx.ts";

export class SqlLedger extends SqlReader<Db> implements Ledger<SqlTx> {
  readonly #sharing: ReturnType<typeof sharing<AskersTx>>;

  constructor(sql: Db, patience = PATIENCE) {
    super(sql);
    this.#sharing = sharing(
      ({ askers, lockWaitMs }, work) =>
        sql.transaction().execute(async (tx) => work(new AskersTx(tx, await holdAskers(tx, askers, lockWaitMs)))),
      patience,
    );
  }

  transaction<T>(body: (tx: SqlTx) => Promise<T>): Promise<T> {
    return goingAgain(() => this.sql.transaction().execute((tx) => body(new SqlTx(tx))));
  }

  sharedTransaction<T>(asker: PrincipalId, body: (tx: SqlTx) => Promise<T>): Promise<T> {
    return this.#sharing(asker, body);
  }

  grantNow(id: GrantId): Promise<{ grant: Grant; nowMs: number } | null> {
    return grantNow(this.sql, id);
  }

  dueToStart(resource: string, principal: PrincipalId, byMs: number): Promise<Grant[]> {
    return dueToStart(this.sql, resource, principal, byMs);
  }

  overdueRequestIds(nowMs: number, limit: number): Promise<RequestId[]> {
    return overdueRequestIds(this.sql, nowMs, limit);
  }

  requestsToLookAt(nowMs: number, limit: number): Promise<RequestId[]> {
    return requestsToLookAt(this.sql, nowMs, limit);
  }

  dueResources(): Promise<{ resource: string; urgency: Urgency }[]> {
    return dueResources(this.sql);
  }

  claimDue(wanted: readonly Wanted[], owner: string, lifetimeMs: number): Promise<ClaimedGrant[]> {
    return claimDue(this.sql, wanted, owner, lifetimeMs);
  }

  msUntilDue(): Promise<number | null> {
    return msUntilDue(this.sql);
  }

  hasten(resource: string, limit: number): Promise<number> {
    return hasten(this.sql, resource, limit);
  }

  renewClaims(claims: readonly Claim[], lifetimeMs: number): Promise<Set<GrantId>> {
    return renewClaims(this.sql, claims, lifetimeMs);
  }

  releaseClaim(claim: Claim, againInMs?: number): Promise<void> {
    return releaseClaim(this.sql, claim, againInMs);
  }

  isClaimed(claim: Claim): Promise<boolean> {
    return isClaimed(this.sql, claim);
  }

  claimRight(rightKey: string, claim: Claim, lifetimeMs: number): Promise<boolean> {
    return claimRight(this.sql, rightKey, claim, lifetimeMs);
  }

  releaseRight(claim: Claim): Promise<void> {
    return releaseRight(this.sql, claim);
  }

  mergeDetails(claim: Claim, details: JsonObject): Promise<boolean> {
    return mergeDetails(this.sql, claim, details);
  }
}
