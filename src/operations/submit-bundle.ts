import { type BundleId, bundleId, type PrincipalId, type RequestId } from "../base/ids.ts";
import { suggest } from "../base/nearest.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { type Bundle, bundleEntry, type RefusedPart } from "../domain/bundle.ts";
import type { Facts } from "../domain/facts.ts";
import { putBundle } from "../store/bundles.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Catalog, Context } from "./context.ts";
import { type Found, hearAsker, holdAsker, requireEntitlement } from "./subject.ts";
import { type Asked, decideAndRecord, outOfBounds, unprovenFor } from "./submit-request.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

/** A bundle of the configuration by its name, or entitlements put together for this once; the rest is the same for each. */
export type AskedBundle = Omit<Asked, "entitlement" | "bundle"> & {
  readonly wanted: { readonly bundle: string } | { readonly entitlements: readonly string[] };
};

/**
 * Asks for several entitlements as one, in one transaction and under one configuration. Each is decided on its own: what
 * is refused stops none of the others. What cannot be right, such as a duration too long for one of them, refuses all.
 */
export function submitBundle(
  context: Context,
  requester: PrincipalId,
  { wanted, ...asked }: AskedBundle,
  facts: Facts,
  idempotency: IdempotencyKey | null = null,
): Promise<{ bundleId: BundleId } | Refusal> {
  const acting = { operation: "submit-bundle", actor: { principal: requester }, idempotency };
  return transact<{ bundleId: BundleId }, SqlTx>(context, acting, async (work) => {
    const { tx } = work;
    const held = await holdAsker(context, tx, requester);
    if (isRefusal(held)) return held;
    const { catalog } = held;
    const kit = kitOf(catalog, wanted);
    if (isRefusal(kit)) return kit;
    const asker = await hearAsker(tx, held, asked.emergency);
    if (isRefusal(asker)) return asker;
    const { nowMs } = asker;
    const no = kit.parts
      .map((found) => outOfBounds({ ...asked, entitlement: found.entitlement.ref }, found, nowMs))
      .find(isRefusal);
    if (no !== undefined) return no;
    // Who is to show anew who they are does so before anything of it is asked for.
    for (const found of kit.parts) {
      const part = { ...asked, entitlement: found.entitlement.ref };
      const unproven = await unprovenFor(work, catalog, asker, part, found, facts);
      if (unproven !== null) return unproven;
    }
    const bundle: Bundle = {
      ...kit.called,
      id: bundleId.make(),
      requesterId: requester,
      refused: [],
      createdMs: nowMs,
    };
    await putBundle(tx.sql, bundle);
    const requests: RequestId[] = [];
    const refused: RefusedPart[] = [];
    for (const found of kit.parts) {
      const part = { ...asked, entitlement: found.entitlement.ref, bundle: bundle.id };
      const made = await decideAndRecord(work, catalog, asker, part, found, facts, null);
      const id = isRefusal(made) ? made.extra["requestId"] : made.request.id;
      if (typeof id === "string") requests.push(id as RequestId);
      else if (isRefusal(made))
        refused.push({ entitlement: found.entitlement.ref, code: made.refused, detail: made.detail });
    }
    const whole = { ...bundle, refused };
    if (refused.length > 0) await putBundle(tx.sql, whole);
    await work.apply({ entries: [bundleEntry(whole, requests)] }, nowMs);
    return { bundleId: bundle.id };
  });
}

type KitFound = { readonly called: Pick<Bundle, "name" | "title">; readonly parts: readonly Found[] };

function kitOf(catalog: Catalog, wanted: AskedBundle["wanted"]): KitFound | Refusal {
  if ("entitlements" in wanted) {
    const refs = [...new Set(wanted.entitlements)];
    return partsOf(catalog, refs, { name: null, title: refs.join(", ") });
  }
  const bundles = catalog.configuration.bundles ?? {};
  const kit = Object.hasOwn(bundles, wanted.bundle) ? bundles[wanted.bundle] : undefined;
  if (kit !== undefined) return partsOf(catalog, kit.entitlements, { name: kit.name, title: kit.title });
  const there = Object.keys(bundles);
  const extra = { there: there.slice(0, 20) };
  const name = wanted.bundle.slice(0, 100);
  const { resources } = catalog.configuration;
  if (Object.hasOwn(resources, wanted.bundle))
    return refuse("unknown-bundle", `${name} is a resource: name what you need on it, such as ${name}:read.`, extra);
  const instead = `${there.length === 0 ? "None is configured" : suggest(name, there, "There are")}.`;
  return refuse("unknown-bundle", `There is no bundle ${JSON.stringify(name)}. ${capital(instead)}`, extra);
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1).replace("?.", "?");

function partsOf(catalog: Catalog, refs: readonly string[], called: KitFound["called"]): KitFound | Refusal {
  const parts: Found[] = [];
  for (const ref of refs) {
    const found = requireEntitlement(catalog, ref);
    if (isRefusal(found)) return found;
    parts.push(found);
  }
  return { called, parts };
}
