/** A grant in plain words: above all whether the access is live, and whether that it is gone was proven. */
import { unreachable } from "../../base/assert.ts";
import type { GrantView, RequestView } from "../../contract/access.ts";
import type { Page } from "../output.ts";
import { lessLines } from "./less-words.ts";
import { fullName } from "./people.ts";
import { allowed } from "./request-words.ts";
import { clockTime, moment, roughly } from "./time.ts";

/** The state in a few words, for a table. The loud one is loud there too. */
export function grantState(grant: GrantView, page: Page): string {
  switch (grant.state) {
    case "active":
      return page.paint("green", "active");
    case "revoking":
      return grant.accessGone
        ? page.paint("yellow", "gone, clean-up pending")
        : page.paint("red", "revoking, STILL LIVE");
    case "provisioning":
      return page.paint("yellow", grant.trouble === null ? "being made" : "being made, in trouble");
    case "scheduled":
      return grant.activateBy === null ? "scheduled" : "ready to use";
    case "revoked":
      return "revoked, proven";
    case "failed":
      return page.paint("red", "failed");
    case "cancelled":
      return page.paint("dim", "cancelled");
    default:
      return unreachable(grant.state);
  }
}

/** When it begins or ends, for a table. */
export function grantTime(grant: GrantView, nowMs: number): string {
  if (grant.revokedAt !== null) return `ended ${moment(grant.revokedAt, nowMs)}`;
  if (grant.state === "scheduled" && grant.activateBy !== null) return `use before ${moment(grant.activateBy, nowMs)}`;
  if (grant.state === "scheduled") return `starts ${moment(grant.startsAt, nowMs)}`;
  if (grant.state === "cancelled") return "";
  return `${Date.parse(grant.expiresAt) > nowMs ? "ends" : "ended"} ${moment(grant.expiresAt, nowMs)}`;
}

/** One sentence on how things are with it. */
export function grantSentence(grant: GrantView, page: Page): string {
  const { nowMs, paint } = page;
  switch (grant.state) {
    case "scheduled":
      return grant.activateBy === null
        ? `Starts ${moment(grant.startsAt, nowMs)}.`
        : `Ready: its time (${grant.duration}) starts with the first use, which must be before ${moment(grant.activateBy, nowMs)}.`;
    case "provisioning":
      return `The access is being made.${troubleOf(grant, page)}`;
    case "active":
      return `Active: ends ${moment(grant.expiresAt, nowMs)}.${troubleOf(grant, page)}`;
    case "revoking":
      if (grant.accessGone)
        return `${paint("yellow", "The access is gone, clean-up pending.")}${troubleOf(grant, page)}`;
      return stillLive(grant, page);
    case "revoked":
    case "failed":
      return closedSentence(grant, page);
    case "cancelled":
      return `Cancelled before anything was made${why(grant)}.`;
    default:
      return unreachable(grant.state);
  }
}

function stillLive(grant: GrantView, page: Page): string {
  const { trouble } = grant;
  if (trouble === null) return page.paint("red", "Revoking, STILL LIVE: that it is gone is not proven yet.");
  const { since, attempts, lastError, retryAt } = trouble;
  const tries = `${attempts} ${attempts === 1 ? "attempt" : "attempts"}`;
  return page.paint(
    "red",
    `Revoking, STILL LIVE since ${moment(since, page.nowMs)}: ${tries}, last error ${lastError.code}: ${fullStop(lastError.message)} Tried again ${moment(retryAt, page.nowMs)}, and until it is proven gone.`,
  );
}

const fullStop = (sentence: string): string => (/[.!?]$/.test(sentence) ? sentence : `${sentence}.`);

function troubleOf(grant: GrantView, page: Page): string {
  if (grant.trouble === null) return "";
  const { since, attempts, lastError, retryAt } = grant.trouble;
  const tries = `${attempts} ${attempts === 1 ? "attempt" : "attempts"} since ${moment(since, page.nowMs)}`;
  return page.paint(
    "yellow",
    ` In trouble: ${tries}, last error ${lastError.code}: ${fullStop(lastError.message)} Tried again ${moment(retryAt, page.nowMs)}.`,
  );
}

function closedSentence(grant: GrantView, page: Page): string {
  const when = grant.revokedAt === null ? "" : ` ${moment(grant.revokedAt, page.nowMs)}`;
  const word = grant.state === "failed" ? `Failed${why(grant)}; what was begun is undone` : `Ended${when}${why(grant)}`;
  const seq = grant.receipt === null ? "" : ` (receipt: audit entry ${grant.receipt.auditSeq})`;
  return `${word}: ${provenWords(grant)}${seq}.`;
}

/** What the receipt proves. */
export function provenWords(grant: GrantView): string {
  const evidence = grant.receipt?.evidence;
  if (evidence === undefined) return "without a receipt yet";
  if (evidence.kind === "gone") return "proven gone";
  if (evidence.kind === "covered")
    return `its own credential and sessions are proven ended; the right itself is still held by ${evidence.coveredBy.join(", ")}`;
  return "its own credential and sessions are proven ended; the right itself was there before Tidegate and stays";
}

