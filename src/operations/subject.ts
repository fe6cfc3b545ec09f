import type { PrincipalId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { soughtFor } from "../domain/candidates.ts";
import type { Circumstances } from "../domain/circumstances.ts";
import type { Subject } from "../domain/decide-request.ts";
import type { Entitlement } from "../domain/entitlement.ts";
import { type Facts, seenByPolicy } from "../domain/facts.ts";
import type { Grant } from "../domain/grant.ts";
import type { Panic } from "../domain/panic.ts";
import type { Decision } from "../domain/policy.ts";
import type { Principal } from "../domain/principal.ts";
import { agreedDurationMs, bindingApprovals } from "../domain/request.ts";
import type { Resource } from "../domain/resource.ts";
import type { HeldAsker as Known } from "../store/in-force.ts";
import type { LedgerTx } from "../store/ledger.ts";
import type { Catalog, LedgerContext } from "./context.ts";
import { refuseInQuarantine } from "./refuse-in-quarantine.ts";
import { refuseWhileSinkIsLate } from "./refuse-while-sink-is-late.ts";

export type Found = { readonly resource: Resource; readonly entitlement: Entitlement };

/** The entitlement by its name, `orders-db:read`, or null. */
export function findEntitlement(catalog: Catalog, ref: string): Found | null {
  const [resourceName = "", name = "", ...rest] = ref.split(":");
  if (rest.length > 0) return null;
  const { resources } = catalog.configuration;
  const resource = Object.hasOwn(resources, resourceName) ? resources[resourceName] : undefined;
  const entitlement =
    resource !== undefined && Object.hasOwn(resource.entitlements, name) ? resource.entitlements[name] : undefined;
  return resource === undefined || entitlement === undefined ? null : { resource, entitlement };
}

/** The entitlement, or a refusal that names what there is. */
export function requireEntitlement(catalog: Catalog, ref: string): Found | Refusal {
  const found = findEntitlement(catalog, ref);
  if (found !== null) return found;
  const [resourceName = ""] = ref.split(":");
  const { resources } = catalog.configuration;
  const resource = Object.hasOwn(resources, resourceName) ? resources[resourceName] : undefined;
  const there =
    resource === undefined ? Object.keys(resources) : Object.values(resource.entitlements).map((e) => e.ref);
  const where = resource === undefined ? "The resources are" : `${resource.name} has`;
  const list = there.slice(0, 20).join(", ");
  return refuse(
    "unknown-entitlement",
    `There is no entitlement ${JSON.stringify(ref.slice(0, 100))}. ${where}: ${list}.`,
    { there: there.slice(0, 20) },
  );
}

export async function subjectOf(
  tx: LedgerTx,
  catalog: Catalog,
  found: Found,
  extended: Grant | null,
  /** What is asked of whom now, and was before. */
  decisions: readonly Decision[],
  /** Who has a part in it already. */
  people: readonly PrincipalId[] = [],
): Promise<Subject> {
  return {
    ...found,
    principals: await tx.candidatesFor(soughtFor(found.resource, decisions, people)),
    activateWithinMs: catalog.configuration.defaults.activateWithinMs,
    configVersion: catalog.id,
    extended,
  };
}

export const circumstancesOf = (
  user: Principal,
  found: Found,
  request: Circumstances["request"],
  facts: Facts,
  nowMs: number,
): Circumstances => ({ user, ...found, request, ...seenByPolicy(facts), nowMs });

/** More time on a grant, as policy is asked about it: judged by the whole time that it would make. */
export async function asExtension(
  tx: Pick<LedgerTx, "findRequest" | "reviewsOf">,
  grant: Grant,
  addMs: number,
): Promise<Pick<Circumstances["request"], "durationMs" | "extension">> {
  const original = await tx.findRequest(grant.requestId);
  const firstMs =
    original === null ? 0 : agreedDurationMs(original, bindingApprovals(original, await tx.reviewsOf(original.id)));
  return {
    durationMs: grant.expiresMs + addMs - grant.startsMs,
    extension: { count: grant.extensions, totalMs: Math.max(0, grant.durationMs - firstMs), addMs },
  };
}

/** The person, held until the transaction ends, when they are active; else the refusal. */
export async function lockActivePrincipal(tx: LedgerTx, id: PrincipalId): Promise<Principal | Refusal> {
  const principal = await tx.lockPrincipal(id);
  return principal?.active === true ? principal : DEACTIVATED;
}

const DEACTIVATED = refuse("principal-deactivated", "This person is deactivated: no access is given any more.");

/** Who asks and by which configuration, held until the transaction ends, and what is in force while they do. */
export type HeldAsker = Omit<Known, "version"> & { readonly catalog: Catalog };

/** Holds whoever asks; the refusal while nothing is configured. */
export async function holdAsker(
  { catalog }: LedgerContext,
  tx: LedgerTx,
  id: PrincipalId,
): Promise<HeldAsker | Refusal> {
  const { version, ...known } = await tx.holdAsker(id);
  const active = await catalog.withId(version, tx);
  return active === null ? NOT_CONFIGURED : { ...known, catalog: active };
}

/** Somebody who is given something where policy says so. */
export type Asker = { readonly person: Principal; readonly panics: readonly Panic[]; readonly nowMs: number };

/** Whoever asks for something; the refusal where nobody is given anything, or they are not. */
export async function hearAsker(
  tx: LedgerTx,
  { catalog: { configuration }, person, quarantine, panics, nowMs }: HeldAsker,
  emergency: boolean,
): Promise<Asker | Refusal> {
  const no = refuseInQuarantine({ quarantine }) ?? (await refuseWhileSinkIsLate(tx, configuration, emergency));
  if (no !== null) return no;
  return person?.active === true ? { person, panics, nowMs } : DEACTIVATED;
}

export const NOT_CONFIGURED = refuse("unavailable", "No configuration is active yet; start the server with one.");

/** A configuration under which somebody decides, and what must not be given under it. */
export type Held = { readonly catalog: Catalog; readonly panics: readonly Panic[] };

/** The configuration, held while somebody decides by it; the refusal while nobody may decide. */
export async function heldToDecide(context: LedgerContext, tx: LedgerTx): Promise<Held | Refusal> {
  const catalog = await context.catalog.held(tx);
  if (catalog === null) return NOT_CONFIGURED;
  const { quarantine, panics } = await tx.inForce();
  return refuseInQuarantine({ quarantine }) ?? { catalog, panics };
}
