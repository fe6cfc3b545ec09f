import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { EntryActor } from "../domain/audit.ts";
import type { Principal } from "../domain/principal.ts";
import { activeConfig, configVersion, holdActivations } from "../store/catalog.ts";
import {
  type ConfigProposal,
  confirmationsOf,
  dropConfirmations,
  findProposal,
  putConfirmation,
  putProposal,
  waitingProposal,
} from "../store/config-proposals.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { activate } from "./activate-config.ts";
import { mayConfirm, proposalEntry } from "./adopt-config.ts";
import type { Context } from "./context.ts";
import { type IdempotencyKey, transact, type Work } from "./transact.ts";

/** Confirms a configuration that waits. With the last confirmation that is needed it is the active one. */
export function confirmConfiguration(
  context: Context,
  by: Principal,
  version: number,
  idempotency: IdempotencyKey | null = null,
): Promise<{ version: number } | Refusal> {
  const acting = { operation: "confirm-config", actor: { principal: by.id }, idempotency };
  return transact<{ version: number }, SqlTx>(context, acting, async (work) => {
    const { tx } = work;
    const proposal = await undecided(tx, by, version);
    if (isRefusal(proposal)) return proposal;
    const [current, proposed] = [await activeConfig(tx.sql), await configVersion(tx.sql, version)];
    if (current === null || proposed === null) return NO_SUCH_PROPOSAL;
    const actor: EntryActor = { principal: by.id };
    const nowMs = await tx.nowMs();
    await putConfirmation(tx.sql, version, by.id, nowMs);
    await work.apply({ entries: [proposalEntry("config.confirmed", proposal, actor)] }, nowMs);
    const needed = current.configuration.config?.approval?.count ?? 1;
    const isComplete = (await countConfirmations(tx, version)) >= needed;
    if (isComplete) await activate(context, work, proposed.configuration, proposal.source, actor);
    const { state, decidedMs } = isComplete
      ? { state: "confirmed" as const, decidedMs: nowMs }
      : { state: "waiting" as const, decidedMs: null };
    await putProposal(tx.sql, { ...proposal, state, decidedMs });
    return { version };
  });
}

/** Says no to a configuration that waits. The active one goes on; an admin who confirms it after all undoes this. */
export function rejectConfiguration(
  context: Context,
  by: Principal,
  version: number,
  reason: string,
  idempotency: IdempotencyKey | null = null,
): Promise<{ version: number } | Refusal> {
  const acting = { operation: "reject-config", actor: { principal: by.id }, idempotency };
  return transact<{ version: number }, SqlTx>(context, acting, async (work: Work<SqlTx>) => {
    const { tx } = work;
    const proposal = await undecided(tx, by, version);
    if (isRefusal(proposal)) return proposal;
    const nowMs = await tx.nowMs();
    const rejected: ConfigProposal = { ...proposal, state: "rejected", decidedMs: nowMs };
    await putProposal(tx.sql, rejected);
    await dropConfirmations(tx.sql, version);
    const entry = proposalEntry("config.rejected", rejected, { principal: by.id }, {}, { reason });
    await work.apply({ entries: [entry] }, nowMs);
    return { version };
  });
}

const NO_SUCH_PROPOSAL = refuse("not-found", "No such version of the configuration waits to be confirmed.");

/** What waits, or was rejected and is still what the files say; held until the transaction ends. */
async function undecided(tx: SqlTx, by: Principal, version: number): Promise<ConfigProposal | Refusal> {
  await holdActivations(tx.sql);
  const person = await tx.lockPrincipal(by.id);
  if (person === null || !mayConfirm(person))
    return refuse("forbidden", "A change of the configuration is confirmed by admins. Ask one of them.");
  const proposal = await findProposal(tx.sql, version);
  if (proposal === null) return NO_SUCH_PROPOSAL;
  const waiting = await waitingProposal(tx.sql);
  const isNext = waiting === null ? proposal.state === "rejected" : waiting.version === version;
  if (isNext) return proposal;
  return refuse("config-decided", `Version ${version} is ${proposal.state}; it does not wait any more.`, {
    state: proposal.state,
  });
}

/** By people who may confirm now: an admin who is none any more has confirmed nothing. */
async function countConfirmations(tx: SqlTx, version: number): Promise<number> {
  const people = await Promise.all((await confirmationsOf(tx.sql, version)).map((id) => tx.findPrincipal(id)));
  return people.filter((person) => person !== null && mayConfirm(person)).length;
}
