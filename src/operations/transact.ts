/**
 * One operation, one transaction. The body reads under locks, asks the domain, and hands over what changed; everything is
 * written together with its audit entries or not at all. A refusal is committed too, as one entry.
 */
import { hashOf } from "../base/hash.ts";
import type { InstallationId, PrincipalId, SecretId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { inSpan } from "../base/trace.ts";
import type { EntryActor, EntryDraft, EntryRefs } from "../domain/audit.ts";
import type { Changes } from "../domain/changes.ts";
import type { Changed } from "../store/changes.ts";
import type { Claim } from "../store/grants.ts";
import type { Ledger, LedgerTx } from "../store/ledger.ts";
import type { SqlTx } from "../store/sql-tx.ts";

export type Work<Tx extends LedgerTx = LedgerTx> = {
  readonly tx: Tx;
  /** Writes changes and their entries. */
  readonly apply: (changes: Changes, nowMs: number, besides?: Besides) => Promise<void>;
};

/** What is written with changes and is none itself. */
export type Besides = {
  /** Sealed secrets that have served. */
  readonly discarded?: readonly SecretId[];
  /** The work under this claim is done: whoever comes next need not wait for it to be let go. */
  readonly released?: Claim;
};

/** As much of the context as a transaction needs: a local command has no more. */
export type Transacting<Tx extends LedgerTx = LedgerTx> = {
  readonly ledger: Ledger<Tx>;
  readonly installation: InstallationId;
  readonly wake: (changed?: Changed) => void;
};
/** The same, for what works on tables that are not about the life of a grant. */
export type SqlTransacting = Transacting<SqlTx>;

/** Names a call of a client, so that the same call again is answered and not done again. */
export type IdempotencyKey = { readonly principal: PrincipalId; readonly key: string; readonly call: unknown };

export type Acting = {
  /** For the audit entry of a refusal. */
  readonly operation: string;
  readonly actor: EntryActor;
  readonly refs?: EntryRefs;
  readonly idempotency?: IdempotencyKey | null;
  /** Who asks, where the operation may share a transaction with others that came at the same moment. */
  readonly asker?: PrincipalId;
  /** What it changes at most; left out: anything. */
  readonly touches?: Changed;
};

/** Runs the body in a transaction and wakes the reconcilers after it. */
export const transact = <T, Tx extends LedgerTx = LedgerTx>(
  context: Transacting<Tx>,
  acting: Acting,
  body: (work: Work<Tx>) => Promise<T | Refusal>,
): Promise<T | Refusal> =>
  operate(context, acting, () => {
    const work = (tx: Tx) => once(context.installation, acting, tx, body);
    const { asker } = acting;
    return asker === undefined ? context.ledger.transaction(work) : context.ledger.sharedTransaction(asker, work);
  });

/** The same for work that is a transaction by itself. */
export async function operate<T>(
  context: Pick<Transacting, "wake">,
  { operation, refs = {}, touches }: Acting,
  work: () => Promise<T | Refusal>,
): Promise<T | Refusal> {
  return inSpan(`operation ${operation}`, { "tidegate.operation": operation, ...named(refs) }, async (note) => {
    const result = await work();
    context.wake(touches);
    if (isRefusal(result)) note({ "tidegate.refused": result.refused });
    return result;
  });
}

const named = (refs: EntryRefs): Record<string, string> =>
  Object.fromEntries(Object.entries(refs).map(([what, id]) => [`tidegate.${what}`, id]));

async function once<T, Tx extends LedgerTx>(
  installation: InstallationId,
  acting: Acting,
  tx: Tx,
  body: (work: Work<Tx>) => Promise<T | Refusal>,
): Promise<T | Refusal> {
  const { idempotency = null } = acting;
  const remembered = idempotency === null ? null : await recall<T>(tx, idempotency);
  if (remembered !== null && !isToShowFirst(remembered.result)) return remembered.result;
  let entries = 0;
  const work: Work<Tx> = {
    tx,
    apply: async (changes, nowMs, besides) => {
      entries += await applyChanges(installation, tx, changes, nowMs, besides);
    },
  };
  const result = await body(work);
  if (isRefusal(result) && entries === 0) await recordRefusal(installation, acting, tx, result);
  if (idempotency !== null) await tx.rememberCall(idempotency.principal, idempotency.key, result);
  return result;
}

/** Once they have shown anew who they are, the same call is another matter: nothing was done for it. */
const isToShowFirst = (result: unknown): boolean => isRefusal(result) && result.refused === "step-up-required";

/** For a larger transaction that is not an operation's own: changes are written together with their entries all the same. */
export const workIn = <Tx extends LedgerTx>(tx: Tx, installation: InstallationId): Work<Tx> => ({
  tx,
  apply: async (changes, nowMs, besides) => void (await applyChanges(installation, tx, changes, nowMs, besides)),
});

/** Answers how many entries it wrote. */
async function applyChanges(
  installation: InstallationId,
  tx: LedgerTx,
  changes: Changes,
  nowMs: number,
  { discarded = [], released }: Besides = {},
): Promise<number> {
  for (const review of changes.reviews ?? []) await tx.putReview(review);
  const others = changes.entries ?? [];
  const grants = (changes.grants ?? []).map(({ grant, entry }, i) => {
    const closes = entry.kind === "grant.revoked" || entry.kind === "grant.failed";
    return { grant, receipt: closes ? others.length + i : null };
  });
  const entries = [...others, ...(changes.grants ?? []).map(({ entry }) => entry)];
  const { requests = [], leases = [] } = changes;
  const written = { entries, requests, grants, leases, discarded, released: released ?? null };
  await tx.write(installation, written, nowMs);
  return entries.length;
}

/** A refusal that changed something, such as a denied request, has its entry already; every other no gets one here. */
async function recordRefusal(
  installation: InstallationId,
  acting: Acting,
  tx: LedgerTx,
  refusal: Refusal,
): Promise<void> {
  if (refusal.refused === "not-found") return;
  const data = { operation: acting.operation, code: refusal.refused };
  const draft: EntryDraft = { kind: "operation.refused", actor: acting.actor, refs: acting.refs ?? {}, data };
  await tx.appendEntries(installation, [draft], await tx.nowMs());
}

async function recall<T>(
  tx: LedgerTx,
  { principal, key, call }: IdempotencyKey,
): Promise<{ result: T | Refusal } | null> {
  const hash = hashOf(call);
  const known = await tx.recallCall(principal, key, hash);
  if (known === null) return null;
  if (known.hash === hash) return { result: known.result as T | Refusal };
  return {
    result: refuse(
      "idempotency-mismatch",
      "This Idempotency-Key was sent before with another request. Use a new key for a new request.",
    ),
  };
}
