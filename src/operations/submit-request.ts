import type { JsonObject } from "../base/canonical.ts";
import { type DurationMs, formatDuration } from "../base/duration.ts";
import { type BundleId, type PrincipalId, type RequestId, requestId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { submit } from "../domain/decide-request.ts";
import type { Facts } from "../domain/facts.ts";
import type { Grant } from "../domain/grant.ts";
import { forbiddenBy } from "../domain/panic.ts";
import { type Decision, denialOf } from "../domain/policy.ts";
import type { Principal } from "../domain/principal.ts";
import { factsToKeep } from "../domain/recorded-request.ts";
import type { AccessRequest, Activation } from "../domain/request.ts";
import { askedUnproven } from "../domain/unproven.ts";
import { askPolicy } from "./ask-policy.ts";
import type { Catalog, LedgerContext } from "./context.ts";
import { type Asker, asExtension, type Found, hearAsker, holdAsker, requireEntitlement, subjectOf } from "./subject.ts";
import { type Acting, type IdempotencyKey, transact, type Work } from "./transact.ts";

export const REASON_CHARS_MAX = 4_000;
export const TICKET_CHARS_MAX = 200;
const START_AHEAD_MS_MAX = 90 * 86_400_000;

/** What somebody asks for, parsed. */
export type Asked = {
  readonly entitlement: string;
  readonly durationMs: DurationMs;
  readonly reason: string;
  readonly ticket: string;
  readonly startMs: number | null;
  readonly activation: Activation;
  readonly emergency: boolean;
  /** The bundle that it is asked for with. */
  readonly bundle?: BundleId;
};

/** A request as it was recorded, under which configuration, and those of whom the decision had to know. */
export type Recorded = {
  readonly request: AccessRequest;
  readonly catalog: Catalog;
  readonly principals: readonly Principal[];
};

/**
 * Asks for access. Granted at once, waiting for approval, or refused by policy: each is recorded. `recorded` hears of it
 * before it is committed, and not of a call that was done before.
 */
export function submitRequest(
  context: LedgerContext,
  requester: PrincipalId,
  asked: Asked,
  facts: Facts,
  idempotency: IdempotencyKey | null = null,
  recorded: (it: Recorded) => void = () => undefined,
): Promise<{ requestId: RequestId } | Refusal> {
  const actor = { principal: requester };
  const acting: Acting = { operation: "submit-request", actor, idempotency, asker: requester, touches: "requests" };
  return transact(context, acting, async (work) => {
    const held = await holdAsker(context, work.tx, requester);
    if (isRefusal(held)) return held;
    const { catalog } = held;
    const found = requireEntitlement(catalog, asked.entitlement);
    if (isRefusal(found)) return found;
    const asker = await hearAsker(work.tx, held, asked.emergency);
    if (isRefusal(asker)) return asker;
    const no = outOfBounds(asked, found, asker.nowMs);
    const made = no ?? (await decideAndRecord(work, catalog, asker, asked, found, facts, null));
    if (isRefusal(made)) return made;
    recorded(made);
    return { requestId: made.request.id };
  });
}

export function outOfBounds(asked: Asked, { entitlement }: Found, nowMs: number): Refusal | null {
  if (asked.emergency && asked.startMs !== null)
    return refuse("invalid-input", "An emergency starts now: leave the start out, or make an ordinary request.");
  if (asked.durationMs > entitlement.maxDurationMs) {
    const max = formatDuration(entitlement.maxDurationMs);
    return refuse(
      "invalid-duration",
      `${entitlement.ref} is for at most ${max}; you asked for ${formatDuration(asked.durationMs)}.`,
      { max },
    );
  }
  if (asked.startMs !== null && asked.startMs < nowMs - 60_000)
    return refuse("invalid-input", "The start lies in the past. Leave it out to start at once.");
  if (asked.startMs !== null && asked.startMs > nowMs + START_AHEAD_MS_MAX)
    return refuse("invalid-input", "The start lies more than 90 days ahead.");
  return null;
}

/** Whether policy would send them to sign in anew for this. */
export async function unprovenFor(
  { tx }: Work,
  catalog: Catalog,
  { person, nowMs }: Asker,
  asked: Asked,
  found: Found,
  gathered: Facts,
): Promise<Refusal | null> {
  if (!catalog.policy.demandsAuthentication) return null;
  const { decision, facts } = await askPolicy(tx, catalog, person, found, asked, gathered, nowMs);
  const { entitlement, durationMs } = asked;
  return askedUnproven({ decision, entitlement, durationMs, facts: facts as unknown as JsonObject }, nowMs);
}

export const switchedOff = (resource: string): Refusal =>
  refuse(
    "emergency-not-available",
    `Emergency access is switched off for ${resource}: nobody gets it, whoever they are. Make an ordinary request, and call those who may approve it.`,
  );

/** Asks policy and records the outcome. `extended` is the grant that more time is asked for. */
export async function decideAndRecord(
  work: Work,
  catalog: Catalog,
  { person, panics, nowMs }: Asker,
  asked: Asked,
  found: Found,
  gathered: Facts,
  extended: Grant | null,
): Promise<Recorded | Refusal> {
  if (asked.emergency && found.resource.emergency === "off") return switchedOff(found.resource.name);
  const forbidden = forbiddenBy(panics, { resource: found.resource.name, principalId: person.id });
  if (forbidden !== null) return forbidden;
  const wanted = { ...asked, ...(extended === null ? {} : await asExtension(work.tx, extended, asked.durationMs)) };
  const { decision, facts } = await askPolicy(work.tx, catalog, person, found, wanted, gathered, nowMs);
  const request: AccessRequest = {
    id: requestId.make(),
    parentId: asked.bundle ?? null,
    requesterId: person.id,
    extendsGrantId: extended?.id ?? null,
    entitlement: found.entitlement.ref,
    scopeHash: found.entitlement.scopeHash,
    narrowedTo: null,
    durationMs: asked.durationMs,
    reason: asked.reason,
    ticket: asked.ticket,
    startMs: asked.startMs,
    activation: decision.activation ?? asked.activation,
    via: "direct",
    emergency: asked.emergency,
    state: "pending",
    endedBecause: null,
    decision,
    facts: factsToKeep(facts, person, wanted),
    configVersion: catalog.id,
    createdMs: nowMs,
    editedMs: null,
    expiresMs: nowMs + catalog.configuration.defaults.requestExpiresAfterMs,
    decidedMs: null,
    grantId: null,
    emergencyReview: null,
  };
  const subject = await subjectOf(work.tx, catalog, found, extended, [decision]);
  const decided = submit(request, subject, nowMs);
  if (isRefusal(decided)) return decided;
  await work.apply(decided.changes, nowMs);
  return denied(decided.request) ?? { request: decided.request, catalog, principals: subject.principals };
}

function denied(request: AccessRequest): Refusal | null {
  if (request.state !== "denied") return null;
  const { decision } = request;
  if (decision.outcome === "denied") return deniedBy(decision, { requestId: request.id });
  const extra = { requestId: request.id, trace: decision.trace, rule: decision.rule };
  return refuse("no-approvers", sentence(request.endedBecause ?? ""), extra);
}

/** What policy says no with. */
export function deniedBy(decision: Decision, about: Record<string, unknown>): Refusal {
  const extra = { ...about, trace: decision.trace, rule: decision.rule };
  const denial = sentence(denialOf(decision));
  if (decision.rule !== null) return refuse("policy-denied", `${denial}.`, extra);
  const tried = decision.trace
    .filter((line) => line.result === "does-not-apply")
    .map((line) => `${line.rule}: ${line.why}`);
  return refuse("policy-denied", `${denial}. ${tried.length === 0 ? "" : `Tried: ${tried.join("; ")}.`}`.trim(), extra);
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
