/**
 * Entries of the audit log as events of OCSF (Open Cybersecurity Schema Framework), for whoever collects them from many
 * products: of the classes Account Change, Authentication and User Access Management. What has no place in a class goes
 * along under `unmapped`, word for word, so that nothing is lost on the way.
 */
import { tidegateVersion } from "../../base/version.ts";
import type { AuditEntry } from "../../contract/audit.ts";

/** The last version in which none of the three classes is deprecated. */
export const OCSF_VERSION = "1.8.0";

type Class = readonly [uid: number, name: string];
const ACCOUNT: Class = [3001, "Account Change"];
const AUTHENTICATION: Class = [3002, "Authentication"];
const ACCESS: Class = [3005, "User Access Management"];

const [SUCCESS, FAILURE] = [1, 2];
const [INFORMATIONAL, MEDIUM, HIGH] = [1, 3, 4];
const SEVERITIES: Readonly<Record<number, string>> = { 1: "Informational", 3: "Medium", 4: "High" };

type Activity = readonly [of: Class, id: number, name: string, more?: { status?: number; severity?: number }];
const OTHER = 99;

/**
 * What is not here happens to nobody's account, session or access. Neither do a panic and a signal: every grant, session and
 * token that they end is an event of its own.
 */
const ACTIVITIES: Readonly<Record<string, Activity>> = {
  "principal.added": [ACCOUNT, 1, "Create"],
  "principal.changed": [ACCOUNT, OTHER, "Change"],
  "principal.deactivated": [ACCOUNT, 5, "Disable"],
  "principal.reactivated": [ACCOUNT, 2, "Enable"],
  "principal.erased": [ACCOUNT, 6, "Delete"],
  // Whom it turns off is in "principal.deactivated".
  "scim.removed": [ACCOUNT, OTHER, "Remove At Provider"],
  "passkey.added": [ACCOUNT, 10, "MFA Factor Enable"],
  "passkey.removed": [ACCOUNT, 11, "MFA Factor Disable"],
  "token.issued": [ACCOUNT, OTHER, "Token Issue"],
  "token.rotated": [ACCOUNT, OTHER, "Token Rotate"],
  "token.revoked": [ACCOUNT, OTHER, "Token Revoke"],
  "session.started": [AUTHENTICATION, 1, "Logon"],
  "session.authenticated": [AUTHENTICATION, OTHER, "Step-up"],
  "session.ended": [AUTHENTICATION, 2, "Logoff"],
  "token.exchanged": [AUTHENTICATION, 1, "Logon"],
  // Access is assigned when it is there and revoked when it is proven gone, not when somebody decides so.
  "grant.active": [ACCESS, 1, "Assign Privileges"],
  "grant.revoked": [ACCESS, 2, "Revoke Privileges"],
  "grant.failed": [ACCESS, 1, "Assign Privileges", { status: FAILURE, severity: MEDIUM }],
  "grant.reopened": [ACCESS, OTHER, "Access Seen Again", { severity: HIGH }],
  "grant.still-live": [ACCESS, OTHER, "Still Live", { status: FAILURE, severity: HIGH }],
  "request.denied": [ACCESS, OTHER, "Request Denied", { status: FAILURE }],
  "emergency.overdue": [ACCESS, OTHER, "Emergency Review Overdue", { status: FAILURE, severity: HIGH }],
};
/** Of a grant whose end takes only its own credential and sessions: other grants hold the right, or it was there before. */
const RIGHT_STAYS: Activity = [ACCESS, OTHER, "Grant Ended, Right Stays"];
const REST = /^(request|review|emergency|grant|lease|credential)\./;
const words = (kind: string): string =>
  kind.replaceAll(/(?:^|[.-])(\w)/g, (_, letter: string) => ` ${letter.toUpperCase()}`);

/** The event; null for what is of none of the classes. */
export function ocsfEvent(entry: AuditEntry): object | null {
  const { kind, data, actor, refs, personal, id, at, installation, seq, who, leafHash, commitments } = entry;
  const activity = rightStays(entry) ? RIGHT_STAYS : (ACTIVITIES[kind] ?? restOf(kind));
  const by = "principal" in actor ? actor.principal : null;
  const subject = refs.principal ?? by;
  if (activity === undefined || subject === null) return null;
  const [[class_uid, class_name], activity_id, activity_name, more = {}] = activity;
  const severity_id = more.severity ?? (data["emergency"] === true ? MEDIUM : INFORMATIONAL);
  const status_id = more.status ?? SUCCESS;
  return {
    ...{ activity_id, activity_name, category_uid: 3, category_name: "Identity & Access Management" },
    ...{ class_uid, class_name, type_uid: class_uid * 100 + activity_id, type_name: `${class_name}: ${activity_name}` },
    ...{
      severity_id,
      severity: SEVERITIES[severity_id],
      status_id,
      status: status_id === SUCCESS ? "Success" : "Failure",
    },
    time: Date.parse(at),
    message: kind,
    metadata: {
      version: OCSF_VERSION,
      product: { name: "Tidegate", vendor_name: "Tidegate", version: tidegateVersion() },
      ...{ uid: id, event_code: kind, log_name: `tidegate/${installation}`, sequence: seq, original_time: at },
    },
    actor: by === null ? { app_name: `Tidegate ${who}` } : { user: { uid: by, name: who } },
    user: { uid: subject, ...nameOf(subject === by ? who : personal["handle"]), ...mailOf(personal["email"]) },
    ...ofClass(class_uid, data),
    unmapped: { leafHash, refs, data, personal, ...(commitments === undefined ? {} : { commitments }) },
  };
}

function rightStays({ kind, data: { evidence } }: AuditEntry): boolean {
  if (kind !== "grant.revoked" || typeof evidence !== "object" || evidence === null || !("kind" in evidence))
    return false;
  return evidence.kind === "covered" || evidence.kind === "standing";
}

const restOf = (kind: string): Activity | undefined =>
  REST.test(kind) ? [ACCESS, OTHER, words(kind).trim()] : undefined;

const nameOf = (name: string | undefined) => (name === undefined ? {} : { name });
const mailOf = (email_addr: string | undefined) => (email_addr === undefined ? {} : { email_addr });

function ofClass(uid: number, data: AuditEntry["data"]): object {
  const { entitlement, session, issuer } = data;
  if (uid === AUTHENTICATION[0]) {
    const known = typeof session === "string" ? { session: { uid: session, ...(issuer ? { issuer } : {}) } } : {};
    return { service: { name: "Tidegate" }, ...known };
  }
  if (uid !== ACCESS[0]) return {};
  // What is of a lease names no entitlement: earlier versions of the schema demand the list all the same.
  if (typeof entitlement !== "string") return { privileges: [] };
  return { privileges: [entitlement], resources: [{ name: entitlement.split(":")[0] }] };
}
