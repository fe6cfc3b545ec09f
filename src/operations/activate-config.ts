/** Makes a configuration the active one: a version in the store, its people, and a new look at everything that waits. */

import type { JsonObject } from "../base/canonical.ts";
import { parseTimestamp } from "../base/clock.ts";
import { principalId, type RequestId, tokenId } from "../base/ids.ts";
import { isRefusal } from "../base/problem.ts";
import type { EntryActor, EntryDraft } from "../domain/audit.ts";
import { peopleIn } from "../domain/candidates.ts";
import type { Configuration, DeclaredPrincipal } from "../domain/configuration.ts";
import { endPending, expire } from "../domain/decide-request.ts";
import { storedFacts } from "../domain/facts.ts";
import type { Principal } from "../domain/principal.ts";
import { reevaluate } from "../domain/reevaluate-request.ts";
import { GIVEN_ROLES, type RoleGroups, rolesWith } from "../domain/role-groups.ts";
import { type Answer, askPolicy } from "./ask-policy.ts";
import type { Catalog, LedgerContext } from "./context.ts";
import { deactivate } from "./deactivate-principal.ts";
import { asExtension, findEntitlement, subjectOf } from "./subject.ts";
import { transact, type Work } from "./transact.ts";

/** The issuer of people who are declared in the configuration; their subject is the handle. */
export const FILE_ISSUER = "file";
const CONFIG: EntryActor = { system: "config" };

/** Answers the version that is active now, and whether this call made it so. */
export async function activateConfiguration(
  context: LedgerContext,
  configuration: Configuration,
  source: string,
): Promise<{ version: number; changed: boolean }> {
  const acting = { operation: "activate-config", actor: CONFIG };
  const result = await transact(context, acting, (work) => activate(context, work, configuration, source, CONFIG));
  if (isRefusal(result)) throw new Error(result.detail);
  if (result !== null) return { version: result, changed: true };
  const active = await context.catalog.active(context.ledger);
  if (active === null) throw new Error("no configuration is active");
  return { version: active.id, changed: false };
}

/** The same within a larger change; null where it is the active one already. */
export async function activate(
  context: LedgerContext,
  work: Work,
  configuration: Configuration,
  source: string,
  actor: EntryActor,
): Promise<number | null> {
  const nowMs = await work.tx.nowMs();
  const version = await work.tx.activateConfig(configuration, source, nowMs);
  if (version === null) return null;
  const data: JsonObject = { version: version.id, hash: version.hash };
  await work.apply({ entries: [{ kind: "config.activated", actor, refs: {}, data }] }, nowMs);
  await syncPrincipals(work, configuration, nowMs);
  await syncRoles(work, configuration, nowMs);
  const catalog = context.catalog.add(version);
  for (const id of await work.tx.pendingRequestIds(null)) await lookAgain(work, catalog, id);
  return version.id;
}

/** Who is no longer declared, or no longer active, leaves. */
export async function partWithLeavers(
  work: Work,
  declared: readonly DeclaredPrincipal[],
  nowMs: number,
): Promise<void> {
  // Also where no version becomes active, because it waits to be confirmed.
  await work.tx.haltDecisions();
  const wanted = new Map(declared.map((person) => [person.handle, person]));
  for (const [handle, principal] of await work.tx.principalsOfIssuer(FILE_ISSUER))
    if (principal.active && wanted.get(handle)?.active !== true) await leave(work, principal, nowMs);
}

/** Makes people equal to those who are declared. */
export async function syncPrincipals(work: Work, configuration: Configuration, nowMs: number): Promise<void> {
  const { principals: declared, roles } = configuration;
  const known = await work.tx.principalsOfIssuer(FILE_ISSUER);
  // Leavers first: their handle may be somebody else's from this version on.
  await partWithLeavers(work, declared, nowMs);
  for (const person of declared) await upsert(work, person, roles, known.get(person.handle) ?? null, nowMs);
}

/** Whom the file does not name has the roles of their groups, and no others. */
async function syncRoles(work: Work, { roles = {} }: Configuration, nowMs: number): Promise<void> {
  const { tx } = work;
  const sources = Object.values(roles).flatMap((groups) => groups.map((group) => `group:${group}` as const));
  const named = new Set(Array.from((await tx.principalsOfIssuer(FILE_ISSUER)).values(), ({ id }) => id));
  for (const { id } of await tx.candidatesFor({ sources, roles: [...GIVEN_ROLES], ids: [] })) {
    const held = named.has(id) ? null : await tx.lockPrincipal(id);
    if (held?.active !== true) continue;
    const now = { ...held, roles: rolesWith(roles, held.groups) };
    if (changeOf(held, now) === null) continue;
    await tx.putPrincipal(now, nowMs);
    await work.apply({ entries: [principalEntry("principal.changed", now)] }, nowMs);
  }
}

