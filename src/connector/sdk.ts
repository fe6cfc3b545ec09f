/** What `tidegate/connector` gives to those who write a connector: everything its interface names, and nothing of the house. */
export { z } from "zod";
export type { Json, JsonObject } from "../base/canonical.ts";
export { type Finding, type Health, unknown, warns, well, wrong } from "../base/finding.ts";
export { bareId, type GrantId, grantId, type InstallationId, newInstallationId } from "../base/ids.ts";
export type { Secret } from "../base/secret.ts";
export type { Delivery, MembershipDelivery, PasswordDelivery } from "../domain/credential.ts";
export type { Observation, TargetIdentity } from "../domain/evidence.ts";
export type { Observed, OtherAccess } from "../domain/observed.ts";
export {
  type Actor,
  actorName,
  type Connector,
  defineConnector,
  type Intended,
  type Intent,
  type NamedScope,
  type Order,
  type Probe,
  type Provisioned,
  TARGET_ERRORS,
  type Target,
  TargetError,
  type TargetErrorCode,
} from "./connector.ts";
