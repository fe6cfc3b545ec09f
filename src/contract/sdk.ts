/** What `tidegate/client` gives to programs that use the API: the client, what it throws, and what it sends and answers. */
export type { ProblemCode } from "../base/problem.ts";
export type { CredentialView, GrantView, Happening, RequestView } from "./access.ts";
export type { AuditEntry, AuditQuery } from "./audit.ts";
export type { AbsenceView, SetAway } from "./away.ts";
export type { BundleDone, BundleView, ReviewBundle, SubmitBundle } from "./bundles.ts";
export type { EntitlementView, ExplainRequest, Explanation, KitView, ResourceView } from "./catalog.ts";
export {
  type CallOptions,
  type Client,
  type ClientOptions,
  createClient,
  type Delivered,
  type Extended,
  type Page,
  type WaitOptions,
} from "./client.ts";
export { CannotReach, ProblemError, UnexpectedAnswer } from "./client-errors.ts";
export type { EventOptions } from "./client-events.ts";
export type { DriftFindingView, DriftReport, OtherAccessView, ResourceDrift } from "./drift.ts";
export type { EmergencyQuery, ReviewEmergency } from "./emergencies.ts";
export type { EventView } from "./events.ts";
export type { AskCredential, ExtendGrant, GrantQuery, RevokeGrant } from "./grants.ts";
export type { HealthCheckView, HealthView } from "./health.ts";
export type { Me } from "./identity.ts";
export type { MessageQuery, MessageView } from "./messages.ts";
export type { PanicView } from "./panics.ts";
export type { CommentOnRequest, RequestQuery, ReviewRequest, SubmitRequest } from "./requests.ts";
export type { Checks } from "./service.ts";
export type { TargetView } from "./targets.ts";
