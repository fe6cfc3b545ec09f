/**
 * What the author of a connector writes so that `conformance` can test it: how to reach a fresh target, how to come in with
 * what was delivered, and how to look at the target without the connector. Everything here is independent of the
 * connector: what it says about itself is what is tested.
 */
import type { InstallationId } from "../../base/ids.ts";
import type { Secret } from "../../base/secret.ts";
import type { Delivery } from "../../domain/credential.ts";
import type { Order } from "../connector.ts";

/** What not every kind of target has, or not every fixture can do. */
export const FEATURES = {
  sessions: "people stay in once they are in, until somebody ends it: `enter` gives a visit that can be cut",
  fencing: "the target itself stops what an earlier claim has open",
  marks: "what is made carries the installation and the grant: `marked`",
  missing: "a scope can name what is not there: `missing`",
  byHand: "somebody else can give a person the same right: `byHand`",
  another: "there is a second target: `another`",
  outage: "the target can be made to answer nothing: `outage`",
  hangs: "during the outage calls wait, instead of failing at once",
  log: "the target logs what is done on it: `log`",
} as const satisfies Record<string, string>;
export type Feature = keyof typeof FEATURES;

export type Fixture = {
  /** What this target does not have, and why. The rules that need it are reported with this reason, never passed in silence. */
  readonly without: Partial<Record<Feature, string>>;
  /** Makes a fresh target. Called once, before the first rule. */
  start(): Promise<Place>;
};

/** A person at the door, with what was delivered. */
export type Access = {
  readonly order: Order<unknown>;
  readonly delivery: Delivery;
  /** Null for a connector without secrets. */
  readonly secret: Secret | null;
};

/** A person who is in. */
export type Visit = {
  /** Does what the scope allows, in the session that is open: whether it worked. */
  works(): Promise<boolean>;
  leave(): Promise<void>;
};

/** A right that somebody else gave. */
export type ByHand = {
  /** Whether it is as it was given. */
  stands(): Promise<boolean>;
  undo(): Promise<void>;
};

/** One fresh target. What `without` does not name must be here. */
export type Place = {
  /** As in a configuration, secrets resolved: the connector's schema parses it. */
  readonly connection: unknown;
  /** A scope, as in a configuration, that this target can give. */
  readonly scope: unknown;
  /** Scopes that the connector's schema must refuse: back doors, misspelt fields. At least one. */
  readonly refused: readonly unknown[];
  /** The secrets in `connection`: they must not be seen anywhere. */
  readonly secrets: readonly string[];
  /**
   * Comes in as the person of the order would, by this grant alone: what another grant or a hand gives the same person does
   * not count where that can be told. Null when the target refuses; throws when it does not answer.
   */
  enter(access: Access): Promise<Visit | null>;
  /** Names of everything on the target that carries the installation's mark, however little it is; not what stays for good by design. */
  marked?(installation: InstallationId): Promise<readonly string[]>;
  /** A scope that the schema takes, and that names something which is not there. */
  readonly missing?: unknown;
  /** Gives the person of the order what the order's scope gives, as a human administrator would. */
  byHand?(order: Order<unknown>): Promise<ByHand>;
  /** The connection of another target: not a copy of the first one. */
  readonly another?: unknown;
  /** Makes the target answer nothing, to open connections as well; returns how to bring it back, as it was. */
  outage?(): Promise<() => Promise<void>>;
  /** Everything that the target has logged so far. */
  log?(): Promise<string>;
  /** Ends the target and removes all it had. */
  stop(): Promise<void>;
};
