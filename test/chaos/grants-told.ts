/**
 * The grants as the audit log tells them, and nothing else: for an oracle that must not believe the tables which the code
 * under test writes.
 */
import type { JsonObject } from "../../src/base/canonical.ts";
import { parseTimestamp } from "../../src/base/clock.ts";
import type { GrantId, PrincipalId, RequestId } from "../../src/base/ids.ts";
import type { EntryKind, EntryLeaf } from "../../src/domain/audit.ts";
import type { Evidence } from "../../src/domain/evidence.ts";
import type { GrantState } from "../../src/domain/grant.ts";

/** An entry at its position, as `readEntries` answers it. */
export type ToldEntry = {
  readonly seq: number;
  readonly leafHash: string;
  readonly leaf: EntryLeaf;
  readonly personal: Readonly<Record<string, string>>;
};

/** What the log says about one grant. */
export type ToldGrant = {
  readonly id: GrantId;
  readonly requestId: RequestId;
  readonly principalId: PrincipalId;
  readonly entitlement: string;
  readonly kinds: EntryKind[];
  state: GrantState;
  expiresMs: number;
  /** When it last became active, was given more time, or was told to be gone, by the log. */
  activeMs: number | null;
  extendedMs: number | null;
  endedMs: number | null;
  /** What its lease holds; null before one was written. */
  lease: { readonly seq: number; readonly rightKey: string | null; readonly identity: string } | null;
  /** Proofs with which it was closed, the latest last. */
  readonly receipts: { readonly seq: number; readonly atMs: number; readonly evidence: Evidence }[];
  accessGone: boolean;
  confirmed: boolean;
  rotations: number;
  extensions: number;
};

const STATE_AFTER: Partial<Record<EntryKind, GrantState>> = {
  "grant.created": "scheduled",
  "grant.provisioning": "provisioning",
  "grant.active": "active",
  "grant.revoking": "revoking",
  "grant.reopened": "revoking",
  "grant.revoked": "revoked",
  "grant.failed": "failed",
  "grant.cancelled": "cancelled",
};

/** Reads the log on as it grows. */
export class GrantsTold {
  readonly grants = new Map<GrantId, ToldGrant>();
  /** Who is deactivated now. */
  readonly deactivated = new Set<PrincipalId>();

  constructor(entries: Iterable<ToldEntry> = []) {
    for (const entry of entries) this.take(entry);
  }

  take(entry: ToldEntry): void {
    const { kind, refs, at, data } = entry.leaf;
    if (kind === "principal.deactivated" && refs.principal !== undefined) this.deactivated.add(refs.principal);
    if (kind === "principal.reactivated" && refs.principal !== undefined) this.deactivated.delete(refs.principal);
    if (refs.grant === undefined) return;
    const atMs = parseTimestamp(at) ?? Number.NaN;
    if (kind === "grant.created")
      this.grants.set(refs.grant, {
        id: refs.grant,
        requestId: refs.request as RequestId,
        principalId: refs.principal as PrincipalId,
        entitlement: String(data["entitlement"]),
        kinds: [],
        state: "scheduled",
        expiresMs: Number.NaN,
        activeMs: null,
        extendedMs: null,
        endedMs: null,
        lease: null,
        receipts: [],
        accessGone: false,
        confirmed: false,
        rotations: 0,
        extensions: 0,
      });
    const grant = this.grants.get(refs.grant);
    if (grant !== undefined) tell(grant, entry, atMs);
  }
}

type Telling = (grant: ToldGrant, entry: ToldEntry, atMs: number) => void;

const ended: Telling = (grant, _entry, atMs) => {
  grant.endedMs = atMs;
};
const closed: Telling = (grant, { seq, leaf }, atMs) => {
  grant.accessGone = true;
  grant.confirmed = false;
  grant.receipts.push({ seq, atMs, evidence: leaf.data["evidence"] as unknown as Evidence });
};

const TELLINGS: Partial<Record<EntryKind, Telling>> = {
  "grant.active": (grant, _entry, atMs) => {
    grant.activeMs = atMs;
  },
  "grant.extended": (grant, _entry, atMs) => {
    grant.extendedMs = atMs;
    grant.extensions += 1;
  },
  "lease.written": (grant, { seq, leaf, personal }) => {
    const identity = String((leaf.data["target"] as JsonObject | undefined)?.["identity"]);
    grant.lease = { seq, rightKey: personal["rightKey"] ?? null, identity };
  },
  "grant.revoking": ended,
  "grant.cancelled": ended,
  "grant.access-gone": (grant) => {
    grant.accessGone = true;
  },
  "grant.reopened": (grant) => {
    grant.accessGone = false;
    grant.confirmed = false;
  },
  "grant.revoked": closed,
  "grant.failed": closed,
  "grant.confirmed": (grant) => {
    grant.confirmed = true;
  },
  "credential.rotated": (grant) => {
    grant.rotations += 1;
  },
};

function tell(grant: ToldGrant, entry: ToldEntry, atMs: number): void {
  const { kind, data } = entry.leaf;
  grant.kinds.push(kind);
  grant.state = STATE_AFTER[kind] ?? grant.state;
  if (typeof data["expiresAt"] === "string") grant.expiresMs = parseTimestamp(data["expiresAt"]) ?? Number.NaN;
  TELLINGS[kind]?.(grant, entry, atMs);
}
