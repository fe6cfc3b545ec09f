import type { JsonObject } from "../base/canonical.ts";
import { hashOf } from "../base/hash.ts";
import { isRefusal } from "../base/problem.ts";
import type { EntryActor, EntryDraft, EntryKind } from "../domain/audit.ts";
import type { Configuration } from "../domain/configuration.ts";
import { telling } from "../domain/message.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { wideningsOf } from "../domain/widening.ts";
import { activeConfig, holdActivations, versionOf } from "../store/catalog.ts";
import {
  type ConfigProposal,
  dropConfirmations,
  findProposal,
  putProposal,
  waitingProposal,
} from "../store/config-proposals.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { activate, partWithLeavers, syncPrincipals } from "./activate-config.ts";
import type { Context } from "./context.ts";
import { transact, type Work } from "./transact.ts";

const CONFIG: EntryActor = { system: "config" };

/** The version that is active, whether this made it so, and what it waits for where it is not what was given. */
export type Adopted = { readonly version: number; readonly changed: boolean; readonly waits: ConfigProposal | null };

/**
 * Takes what the files say for the configuration. Where the active one demands it, a change that may widen access waits
 * until admins have confirmed it; whoever leaves with that change leaves at once all the same.
 */
export async function adoptConfiguration(
  context: Context,
  configuration: Configuration,
  source: string,
): Promise<Adopted> {
  const acting = { operation: "adopt-config", actor: CONFIG };
  const adopted = await transact<Adopted, SqlTx>(context, acting, async (work) => {
    const { tx } = work;
    await holdActivations(tx.sql);
    const current = await activeConfig(tx.sql);
    const nowMs = await tx.nowMs();
    const isActive = current?.hash === hashOf(configuration);
    if (current !== null && !isActive && current.configuration.config?.approval !== undefined) {
      const widens = wideningsOf(current.configuration, configuration);
      if (widens.length > 0)
        return {
          version: current.id,
          changed: false,
          waits: await propose(work, configuration, source, widens, nowMs),
        };
    }
    const wasWaiting = await withdraw(work, null, nowMs);
    // Those who left with what was taken back are here again.
    if (isActive && wasWaiting) await syncPrincipals(work, configuration, nowMs);
    const version = await activate(context, work, configuration, source, CONFIG);
    return { version: version ?? current?.id ?? 0, changed: version !== null, waits: null };
  });
  if (isRefusal(adopted)) throw new Error(adopted.detail);
  return adopted;
}

async function propose(
  work: Work<SqlTx>,
  configuration: Configuration,
  source: string,
  widens: readonly string[],
  nowMs: number,
): Promise<ConfigProposal> {
  const { tx } = work;
  const version = await versionOf(tx.sql, configuration, source, nowMs);
  const known = await findProposal(tx.sql, version);
  if (known?.state === "waiting" || known?.state === "rejected") return known;
  await withdraw(work, version, nowMs);
  await dropConfirmations(tx.sql, version);
  const proposal: ConfigProposal = { version, state: "waiting", source, widens, proposedMs: nowMs, decidedMs: null };
  await putProposal(tx.sql, proposal);
  const admins = (await tx.candidatesFor({ sources: [], roles: ["admin"], ids: [] }))
    .filter(mayConfirm)
    .map(({ id }) => id);
  const entry = proposalEntry("config.proposed", proposal, CONFIG, { widens: [...widens] });
  const message = { kind: "config.waits" as const, to: admins, data: { version, widens: [...widens] } };
  await work.apply({ entries: [telling(entry, message)] }, nowMs);
  await partWithLeavers(work, configuration.principals, nowMs);
  return proposal;
}

/** What waited and is not what the files say any more; answers whether anything did. */
async function withdraw(work: Work<SqlTx>, instead: number | null, nowMs: number): Promise<boolean> {
  const waiting = await waitingProposal(work.tx.sql);
  if (waiting === null || waiting.version === instead) return false;
  const withdrawn: ConfigProposal = { ...waiting, state: "withdrawn", decidedMs: nowMs };
  await putProposal(work.tx.sql, withdrawn);
  await work.apply({ entries: [proposalEntry("config.withdrawn", withdrawn, CONFIG)] }, nowMs);
  return true;
}

export const mayConfirm = (principal: Principal): boolean =>
  principal.active && principal.kind === "user" && hasRole(principal, "admin");

export const proposalEntry = (
  kind: EntryKind,
  { version }: ConfigProposal,
  actor: EntryActor,
  data: JsonObject = {},
  personal?: Record<string, string>,
): EntryDraft => ({
  kind,
  actor,
  refs: {},
  data: { version, ...data },
  ...(personal === undefined ? {} : { personal }),
});
