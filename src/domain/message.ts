/**
 * What people are told of. The decision that changes something says whom it concerns: its audit entry brings the messages
 * (`EntryDraft.tells`), and they are written with it or not at all. What is written are the facts, in `data`; the words are
 * made where they are shown or sent.
 *
 * A kind is one line of `MESSAGES`, and API: never renamed. What is added to its data later may be missing in a message that
 * was written earlier, so it is optional.
 */
import type { JsonObject } from "../base/canonical.ts";
import type { EntryId, GrantId, MessageId, PrincipalId, RequestId } from "../base/ids.ts";
import type { EntryDraft, EntryRefs } from "./audit.ts";
import type { EndCause } from "./end-cause.ts";

/** The handle of somebody, for showing. */
export type Who = (id: PrincipalId) => string;

/** A kind of message: who gets it, in words for the documentation, and what it says. */
type Kind<Data extends JsonObject> = {
  readonly to: string;
  readonly says: (data: Data, who: Who) => string;
  /** What the recipient types next. */
  readonly next?: (refs: EntryRefs) => string;
};
const kind = <Data extends JsonObject>(to: string, says: Kind<Data>["says"], next?: Kind<Data>["next"]): Kind<Data> =>
  next === undefined ? { to, says } : { to, says, next };

export const MESSAGES = {
  "request.needs-approval": kind<NeedsApproval>(
    "who may approve it",
    saysNeedsApproval,
    ({ request }) => `tidegate approve ${request}`,
  ),
  "request.escalated": kind<Escalated>(
    "its requester",
    (it) =>
      `Your request for ${it.entitlement} still waits, until ${it.expiresAt}; ${it.also.join(" and ")} may approve it now as well`,
    ({ request }) => `tidegate requests show ${request}`,
  ),
  "request.edited": kind<Edited>(
    "who was asked to approve it, and who has reviewed it: what they said counts no more",
    saysEdited,
    ({ request }) => `tidegate requests show ${request}`,
  ),
  "request.asked-back": kind<Said>(
    "its requester",
    (it, who) => `${who(it.by)} asks about your request for ${it.entitlement}: ${it.text}`,
    ({ request }) => `tidegate comment ${request} "your answer"`,
  ),
  "request.answered": kind<Said>(
    "who had asked",
    (it, who) => `${who(it.by)} answers about the request for ${it.entitlement}: ${it.text}`,
    ({ request }) => `tidegate approve ${request}`,
  ),
  "request.commented": kind<Said>(
    "its requester, or whoever wrote before",
    (it, who) => `${who(it.by)} writes about the request for ${it.entitlement}: ${it.text}`,
    ({ request }) => `tidegate requests show ${request}`,
  ),
  "request.approved": kind<Approved>("its requester", saysApproved, ({ grant }) => `tidegate grants show ${grant}`),
  "request.denied": kind<Ended>(
    "its requester",
    (it, who) => `Your request for ${it.entitlement} was denied${why(it, who)}`,
  ),
  "request.cancelled": kind<Ended>(
    "its requester",
    (it, who) => `Your request for ${it.entitlement} was cancelled${why(it, who)}`,
  ),
  "request.expired": kind<Ended>(
    "its requester",
    (it, who) => `Your request for ${it.entitlement} expired${why(it, who)}`,
  ),
  "request.no-approvers": kind<NoApprovers>("its requester and the admins", saysNoApprovers),
  "emergency.used": kind<EmergencyUsed>(
    "who could have approved it otherwise",
    saysEmergencyUsed,
    ({ request }) => `tidegate requests show ${request}`,
  ),
  "emergency.to-review": kind<EmergencyUsed>(
    "who reviews it afterwards",
    (it, who) => `${saysEmergencyUsed(it, who)}. Yours to review, until ${it.reviewDueAt}`,
    reviewIt,
  ),
  "emergency.overdue": kind<EmergencyTold>(
    "who reviews it, and the admins: when it is overdue, and every day from then on",
    (it, who) =>
      `Nobody has reviewed the emergency of ${who(it.requester)} on ${it.entitlement} (${it.reason}), due ${it.reviewDueAt}`,
    reviewIt,
  ),
  "emergency.reviewed": kind<EmergencyReviewed>(
    "its requester; and the admins, where it was not justified",
    (it, who) =>
      `${who(it.by)} found the emergency of ${who(it.requester)} on ${it.entitlement} ${it.verdict}${it.comment === "" ? "" : `: ${it.comment}`}`,
    ({ request }) => `tidegate requests show ${request}`,
  ),
  "principal.away": kind<AwayTold>(
    "who decides in their place, who did so far, and they themselves where an admin said it",
    (it, who) =>
      `${who(it.person)} is away until ${it.until}; ${it.delegate === null ? "nobody" : who(it.delegate)} decides in their place`,
    () => "tidegate away list",
  ),
  "principal.back": kind<Omit<AwayTold, "until">>(
    "who decided in their place, and they themselves where an admin said it",
    (it, who) => `${who(it.person)} is back, and decides again themselves`,
  ),
  "grant.ended": kind<GrantEnded>("whose access it was", saysGrantEnded),
  "grant.still-live": kind<StillLive>(
    "owners of the resource, operators and admins",
    saysStillLive,
    () => "tidegate grants list --state revoking",
  ),
  "panic.started": kind<PanicTold>(
    "operators and admins",
    (it, who) => `${who(it.by)} pressed the panic button over ${over(it, who)}: ${it.reason}`,
    () => "tidegate panic list",
  ),
  "panic.lifted": kind<PanicTold>(
    "operators and admins",
    (it, who) => `${who(it.by)} lifted the panic over ${over(it, who)}: ${it.reason}`,
  ),
  "config.waits": kind<{ version: number; widens: string[] }>(
    "admins",
    (it) => `Version ${it.version} of the configuration waits to be confirmed: ${it.widens.join("; ")}`,
    () => "tidegate config waiting",
  ),
  "store.quarantined": kind<{ why: string }>(
    "operators and admins",
    (it) => `Tidegate is in quarantine and gives nothing: ${it.why}`,
    () => "tidegate recover",
  ),
} as const;

