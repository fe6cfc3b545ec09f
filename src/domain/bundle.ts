/** Several entitlements asked for as one. Each is decided, granted and ended on its own; a bundle only holds them together. */
import type { BundleId, PrincipalId, RequestId } from "../base/ids.ts";
import type { ProblemCode } from "../base/problem.ts";
import type { EntryDraft } from "./audit.ts";
import type { EntitlementRef } from "./entitlement.ts";

/** Entitlements at once, at most: what somebody approves they must be able to read. */
export const BUNDLE_MAX = 20;

/** As the configuration names it. */
export type Kit = { readonly name: string; readonly title: string; readonly entitlements: readonly EntitlementRef[] };

/** What was refused before it could become a request, such as by a panic. */
export type RefusedPart = { readonly entitlement: EntitlementRef; readonly code: ProblemCode; readonly detail: string };

export type Bundle = {
  readonly id: BundleId;
  readonly requesterId: PrincipalId;
  /** As the configuration named it then; null: put together for this once. */
  readonly name: string | null;
  readonly title: string;
  readonly refused: readonly RefusedPart[];
  readonly createdMs: number;
};

export const bundleEntry = (bundle: Bundle, requests: readonly RequestId[]): EntryDraft => ({
  kind: "bundle.submitted",
  actor: { principal: bundle.requesterId },
  refs: { principal: bundle.requesterId },
  data: {
    bundle: bundle.id,
    name: bundle.name,
    requests: [...requests],
    refused: bundle.refused.map(({ entitlement, code }) => ({ entitlement, code })),
  },
});
