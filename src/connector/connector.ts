/**
 * What a connector is: one file that knows how to give, take back and look for access on one kind of target.
 *
 * A connector does the plain thing and throws a `TargetError` when the target says no. Retry, deadlines, claims, fencing
 * in the ledger, metrics and redaction are the host's. Every verb may be called any number of times, after any crash.
 */
import type { z } from "zod";
import type { JsonObject } from "../base/canonical.ts";
import type { Finding } from "../base/finding.ts";
import type { GrantId, InstallationId } from "../base/ids.ts";
import type { Secret } from "../base/secret.ts";
import type { Delivery } from "../domain/credential.ts";
import type { Observation, TargetIdentity } from "../domain/evidence.ts";
import type { Observed, OtherAccess } from "../domain/observed.ts";

/** Who works on the target: shown there (`application_name` or the like), so that a later claim can end an earlier one's session. */
export type Actor = {
  readonly installation: InstallationId;
  /** The grant worked on, or null for sweeps and checks. */
  readonly grant: GrantId | null;
  /** Grows with every claim; a session of the same grant with a smaller fence is stale and is ended by `open`. */
  readonly fence: number;
};

/** What is about to be made, before anything is: enough to choose every name. */
export type Intent<Scope> = {
  readonly installation: InstallationId;
  readonly grant: GrantId;
  readonly scope: Scope;
  readonly scopeHash: string;
  /** The person as the target may know them. */
  readonly principal: { readonly handle: string; readonly email: string | null };
};

export type Intended = {
  /** What is shared with other grants: two leases with the same right on one target hold one and the same thing. */
  readonly right: string;
  /** Every name that will be used on the target; derived from installation and grant id, so that a lost reply leaves nothing unknown. */
  readonly names: JsonObject;
};

/** One lease, as every verb gets it. */
export type Order<Scope> = Intent<Scope> & {
  readonly names: JsonObject;
  /** What earlier verbs remembered (an OID, say); `{}` at first. */
  readonly details: JsonObject;
  /** Stores details durably, fenced, before a step that would make them unknowable. Merged into `details`. */
  remember(details: JsonObject): Promise<void>;
};

export type Provisioned = {
  readonly details: JsonObject;
  /** How to get in, without the secret. */
  readonly delivery: Delivery;
};

export type Probe = {
  /** The grant's own credential and sessions. Anything but a proof of refusal is `unknown`, never `gone`. */
  readonly own: "gone" | "live" | "unknown";
  /** The right itself, however held. */
  readonly right: "gone" | "live" | "unknown";
  /** What is still to clean up on the target, in words; empty when nothing is left. */
  readonly remains: readonly string[];
  readonly observations: readonly Observation[];
};

export type Target<Scope> = {
  identify(): Promise<TargetIdentity>;
  /** Whether the right is there already, not made by us. Asked before the lease is written; changes nothing. */
  standing(order: Order<Scope>): Promise<boolean>;
  /**
   * Makes the access, or makes it equal to the order where it exists. The secret (null for a connector without) replaces
   * any earlier one; the target's own expiry becomes its now + remaining.
   */
  provision(order: Order<Scope>, grant: { secret: Secret | null; remainingMs: number }): Promise<Provisioned>;
  /** Moves the target's own expiry to its now + remaining. Sessions go on. */
  extend(order: Order<Scope>, grant: { remainingMs: number }): Promise<void>;
  /**
   * Ends the grant's own credential and sessions, then removes what was made. With `keep` the right itself stays,
   * because another grant needs it or because it stood before us. Revoking the absent succeeds. Access is cut before
   * anything is cleaned up, so that a clean-up that cannot be done never leaves a way in.
   */
  revoke(order: Order<Scope>, options: { keep: boolean }): Promise<void>;
  /**
   * Shuts the access and ends its sessions, at once, on every way in, and removes nothing that a later `revoke` or
   * `probe` needs. For when our own store is away and nothing more may be decided. Of the absent it succeeds; `order` is
   * from a journal, so `remember` may fail and is not to be called. A membership that carries no identity of its own can
   * only be taken away: unless `keep`.
   */
  disable(order: Order<Scope>, options: { keep: boolean }): Promise<void>;
  /**
   * Tries the access and says what it saw. Never trusts what revoke said. Asked of a grant that has ended: it may make
   * the credential useless on the way, never give anything.
   */
  probe(order: Order<Scope>): Promise<Probe>;
  /**
   * Everything that carries our mark, what hangs on it, and of what can carry none the access that the orders name. With the
   * orders of live grants it also tells in what each differs from its order: an order of which nothing is listed is
   * missing on the target. Changes nothing.
   */
  observe(installation: InstallationId, orders?: readonly Order<Scope>[]): Promise<readonly Observed[]>;
  /**
   * Cuts and takes away one thing that `observe` listed and no ledger knows, in the order of `revoke`, and says what it saw
   * afterwards. Looks at the mark itself and refuses (`conflict`) what carries another installation's or none; the absent
   * is a success.
   */
  remove(observed: Observed): Promise<Probe>;
  /**
   * Makes what a live grant holds equal to its order again, without a new secret: takes what is more and, with `give`, gives
   * back what is less. Sessions go on. A connector without secrets needs none: its `provision` serves.
   */
  mend?(order: Order<Scope>, options: { remainingMs: number; give: boolean }): Promise<void>;
  /** Who has, without any mark of ours, what the scopes give; the orders are of live grants, for what can carry no mark. Changes nothing. */
  others?(scopes: readonly NamedScope<Scope>[], orders: readonly Order<Scope>[]): Promise<readonly OtherAccess[]>;
  close(): Promise<void>;
};

