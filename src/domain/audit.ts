import type { Json, JsonObject } from "../base/canonical.ts";
import type { EntryId, GrantId, InstallationId, LeaseId, PrincipalId, RequestId } from "../base/ids.ts";
import type { MessageDraft } from "./message.ts";

/** What can happen. One entry for each thing that changes; the kinds are API. */
export const ENTRY_KINDS = [
  "installation.created",
  "config.activated",
  "config.proposed",
  "config.confirmed",
  "config.rejected",
  "config.withdrawn",
  "principal.added",
  "principal.changed",
  "principal.deactivated",
  "principal.reactivated",
  "principal.erased",
  "principal.away",
  "principal.back",
  "scim.added",
  "scim.changed",
  "scim.removed",
  "session.started",
  "session.ended",
  "session.authenticated",
  "passkey.added",
  "passkey.removed",
  "signal.received",
  "token.exchanged",
  "token.issued",
  "token.rotated",
  "token.revoked",
  "request.submitted",
  "request.denied",
  "request.approved",
  "request.cancelled",
  "request.expired",
  "request.reevaluated",
  "request.escalated",
  "request.edited",
  "request.commented",
  "request.asked-back",
  "request.answered",
  "bundle.submitted",
  "review.recorded",
  "emergency.reviewed",
  "emergency.overdue",
  "grant.created",
  "grant.activated",
  "grant.provisioning",
  "grant.active",
  "grant.extended",
  "grant.extended-on-target",
  "grant.revoking",
  "grant.access-gone",
  "grant.revoked",
  "grant.failed",
  "grant.cancelled",
  "grant.confirmed",
  "grant.reopened",
  "grant.trouble",
  "grant.still-live",
  "grant.shut",
  "lease.written",
  "lease.rebound",
  "target.accepted",
  "credential.delivered",
  "credential.rotation-asked",
  "credential.rotated",
  "key.added",
  "key.promoted",
  "key.forgotten",
  "key.abandoned",
  "key.signing-changed",
  "store.restored",
  "store.quarantined",
  "store.recovered",
  "store.head-missing",
  "audit.drop-announced",
  "audit.dropped",
  "audit.texts-dropped",
  "drift.found",
  "drift.resolved",
  "panic.started",
  "panic.lifted",
  "operation.refused",
] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** With what the kinds begin that tell of a request. Where a change tells of an emergency, an entry of these has its mark (`data.emergency`). */
export const OF_REQUESTS = ["request", "review", "emergency"] as const;
export type RequestEntryKind = Extract<EntryKind, `${(typeof OF_REQUESTS)[number]}.${string}`>;

/** Who did it: a person, or Tidegate itself with the part that acted. */
export type EntryActor =
  | { readonly principal: PrincipalId }
  | { readonly system: "reconciler" | "jobs" | "config" | "installation" | "journal" | "local-command" | "identity" };

export type EntryRefs = {
  readonly request?: RequestId;
  readonly grant?: GrantId;
  readonly lease?: LeaseId;
  readonly principal?: PrincipalId;
};

/** An entry before it is written: the transaction gives it its id, its time and its salts. */
export type EntryDraft = {
  readonly kind: EntryKind;
  readonly actor: EntryActor;
  readonly refs: EntryRefs;
  readonly data: JsonObject;
  /** Texts about or by a person. The log holds salted commitments to them; the clear values lie in a table that can be erased. */
  readonly personal?: Readonly<Record<string, string>>;
  /** Whom to tell of it. Messages are written with their entry and are no part of its leaf. */
  readonly tells?: readonly MessageDraft[];
};

/** The leaf of the log, stored as canonical JSON, verbatim and for ever. It holds no position: that is given afterwards. */
export type EntryLeaf = {
  readonly v: 1;
  readonly id: EntryId;
  /** Database time, RFC 3339. */
  readonly at: string;
  readonly installation: InstallationId;
  readonly kind: EntryKind;
  readonly actor: EntryActor;
  readonly refs: EntryRefs;
  readonly data: { readonly [key: string]: Json };
  /** SHA-256 over salt and value, hex, per personal field. */
  readonly commitments?: Readonly<Record<string, string>>;
};