export type MessageKind = keyof typeof MESSAGES;
type DataOf<K extends MessageKind> = Parameters<(typeof MESSAGES)[K]["says"]>[0];

/** A message before it is written. The entry that brings it gives it its time and what it is about. */
export type MessageDraft = {
  [K in MessageKind]: { readonly kind: K; readonly to: readonly PrincipalId[]; readonly data: DataOf<K> };
}[MessageKind];

/** As it was written; `kind` and `data` may be those of an earlier or a later program. */
export type Message = {
  readonly id: MessageId;
  /** The audit entry of what it tells. */
  readonly entryId: EntryId;
  readonly kind: string;
  readonly atMs: number;
  readonly requestId: RequestId | null;
  readonly grantId: GrantId | null;
  readonly to: readonly PrincipalId[];
  readonly data: JsonObject;
};

/** The same entry, which also tells somebody. A message to nobody is none. */
export function telling(entry: EntryDraft, ...messages: MessageDraft[]): EntryDraft {
  const tells = [...(entry.tells ?? []), ...messages.filter(({ to }) => to.length > 0)];
  return tells.length === 0 ? entry : { ...entry, tells };
}

/** What a message says, and what its reader may type next. */
export function inWords({ kind, data, requestId, grantId }: Message, who: Who): { text: string; next: string | null } {
  const known: Kind<never> | undefined = Object.hasOwn(MESSAGES, kind) ? MESSAGES[kind as MessageKind] : undefined;
  if (known === undefined) return { text: kind, next: null };
  const refs = {
    ...(requestId === null ? {} : { request: requestId }),
    ...(grantId === null ? {} : { grant: grantId }),
  };
  return { text: known.says(data as never, who), next: known.next?.(refs) ?? null };
}

/** Whom its words name. */
export function namedIn(message: Message): PrincipalId[] {
  const named: PrincipalId[] = [];
  inWords(message, (id) => {
    named.push(id);
    return id;
  });
  return named;
}