/** A scope with the entitlement it belongs to, as `orders-db:read`, so that a finding can name it. */
export type NamedScope<Scope> = { readonly entitlement: string; readonly scope: Scope };

export type Connector<Connection = unknown, Scope = unknown> = {
  readonly kind: string;
  /** Whether access comes with a secret of its own; `password`: the host makes one and hands it to `provision`. */
  readonly credential: "password" | "none";
  /** Parses the `connection:` of a resource, secrets resolved. */
  readonly connection: z.ZodType<Connection>;
  /** Parses the `scope:` of an entitlement. Refuses scopes that open a back door. */
  readonly scope: z.ZodType<Scope>;
  /** What the approver reads: one plain sentence each, what it leaves open included. */
  describe(scope: Scope): string[];
  /** Whether everything that `inner` allows, `outer` allows too. When in doubt, false: an approver can then not offer it as less. */
  includes(outer: Scope, inner: Scope): boolean;
  /** Pure: the names that will be used. */
  intend(intent: Intent<Scope>): Intended;
  /** Signs in as `actor`; ends older sessions of the same grant first. The signal aborts everything under way. */
  open(connection: Connection, context: { signal: AbortSignal; actor: Actor }): Promise<Target<Scope>>;
  /**
   * For `tidegate doctor`: whether everything is there that the other verbs need for these scopes, and what the target
   * leaves open. Changes nothing. What is missing is a finding with the exact thing to do, not an error.
   */
  diagnose?(
    connection: Connection,
    scopes: readonly NamedScope<Scope>[],
    context: { signal: AbortSignal; actor: Actor },
  ): Promise<readonly Finding[]>;
};

/** Declares a connector; only gives its types. */
export const defineConnector = <Connection, Scope>(
  connector: Connector<Connection, Scope>,
): Connector<Connection, Scope> => connector;

export const TARGET_ERRORS = [
  "unreachable", // no answer, or none in time
  "cannot-sign-in", // the admin credential is refused
  "not-permitted", // the admin lacks a right on the target
  "no-such-object", // the scope names something that is not there
  "not-supported", // this target cannot do it
  "moved", // another server answers, or an older copy of it
  "conflict", // something there is in the way
  "failed", // anything else
] as const;
export type TargetErrorCode = (typeof TARGET_ERRORS)[number];

/** A target that did not do what was asked. The message holds no secret and says what to do where that is known. */
export class TargetError extends Error {
  override readonly name = "TargetError";
  readonly code: TargetErrorCode;
  /** Whether the same call can never succeed until somebody changes the target or the scope. */
  readonly permanent: boolean;

  constructor(code: TargetErrorCode, message: string, options: { permanent?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.permanent = options.permanent ?? (code === "no-such-object" || code === "not-supported");
  }
}

/** `tidegate:<installation>:<grant>:<fence>`; at most 63 bytes, PostgreSQL's limit. */
export const actorName = (actor: Actor): string =>
  `tidegate:${actor.installation}:${actor.grant ?? "-"}:${actor.fence}`;