async function leave(work: Work, principal: Principal, nowMs: number): Promise<void> {
  const locked = await work.tx.lockPrincipal(principal.id);
  if (locked?.active !== true) return;
  await deactivate(work, locked, CONFIG, "no longer active in the configuration");
  await work.tx.setDeclaredTokens(principal.id, [], nowMs);
}

/** Makes one person equal to what is declared of them. */
export async function upsert(
  work: Work,
  person: DeclaredPrincipal,
  given: RoleGroups | undefined,
  known: Principal | null,
  nowMs: number,
): Promise<void> {
  const { tokens, identities = [], workloads: _, ...declared } = person;
  if (known === null && !person.active) return;
  // The file goes by their provider, which says that they have left: they come back when it says so.
  if (known?.left === true && identities.some(({ scim }) => scim !== undefined))
    return work.tx.setDeclaredTokens(known.id, [], nowMs);
  const roles = rolesWith(given, person.groups, person.roles);
  const principal: Principal = { ...declared, roles, id: known?.id ?? principalId.make() };
  const kind = changeOf(known, principal);
  if (kind !== null && person.active) {
    await work.tx.putPrincipal(principal, nowMs);
    if (known === null) await work.tx.linkIdentity(FILE_ISSUER, person.handle, principal.id, nowMs);
    await work.apply({ entries: [principalEntry(kind, principal)] }, nowMs);
  }
  const stored = person.active
    ? tokens.map((token) => ({
        id: tokenId.make(),
        principalId: principal.id,
        name: token.name,
        hash: token.hash,
        expiresMs: token.expires === null ? null : parseTimestamp(token.expires),
        scopes: token.scopes ?? null,
      }))
    : [];
  await work.tx.setDeclaredTokens(principal.id, stored, nowMs);
}

function changeOf(
  known: Principal | null,
  wanted: Principal,
): "principal.added" | "principal.changed" | "principal.reactivated" | null {
  if (known === null) return "principal.added";
  if (!known.active && wanted.active) return "principal.reactivated";
  const same = (Object.keys(wanted) as (keyof Principal)[]).every(
    (key) => JSON.stringify(known[key]) === JSON.stringify(wanted[key]),
  );
  return same ? null : "principal.changed";
}

const principalEntry = (
  kind: "principal.added" | "principal.changed" | "principal.reactivated",
  principal: Principal,
): EntryDraft => ({
  kind,
  actor: CONFIG,
  refs: { principal: principal.id },
  data: {
    kind: principal.kind,
    type: principal.type,
    groups: [...principal.groups],
    roles: [...principal.roles],
    onCallTier: principal.onCallTier,
    ...(principal.manager === undefined ? {} : { manager: principal.manager }),
  },
  personal: {
    handle: principal.handle,
    name: principal.name,
    ...(principal.email === null ? {} : { email: principal.email }),
  },
});

/** A pending request is decided anew by the rules that hold from now on. */
async function lookAgain(work: Work, catalog: Catalog, id: RequestId): Promise<void> {
  const request = await work.tx.lockRequest(id);
  if (request?.state !== "pending") return;
  // Held, for it may be extended here: a copy that was read without a lock would undo what others did to it meanwhile.
  const extended =
    request.extendsGrantId === null ? null : ((await work.tx.lockGrant(request.extendsGrantId, null))?.grant ?? null);
  const nowMs = await work.tx.nowMs();
  if (nowMs >= request.expiresMs) return work.apply(expire(request, nowMs).changes, nowMs);
  const found = findEntitlement(catalog, request.entitlement);
  const requester = await work.tx.findPrincipal(request.requesterId);
  if (found === null || requester === null) {
    await work.apply(
      endPending(request, "denied", `${request.entitlement} no longer exists`, CONFIG, nowMs).changes,
      nowMs,
    );
    return;
  }
  const { durationMs, reason, ticket, startMs, emergency } = request;
  const more = extended === null ? {} : await asExtension(work.tx, extended, durationMs);
  const asked = { durationMs, reason, ticket, startMs, emergency, ...more };
  const decideOn = (factsAgeMs: number): Promise<Answer> => {
    const gathered = storedFacts(request.facts, factsAgeMs);
    return askPolicy(work.tx, catalog, requester, found, asked, gathered, nowMs, id);
  };
  const asAsked = await decideOn(0);
  // What was looked up when it was asked may let people go on deciding; it approves nothing by itself much later.
  const { decision, facts } =
    asAsked.decision.outcome === "automatic" ? await decideOn(nowMs - request.createdMs) : asAsked;
  const reviews = await work.tx.reviewsOf(id);
  const decisions = [request.decision, decision];
  const subject = await subjectOf(work.tx, catalog, found, extended, decisions, peopleIn(reviews));
  const decided = reevaluate(
    { ...request, facts: { ...facts } as unknown as JsonObject },
    reviews,
    decision,
    catalog.id,
    subject,
    nowMs,
  );
  if (decided === null) return;
  if (isRefusal(decided)) await work.apply(endPending(request, "denied", decided.detail, CONFIG, nowMs).changes, nowMs);
  else await work.apply(decided.changes, nowMs);
}
