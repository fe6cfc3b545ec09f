import type { JsonObject } from "../base/canonical.ts";
import type { GrantId, LeaseId, SecretId } from "../base/ids.ts";
import type { Delivery } from "./credential.ts";
import type { TargetIdentity } from "./evidence.ts";

/** Which resource and how to reach it, as it was when the lease was written: a revocation works from this alone. */
export type ConnectorSnapshot = {
  readonly kind: string;
  readonly resource: string;
  /** With references, as configured. */
  readonly connection: JsonObject;
  /** The same with secrets resolved, sealed: for when the configuration is gone. */
  readonly sealedConnection: SecretId;
};

/** The record of what is made on a target and must be undone. Written, and committed, before the making. */
export type Lease = {
  readonly id: LeaseId;
  readonly grantId: GrantId;
  /** What it gives, as one string: target identity and the right there. Everything that adds or removes that right is serialised by it. */
  readonly rightKey: string;
  readonly names: JsonObject;
  /** `found`: the right stood there before us and stays when we go. */
  readonly origin: "made" | "found";
  readonly scope: JsonObject;
  readonly scopeHash: string;
  readonly account: { readonly handle: string; readonly email: string | null };
  readonly connector: ConnectorSnapshot;
  /** Identity, and the furthest position that was seen there. */
  readonly target: TargetIdentity;
  readonly state: "intended" | "made" | "released";
  /** What the connector must know later, such as an OID. */
  readonly details: JsonObject;
  readonly delivery: Delivery | null;
  /** The sealed credential, until it is delivered; null afterwards, or where there is none. */
  readonly secretId: SecretId | null;
  /** The claim under which it was last written. */
  readonly fence: number;
  readonly createdMs: number;
};