type NeedsApproval = {
  requester: PrincipalId;
  entitlement: string;
  duration: string;
  reason: string;
  ticket: string;
  /** The grant that would get more time. */
  extends: GrantId | null;
  /** What each step needs: `1 of group:security`. */
  needs: string[];
  /** Nobody can decide it any more from then on. */
  expiresAt: string;
};
/** `changed` in words: what it was and what it is; the reason is the one of now. `granted`: policy gave it at once. */
type Edited = { requester: PrincipalId; entitlement: string; changed: string; reason: string; granted: boolean };
type Said = { entitlement: string; by: PrincipalId; text: string };
type Approved = {
  entitlement: string;
  duration: string;
  /** What was asked for, where less was approved. */
  asked: { entitlement: string; duration: string } | null;
  extends: GrantId | null;
  by: PrincipalId[];
};
/** `by` is null where a rule or time did it; then `reason` is Tidegate's. */
type Ended = { entitlement: string; by: PrincipalId | null; reason: string };
type AwayTold = { person: PrincipalId; until: string; delegate: PrincipalId | null };
/** `also` are sources: `group:sre-leads`. */
type Escalated = { entitlement: string; also: string[]; expiresAt: string };
type NoApprovers = { requester: PrincipalId; entitlement: string; reason: string };
export type EmergencyTold = {
  requester: PrincipalId;
  entitlement: string;
  duration: string;
  reason: string;
  ticket: string;
  rule: string;
  /** The grant that got more time. */
  extends: GrantId | null;
  reviewDueAt: string;
};
/** Nobody approved it where `approvedBy` is empty. */
type EmergencyUsed = EmergencyTold & { approvedBy: PrincipalId[] };
type EmergencyReviewed = {
  requester: PrincipalId;
  entitlement: string;
  verdict: "justified" | "unjustified";
  by: PrincipalId;
  comment: string;
};
type GrantEnded = Ended & { cause: EndCause };
/** `since` is when the first of them began to resist. */
type StillLive = { resource: string; count: number; since: string | null; trouble: string | null };
type PanicTold = {
  panic: string;
  on: "all" | "resource" | "principal";
  resource: string | null;
  principal: PrincipalId | null;
  by: PrincipalId;
  reason: string;
};

function saysNeedsApproval(it: NeedsApproval, who: Who): string {
  const what =
    it.extends === null ? `${it.entitlement} for ${it.duration}` : `${it.duration} more of ${it.entitlement}`;
  const ticket = it.ticket === "" ? "" : ` (${it.ticket})`;
  return `${who(it.requester)} asks for ${what}: ${it.reason}${ticket}. It needs ${it.needs.join(" and ")}, until ${it.expiresAt}`;
}

function saysEdited(it: Edited, who: Who): string {
  const now = it.granted
    ? "; policy granted that, and nobody is asked any more"
    : "; what was said so far counts no more";
  return `${who(it.requester)} changed the request for ${it.entitlement}: ${it.changed}${now}. ${it.reason}`.trim();
}

function saysApproved(it: Approved, who: Who): string {
  const what =
    it.extends === null ? `${it.entitlement} for ${it.duration}` : `${it.duration} more of ${it.entitlement}`;
  const by = it.by.length === 0 ? "by the policy" : `by ${it.by.map(who).join(" and ")}`;
  const less = it.asked === null ? "" : `; you had asked for ${it.asked.entitlement} for ${it.asked.duration}`;
  return `You may have ${what}, approved ${by}${less}`;
}

function saysEmergencyUsed(it: EmergencyUsed, who: Who): string {
  const what =
    it.extends === null ? `${it.entitlement} for ${it.duration}` : `${it.duration} more of ${it.entitlement}`;
  const how = it.approvedBy.length === 0 ? "without approval" : `approved by ${it.approvedBy.map(who).join(" and ")}`;
  const ticket = it.ticket === "" ? "" : ` (${it.ticket})`;
  return `EMERGENCY: ${who(it.requester)} has ${what}, ${how} (rule ${it.rule}): ${it.reason}${ticket}`;
}

function reviewIt({ request }: EntryRefs): string {
  return `tidegate emergencies review ${request} --verdict justified --comment "…"`;
}

function saysNoApprovers(it: NoApprovers, who: Who): string {
  return `Nobody can approve ${it.entitlement} for ${who(it.requester)}: ${it.reason}`;
}

function saysGrantEnded(it: GrantEnded, who: Who): string {
  return `Your access to ${it.entitlement} ${it.cause === "refused-at-start" ? "was not started" : "was ended"}${why(it, who)}`;
}

function saysStillLive({ resource, count, since, trouble }: StillLive): string {
  const what = count === 1 ? "Access" : `Access by ${count} grants`;
  return `${what} on ${resource} should be gone and may still work, since ${since ?? "lately"} (${trouble ?? "failed"}). It is tried again until it is proven gone`;
}

const why = ({ by, reason }: Ended, who: Who): string =>
  `${by === null ? "" : ` by ${who(by)}`}${reason === "" ? "" : `: ${reason}`}`;

const over = (it: PanicTold, who: Who): string =>
  it.on === "all" ? "everything" : (it.resource ?? (it.principal === null ? "" : who(it.principal)));
