/** Somebody has signed in at their provider once more, for an act that demands it: their session knows it from then on. */
import { formatDuration } from "../base/duration.ts";
import type { PrincipalId, StepUpId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import {
  type Demand,
  demandInWords,
  lacking,
  notLater,
  ofProvider,
  type SeenByProvider,
} from "../domain/authentication.ts";
import type { IdentityProvider } from "../domain/identity.ts";
import { lockSession, setAuthentication } from "../store/sign-in-sessions.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { findStepUp } from "../store/step-ups.ts";
import type { Context } from "./context.ts";
import { transact } from "./transact.ts";

export const STEP_UP_OVER = refuse(
  "sign-in-expired",
  "This is not under way any more: it has taken too long, or its session is over. Ask again where you asked.",
);

/** Only of who the session is, by issuer and subject, and only where what the provider says meets the demand. */
export function stepUp(
  context: Context,
  id: StepUpId,
  provider: Pick<IdentityProvider, "issuer" | "title">,
  said: SeenByProvider & { readonly subject: string },
): Promise<{ principalId: PrincipalId } | Refusal> {
  const acting = { operation: "step-up", actor: { system: "identity" } as const };
  return transact<{ principalId: PrincipalId }, SqlTx>(context, acting, async ({ tx, apply }) => {
    const found = await findStepUp(tx.sql, id);
    if (found === null) return STEP_UP_OVER;
    const session = await lockSession(tx.sql, found.session);
    if (session === null) return STEP_UP_OVER;
    if (session.issuer !== provider.issuer || session.subject !== said.subject)
      return refuse(
        "sign-in-refused",
        `${provider.title} signed in somebody else than whoever asked. Sign in there as who you are here.`,
      );
    const nowMs = await tx.nowMs();
    const seen = notLater(said, nowMs);
    const demand = ofProvider(found.demand);
    if (lacking(demand, seen, nowMs) !== null) return notSo(provider.title, demand, seen, nowMs);
    await setAuthentication(tx.sql, found.session, seen);
    const { principalId } = session;
    const data = { session: found.session, provider: session.provider, acr: seen.acr, amr: [...seen.amr] };
    const entry = { kind: "session.authenticated" as const, actor: { principal: principalId }, data };
    await apply({ entries: [{ ...entry, refs: { principal: principalId } }] }, nowMs);
    return { principalId };
  });
}

/** A provider that ignores what it was asked for is not believed to have done it. */
function notSo(title: string, demand: Demand, { atMs, acr }: SeenByProvider, nowMs: number): Refusal {
  const { maxAgeMs } = demand;
  const isFresh = maxAgeMs === undefined || (atMs !== null && nowMs - atMs <= maxAgeMs);
  const why = isFresh
    ? `it calls the way in which you did ${acr ?? "nothing"} (acr)`
    : atMs === null
      ? "it does not say when (auth_time). An admin of the provider has it send that claim"
      : `it says that it saw you sign in ${formatDuration(nowMs - atMs)} ago`;
  return refuse("sign-in-refused", `${demandInWords(demand)} is demanded. ${title} signed you in, but ${why}.`);
}