const CAUSES: Readonly<Record<string, string>> = {
  expired: "its time was up",
  revoked: "it was revoked",
  withdrawn: "it was given back",
  deactivated: "its person was deactivated",
  signalled: "its person's session was revoked at the identity provider",
  panic: "the panic button was pressed",
  "ticket-closed": "its ticket was closed",
  lapsed: "nobody used it in time",
  "refused-at-start": "policy was asked again right before its start and said no",
  "provisioning-failed": "the access could not be made",
};

function why(grant: GrantView): string {
  if (grant.ended === null) return "";
  const { cause, by, reason } = grant.ended;
  const who = by === null ? "" : ` by ${by.handle}`;
  return `, because ${CAUSES[cause] ?? cause}${who}${reason === "" ? "" : ` (“${reason}”)`}`;
}

/** Why somebody asked, and who agreed. */
function agreement(request: RequestView, page: Page): string[] {
  const why = [request.ticket, request.reason === "" ? "" : `“${request.reason}”`]
    .filter((part) => part !== "")
    .join(" ");
  const agreed = request.reviews.flatMap((review) => {
    const comment = review.comment === "" ? "" : `: “${review.comment}”`;
    const who = `${fullName(review.reviewer)}, ${moment(review.at, page.nowMs)}${comment}`;
    return review.counts && review.verdict === "approve" ? [who] : [];
  });
  const rule = request.decision.rule === null ? "" : ` (rule ${request.decision.rule})`;
  return [
    `  Why: ${why === "" ? "no reason given" : why}`,
    `  Agreed by ${agreed.length === 0 ? "policy itself" : agreed.join("; ")}${rule}`,
  ];
}

/** From when to when; what ended early says until when it was given. */
function span(grant: GrantView, nowMs: number): string {
  const { startsAt, expiresAt, revokedAt } = grant;
  const start = moment(startsAt, nowMs);
  if (revokedAt === null || Date.parse(revokedAt) >= Date.parse(expiresAt))
    return `${start} to ${moment(expiresAt, nowMs)}`;
  return `${start} to ${moment(revokedAt, nowMs)}; given until ${clockTime(Date.parse(expiresAt), nowMs)}`;
}

/** Everything about one grant; with its request, where that may be seen, also why and who agreed. */
export function grantLines(grant: GrantView, page: Page, request: RequestView | null = null): string[] {
  const { paint, nowMs } = page;
  const lines = [`${paint("bold", grant.id)}  ${grantState(grant, page)}`, `  ${grantSentence(grant, page)}`];
  lines.push(
    `  ${fullName(grant.principal)}: ${grant.entitlement} (${grant.title}, ${grant.risk} risk) for ${grant.duration}`,
  );
  lines.push(
    ...lessLines(grant, page)
      .slice(0, 1)
      .map((line) => `  ${line}`),
  );
  if (request !== null) lines.push(...agreement(request, page));
  lines.push(...allowed(grant.describe));
  lines.push(
    `  From ${span(grant, nowMs)}${grant.extensions === 0 ? "" : `, extended ${grant.extensions} times`}`.replace(
      "extended 1 times",
      "extended once",
    ),
  );
  lines.push(`  Request: ${grant.requestId}`);
  if (grant.credential === "ready") lines.push("  Credential: ready, not delivered yet");
  if (grant.credential === "delivered") lines.push("  Credential: delivered");
  if (grant.credential === "rotating") lines.push("  Credential: a new one is being made");
  lines.push(...receiptLines(grant, page));
  if (grant.state === "active") lines.push(`  More time: ${paint("cyan", extendHint(grant.id))}`);
  if (grant.canRevoke) lines.push(`  End it: ${paint("cyan", `tidegate revoke ${grant.id}`)}`);
  return lines;
}

export const extendHint = (grantId: string): string => `tidegate extend ${grantId} --for 30m --reason "…"`;

/** What was looked at, and what was seen: the proof itself. */
export function receiptLines(grant: GrantView, page: Page): string[] {
  const { receipt } = grant;
  if (receipt === null) return [];
  const { evidence, verifiedAt, auditSeq } = receipt;
  const late = grant.lateMs === null || grant.lateMs < 1000 ? "" : `, ${roughly(grant.lateMs)} after its end`;
  return [
    `  Receipt: verified ${moment(verifiedAt, page.nowMs)}${late}; audit entry ${auditSeq}`,
    `    ${provenWords(grant)}, on ${evidence.target.identity}`,
    ...evidence.observations.map(({ check, saw, code }) => {
      return `    ${page.paint("green", "✓")} ${check}: ${saw}${code === undefined || saw.includes(code) ? "" : ` (${code})`}`;
    }),
  ];
}
