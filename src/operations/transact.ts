/**
 * One operation, one transaction. The body reads under locks, asks the domain, and hands over what changed; everything is
 * written together with its audit entries or not at all. A refusal is committed too, as one entry.
 */
import { toTimestamp } from "../base/clock.ts";
import { hashOf } from "../base/hash.ts";
import type { EntryId, InstallationId, PrincipalId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { inSpan } from "../base/trace.ts";
import type { EntryActor, EntryDraft, EntryRefs } from "../domain/audit.ts";
import type { Changes } from "../domain/changes.ts";
import { appendEntries } from "../store/audit.ts";
import { databaseNowMs, json, type Tx } from "../store/db.ts";
import { putGrant } from "../store/grants.ts";
import { putLease } from "../store/leases.ts";
import { isStalePlan } from "../store/preparing-client.ts";
import { putRequest, putReview } from "../store/requests.ts";
import type { Context } from "./context.ts";

export type Work = {
  readonly tx: Tx;
  /** Writes changes and their entries. */
  readonly apply: (changes: Changes, nowMs: number) => Promise<void>;
};

/** As much of the context as a transaction needs: a local command has no more. */
export type Ledger = Pick<Context, "db" | "installation" | "wake">;

/** Names a call of a client, so that the same call again is answered and not done again. */
export type IdempotencyKey = { readonly principal: PrincipalId; readonly key: string; readonly call: unknown };

export type Acting = {
  /** For the audit entry of a refusal. */
  readonly operation: string;
  readonly actor: EntryActor;
  readonly refs?: EntryRefs;
  readonly idempotency?: IdempotencyKey | null;
};

const ATTEMPTS_MAX = 5;
/** Deadlock and serialization failure: the loser of two transactions that met; it simply goes again. */
const MET_ANOTHER = new Set(["40P01", "40001"]);

/** Runs the body in a transaction and wakes the reconcilers after it. */
export async function transact<T>(
  context: Ledger,
  acting: Acting,
  body: (work: Work) => Promise<T | Refusal>,
): Promise<T | Refusal> {
  const { operation, refs = {} } = acting;
  return inSpan(`operation ${operation}`, { "tidegate.operation": operation, ...named(refs) }, async (note) => {
    const result = await untilDone(context, acting, body);
    if (isRefusal(result)) note({ "tidegate.refused": result.refused });
    return result;
  });
}

const named = (refs: EntryRefs): Record<string, string> =>
  Object.fromEntries(Object.entries(refs).map(([what, id]) => [`tidegate.${what}`, id]));

async function untilDone<T>(
  context: Ledger,
  acting: Acting,
  body: (work: Work) => Promise<T | Refusal>,
): Promise<T | Refusal> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const result = await context.db.transaction().execute((tx) => once(context, acting, tx, body));
      context.wake();
      return result;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (!(MET_ANOTHER.has(code) || isStalePlan(error)) || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

async function once<T>(
  context: Ledger,
  acting: Acting,
  tx: Tx,
  body: (work: Work) => Promise<T | Refusal>,
): Promise<T | Refusal> {
  const remembered = acting.idempotency ? await recall<T>(tx, acting.idempotency) : null;
  if (remembered !== null) return remembered.result;
  let entries = 0;
  const work: Work = {
    tx,
    apply: async (changes, nowMs) => {
      entries += await applyChanges(context, tx, changes, nowMs);
    },
  };
  const result = await body(work);
  if (isRefusal(result) && entries === 0) await recordRefusal(context, acting, tx, result);
  if (acting.idempotency) await remember(tx, acting.idempotency, result);
  return result;
}

/** For a larger transaction that is not an operation's own: changes are written together with their entries all the same. */
export const workIn = (tx: Tx, installation: InstallationId): Work => ({
  tx,
  apply: async (changes, nowMs) => void (await applyChanges({ installation }, tx, changes, nowMs)),
});

/** Answers how many entries it wrote. */
async function applyChanges(
  context: Pick<Ledger, "installation">,
  tx: Tx,
  changes: Changes,
  nowMs: number,
): Promise<number> {
  for (const request of changes.requests ?? []) await putRequest(tx, request);
  for (const review of changes.reviews ?? []) await putReview(tx, review);
  const drafts = [...(changes.entries ?? []), ...(changes.grants ?? []).map(({ entry }) => entry)];
  const ids = await appendEntries(tx, context.installation, drafts, nowMs);
  const ofGrants = ids.slice(changes.entries?.length ?? 0);
  for (const [i, { grant, entry }] of (changes.grants ?? []).entries()) {
    const closes = entry.kind === "grant.revoked" || entry.kind === "grant.failed";
    await putGrant(tx, grant, closes ? (ofGrants[i] as EntryId) : null);
  }
  for (const lease of changes.leases ?? []) await putLease(tx, lease);
  return drafts.length;
}

/** A refusal that changed something, such as a denied request, has its entry already; every other no gets one here. */
async function recordRefusal(context: Ledger, acting: Acting, tx: Tx, refusal: Refusal): Promise<void> {
  if (refusal.refused === "not-found") return;
  const data = { operation: acting.operation, code: refusal.refused };
  const draft: EntryDraft = { kind: "operation.refused", actor: acting.actor, refs: acting.refs ?? {}, data };
  await appendEntries(tx, context.installation, [draft], await databaseNowMs(tx));
}

async function recall<T>(tx: Tx, idempotency: IdempotencyKey): Promise<{ result: T | Refusal } | null> {
  const { principal, key, call } = idempotency;
  const requestHash = hashOf(call);
  // Waits for a call with the same key that is under way, so that the second is answered with what the first did.
  const inserted = await tx
    .insertInto("idempotency_keys")
    .values({
      principal_id: principal,
      key,
      request_hash: requestHash,
      result: null,
      created_at: toTimestamp(await databaseNowMs(tx)),
    })
    .onConflict((conflict) => conflict.columns(["principal_id", "key"]).doNothing())
    .returning("key")
    .executeTakeFirst();
  if (inserted !== undefined) return null;
  const row = await tx
    .selectFrom("idempotency_keys")
    .selectAll()
    .where("principal_id", "=", principal)
    .where("key", "=", key)
    .executeTakeFirstOrThrow();
  if (row.request_hash !== requestHash)
    return {
      result: refuse(
        "idempotency-mismatch",
        "This Idempotency-Key was sent before with another request. Use a new key for a new request.",
      ),
    };
  return { result: row.result as T | Refusal };
}

async function remember(tx: Tx, { principal, key }: IdempotencyKey, result: unknown): Promise<void> {
  await tx
    .updateTable("idempotency_keys")
    .set({ result: json(result ?? null) })
    .where("principal_id", "=", principal)
    .where("key", "=", key)
    .execute();
}
