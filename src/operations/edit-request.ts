import type { DurationMs } from "../base/duration.ts";
import type { PrincipalId, RequestId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { peopleIn } from "../domain/candidates.ts";
import { expire } from "../domain/decide-request.ts";
import { type Edit, edit, edited, mayNotEdit, STAYS, whatChanged } from "../domain/edit-request.ts";
import type { Facts } from "../domain/facts.ts";
import { ended, type Grant, isLive, mayNotExtend } from "../domain/grant.ts";
import { forbiddenBy } from "../domain/panic.ts";
import type { Principal } from "../domain/principal.ts";
import { factsToKeep } from "../domain/recorded-request.ts";
import type { AccessRequest } from "../domain/request.ts";
import { askPolicy } from "./ask-policy.ts";
import type { LedgerContext } from "./context.ts";
import { refuseWhileSinkIsLate } from "./refuse-while-sink-is-late.ts";
import { changedSince } from "./request-version.ts";
import {
  asExtension,
  type Found,
  type Held,
  heldToDecide,
  lockActivePrincipal,
  requireEntitlement,
  subjectOf,
} from "./subject.ts";
import { deniedBy, outOfBounds, switchedOff } from "./submit-request.ts";
import { type IdempotencyKey, transact, type Work } from "./transact.ts";

/** Also for whoever looks before it is tried. */
export const NOT_YOURS = refuse("not-found", "There is no such request, or it is not yours to change.");

/** Changes a pending request: by who asked, and only what policy agrees to. Policy is asked again, and so is everybody else. */
export function editRequest(
  context: LedgerContext,
  by: PrincipalId,
  id: RequestId,
  wanted: Edit,
  seen: string | null,
  facts: Facts,
  idempotency: IdempotencyKey | null = null,
): Promise<{ requestId: RequestId } | Refusal> {
  const acting = { operation: "edit-request", actor: { principal: by }, refs: { request: id }, idempotency };
  return transact(context, acting, async (work) => {
    const { tx } = work;
    const held = await heldToDecide(context, tx);
    if (isRefusal(held)) return held;
    if ((await tx.findRequest(id))?.requesterId !== by) return NOT_YOURS;
    // People before requests before grants.
    const person = await lockActivePrincipal(tx, by);
    if (isRefusal(person)) return person;
    const request = await tx.lockRequest(id);
    if (request === null) return NOT_YOURS;
    const extended = request.extendsGrantId === null ? null : await tx.lockGrant(request.extendsGrantId, null);
    const nowMs = await tx.nowMs();
    if (request.state === "pending" && nowMs >= request.expiresMs)
      await work.apply(expire(request, nowMs).changes, nowMs);
    const no = mayNotEdit(request, wanted, nowMs) ?? changedSince(request, seen);
    if (no !== null) return no;
    // Repeated, it changes nothing, and takes nobody's review.
    if (whatChanged(request, edited(request, wanted)).length === 0) return { requestId: id };
    return decideEdit(work, held, person, { request, wanted, extended: extended?.grant ?? null }, facts, nowMs);
  });
}

type Editing = { readonly request: AccessRequest; readonly wanted: Edit; readonly extended: Grant | null };

async function decideEdit(
  work: Work,
  { catalog, panics }: Held,
  person: Principal,
  { request, wanted, extended }: Editing,
  gathered: Facts,
  nowMs: number,
): Promise<{ requestId: RequestId } | Refusal> {
  const { tx } = work;
  const found = requireEntitlement(catalog, request.entitlement);
  if (isRefusal(found)) return found;
  const asks = edited(request, wanted);
  const no =
    outOfBounds({ ...asked(asks), startMs: wanted.startMs ?? null }, found, nowMs) ??
    (asks.emergency && found.resource.emergency === "off" ? switchedOff(found.resource.name) : null) ??
    forbiddenBy(panics, { resource: found.resource.name, principalId: person.id }) ??
    (await refuseWhileSinkIsLate(tx, catalog.configuration, asks.emergency)) ??
    (extended === null ? null : mayNotBeMore(asks, extended, found, nowMs));
  if (no !== null) return no;
  const policyAsked = { ...asks, ...(extended === null ? {} : await asExtension(tx, extended, asks.durationMs)) };
  const { decision, facts } = await askPolicy(tx, catalog, person, found, policyAsked, gathered, nowMs, request.id);
  if (decision.outcome === "denied") {
    const denied = deniedBy(decision, { requestId: request.id });
    return { ...denied, detail: `${denied.detail} ${STAYS}` };
  }
  const after: AccessRequest = {
    ...asks,
    scopeHash: found.entitlement.scopeHash,
    activation: decision.activation ?? asks.activation,
    decision,
    facts: factsToKeep(facts, person, policyAsked),
    configVersion: catalog.id,
  };
  // A rule may say how it starts, however it was asked for.
  if (whatChanged(request, after).length === 0) return { requestId: request.id };
  const reviews = await tx.reviewsOf(request.id);
  const decisions = [request.decision, decision];
  const subject = await subjectOf(tx, catalog, found, extended, decisions, peopleIn(reviews));
  const decided = edit(request, after, reviews, subject, nowMs);
  if (isRefusal(decided)) return decided;
  await work.apply(decided.changes, nowMs);
  return { requestId: request.id };
}

const asked = (request: AccessRequest) => ({ ...request, durationMs: request.durationMs as DurationMs });

function mayNotBeMore(asks: AccessRequest, grant: Grant, { entitlement }: Found, nowMs: number): Refusal | null {
  if (!isLive(grant)) return ended(grant);
  if (entitlement.scopeHash !== grant.scopeHash)
    return refuse(
      "scope-changed",
      `What ${grant.entitlement} allows was changed after this grant began. Make a new request.`,
    );
  return mayNotExtend(grant, asks.durationMs, { maxDurationMs: entitlement.maxDurationMs }, nowMs);
}
