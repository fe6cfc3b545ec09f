import { type Refusal, refuse } from "../base/problem.ts";
import type { Configuration } from "../domain/configuration.ts";
import { requiredFor } from "../domain/sink.ts";
import type { LedgerTx } from "../store/ledger.ts";

/** Why nothing is granted while the log does not get where the configuration wants it; null while it does. */
export async function refuseWhileSinkIsLate(
  tx: Pick<LedgerTx, "lateSinks">,
  { audit }: Pick<Configuration, "audit">,
  emergency: boolean,
): Promise<Refusal | null> {
  const required = requiredFor(audit, emergency);
  if (required.length === 0) return null;
  const [late] = await tx.lateSinks(required);
  if (late === undefined) return null;
  const minutes = Math.max(1, Math.floor(late.lagMs / 60_000));
  const instead = requiredFor(audit, true).length === 0 && !emergency ? " An emergency is granted all the same." : "";
  return refuse(
    "audit-sink-late",
    `The audit log has not reached ${late.name} for ${minutes} min, and nothing new may be granted without it. What is granted goes on, and ends on time.${instead} Ask again once an operator has mended it: tidegate health says what is wrong.`,
    { sink: late.name, lagSeconds: Math.floor(late.lagMs / 1_000) },
  );
}
