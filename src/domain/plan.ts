/**
 * What must be done now so that the targets become equal to the ledger. Pure: the reconciler loads, asks, executes,
 * and asks again. Level-triggered: it looks at how things are and never at what happened, so a lost event loses nothing.
 */
import { unreachable } from "../base/assert.ts";
import type { GrantId } from "../base/ids.ts";
import { type Grant, type GrantState, PROVISION_WITHIN_MS } from "./grant.ts";
import type { Lease } from "./lease.ts";

export type Action =
  /** Look at policy once more, then provision. */
  | { readonly do: "start"; readonly grant: GrantId }
  /** An on-use grant that nobody used in time. */
  | { readonly do: "lapse"; readonly grant: GrantId }
  | { readonly do: "provision"; readonly grant: GrantId }
  /** Provisioning took too long or reached the end: undo it. */
  | { readonly do: "give-up"; readonly grant: GrantId }
  | { readonly do: "expire"; readonly grant: GrantId }
  | { readonly do: "extend"; readonly grant: GrantId }
  | { readonly do: "rotate"; readonly grant: GrantId }
  | { readonly do: "revoke"; readonly grant: GrantId }
  | { readonly do: "confirm"; readonly grant: GrantId };

/** What is due for one grant now, or null. */
export function actionFor(grant: Grant, nowMs: number): Action | null {
  const due = dueMs(grant);
  if (due === null || due > nowMs) return null;
  const act = (verb: Action["do"]): Action => ({ do: verb, grant: grant.id });
  switch (grant.state) {
    case "scheduled":
      return act(nowMs >= (grant.activateByMs ?? grant.expiresMs) ? "lapse" : "start");
    case "provisioning":
      return act(nowMs >= givesUpMs(grant) ? "give-up" : "provision");
    case "active":
      if (nowMs >= grant.expiresMs) return act("expire");
      return act(grant.extendTarget ? "extend" : "rotate");
    case "revoking":
      return act("revoke");
    case "revoked":
    case "failed":
      return act("confirm");
    case "cancelled":
      return null;
    default:
      return unreachable(grant);
  }
}

/** When `actionFor` next has something to do; null: never again, unless somebody changes the grant. */
export function dueMs(grant: Grant): number | null {
  const retryMs = grant.trouble?.retryMs ?? 0;
  switch (grant.state) {
    case "scheduled":
      return grant.activateByMs ?? Math.max(grant.startsMs, retryMs);
    case "provisioning":
      return Math.min(Math.max(grant.startsMs, retryMs), givesUpMs(grant));
    case "active":
      return grant.extendTarget || grant.rotateCredential ? Math.min(retryMs, grant.expiresMs) : grant.expiresMs;
    case "revoking":
      // At once. Of many, those that ended first come first, and before them what somebody wants gone now.
      return Math.max(grant.ending.cause === "expired" ? grant.expiresMs : grant.createdMs, retryMs);
    case "revoked":
    case "failed":
      return grant.confirmMs === null ? null : Math.max(grant.confirmMs, retryMs);
    case "cancelled":
      return null;
    default:
      return unreachable(grant);
  }
}

const givesUpMs = (grant: Grant): number => Math.min(grant.startsMs + PROVISION_WITHIN_MS, grant.expiresMs);

/** The kinds of what is due, the most urgent first: 0 takes access away or moves its end, 1 gives it, 2 tidies up and looks once more. */
export type Urgency = 0 | 1 | 2;

/**
 * Access that should be gone comes before access that should be there, and both before a second look at what a probe has
 * seen gone already.
 */
export function urgencyOf(grant: Grant): Urgency {
  if (grant.state === "active" || (grant.state === "revoking" && !grant.accessGone)) return 0;
  return grant.state === "scheduled" || grant.state === "provisioning" ? 1 : 2;
}

/** Everything that is due, the most urgent first. */
export function plan(grants: readonly Grant[], nowMs: number): Action[] {
  const due = grants.flatMap((grant) => {
    const action = actionFor(grant, nowMs);
    return action === null ? [] : [{ action, urgency: urgencyOf(grant) }];
  });
  return due.sort((a, b) => a.urgency - b.urgency).map(({ action }) => action);
}

export type SharedRight = {
  /** Other live grants that hold the same right: while there is one, the right stays. */
  readonly coveredBy: readonly GrantId[];
  /** Other grants that hold it still, but are being revoked themselves: they keep nothing, and take it away in their turn. */
  readonly leaving: readonly GrantId[];
  /** It stood there before us. */
  readonly standing: boolean;
};

/**
 * Who else needs what this lease gives. Only grants that are, or are about to be, in use count: one that is itself being
 * revoked needs nothing any more, so two that end together never wait for each other.
 */
export function sharedRight(lease: Lease, others: readonly { grant: Grant | null; lease: Lease }[]): SharedRight {
  const holders = others
    .filter((other) => other.lease.rightKey === lease.rightKey && other.lease.state !== "released")
    .flatMap(({ grant }) => (grant === null || grant.id === lease.grantId ? [] : [grant]));
  const idsOf = (...states: GrantState[]) => holders.filter(({ state }) => states.includes(state)).map(({ id }) => id);
  return {
    coveredBy: idsOf("active", "provisioning"),
    leaving: idsOf("revoking"),
    standing: lease.origin === "found",
  };
}
