/** What `tidegate/client` gives to programs that use the API: the client, what it throws, and what it sends and answers. */
export type { ProblemCode } from "../base/problem.ts";
export type { CredentialView, GrantView, Happening, RequestView } from "./access.ts";
export type { AuditEntry } from "./audit.ts";
export type { AbsenceView } from "./away.ts";
export type { BundleDone, BundleView } from "./bundles.ts";
export type { EntitlementView, Explanation, KitView, ResourceView } from "./catalog.ts";
export {
  type AskCredential,
  type AuditQuery,
  type CallOptions,
  type Client,
  type ClientOptions,
  type CommentOnRequest,
  createClient,
  type Delivered,
  type EmergencyQuery,
  type ExplainRequest,
  type Extended,
  type ExtendGrant,
  type GrantQuery,
  type MessageQuery,
  type Page,
  type RequestQuery,
  type ReviewBundle,
  type ReviewEmergency,
  type ReviewRequest,
  type RevokeGrant,
  type SetAway,
  type SubmitBundle,
  type SubmitRequest,
  type WaitOptions,
} from "./client.ts";
export { CannotReach, ProblemError, UnexpectedAnswer } from "./client-errors.ts";
export type { EventOptions } from "./client-events.ts";
export type { DriftFindingView, DriftReport, OtherAccessView, ResourceDrift } from "./drift.ts";
export type { EventView } from "./events.ts";
export type { HealthCheckView, HealthView } from "./health.ts";
export type { Me } from "./identity.ts";
export type { MessageView } from "./messages.ts";
export type { PanicView } from "./panics.ts";
export type { Checks } from "./service.ts";
export type { TargetView } from "./targets.ts";
