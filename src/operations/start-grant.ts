import { failpoint } from "../base/failpoint.ts";
import type { Refusal } from "../base/problem.ts";
import { countApprovals } from "../domain/approvers.ts";
import { peopleIn, soughtFor } from "../domain/candidates.ts";
import { denies, stillApplies } from "../domain/evaluate.ts";
import { storedFacts } from "../domain/facts.ts";
import { cancelGrant, type ScheduledGrant, startGrant as start } from "../domain/grant.ts";
import { forbiddenBy } from "../domain/panic.ts";
import { bindingApprovals } from "../domain/request.ts";
import type { Claim } from "../store/grants.ts";
import type { LedgerTx } from "../store/ledger.ts";
import type { LedgerContext } from "./context.ts";
import { refuseWhileSinkIsLate } from "./refuse-while-sink-is-late.ts";
import { circumstancesOf, findEntitlement } from "./subject.ts";
import { transact } from "./transact.ts";

/** The last look before anything is made. Policy still says yes: provisioning. Otherwise cancelled, with the reason. */
export async function startGrant(context: LedgerContext, claim: Claim): Promise<null | Refusal> {
  const acting = { operation: "start-grant", actor: { system: "reconciler" as const }, refs: { grant: claim.grant } };
  const result = await transact<null>(context, acting, async ({ tx, apply }) => {
    const locked = await tx.lockGrant(claim.grant, claim);
    if (locked?.grant.state !== "scheduled") return null;
    const { grant, nowMs } = locked;
    const lost = await whatWasLost(context, tx, grant, nowMs);
    const ending = { cause: "refused-at-start" as const, by: null, reason: lost ?? "" };
    await apply(
      { grants: [lost === null ? start(grant) : cancelGrant(grant, ending, { system: "reconciler" })] },
      nowMs,
    );
    return null;
  });
  await failpoint("start.after-record");
  return result;
}

/** An on-use grant that nobody used in time. */
export function lapseGrant(context: LedgerContext, claim: Claim): Promise<null | Refusal> {
  const acting = { operation: "lapse-grant", actor: { system: "reconciler" as const }, refs: { grant: claim.grant } };
  return transact(context, acting, async ({ tx, apply }) => {
    const locked = await tx.lockGrant(claim.grant, claim);
    if (locked?.grant.state !== "scheduled" || locked.nowMs < (locked.grant.activateByMs ?? locked.grant.expiresMs))
      return null;
    await apply(
      {
        grants: [
          cancelGrant(
            locked.grant,
            { cause: "lapsed", by: null, reason: "not used in time" },
            { system: "reconciler" },
          ),
        ],
      },
      locked.nowMs,
    );
    return null;
  });
}

/** Why the grant may not start after all; null when it may. The clock and on call stay as they were when it was decided. */
async function whatWasLost(
  context: LedgerContext,
  tx: LedgerTx,
  grant: ScheduledGrant,
  nowMs: number,
): Promise<string | null> {
  const [person, request, catalog] = [
    await tx.findPrincipal(grant.principalId),
    await tx.findRequest(grant.requestId),
    await context.catalog.active(tx),
  ];
  const { quarantine, panics } = await tx.inForce();
  if (quarantine !== null) return `Tidegate is in quarantine: ${quarantine.why}`;
  if (person?.active !== true) return "the person was deactivated";
  const forbidden = forbiddenBy(panics, grant);
  if (forbidden !== null) return forbidden.detail;
  if (request === null || catalog === null) return "its request or the configuration is missing";
  const late = await refuseWhileSinkIsLate(tx, catalog.configuration, request.emergency);
  if (late !== null) return late.detail;
  const found = findEntitlement(catalog, grant.entitlement);
  if (found === null) return `${grant.entitlement} no longer exists`;
  if (found.entitlement.scopeHash !== grant.scopeHash)
    return `what ${grant.entitlement} allows was changed after approval; ask again`;
  const facts = storedFacts(request.facts, 0);
  const denied = denies(catalog.policy, circumstancesOf(person, found, request, facts, nowMs));
  if (denied !== null) return `the rule ${denied.rule} denies it now: ${denied.why}`;
  const asked = findEntitlement(catalog, request.entitlement) ?? found;
  const rule = stillApplies(
    catalog.policy,
    request.decision.rule ?? "",
    circumstancesOf(person, asked, request, facts, request.createdMs),
  );
  if (!rule.applies) return rule.why;
  if (request.decision.outcome === "automatic") return null;
  const approvals = bindingApprovals(request, await tx.reviewsOf(request.id));
  const { complete } = countApprovals(
    request.decision.steps,
    found.resource,
    person.id,
    await tx.candidatesFor(soughtFor(found.resource, [request.decision], peopleIn(approvals))),
    approvals,
  );
  return complete ? null : "somebody who approved it may no longer approve such requests";
}
