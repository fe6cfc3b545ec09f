/** A request in plain words: what is asked for, what policy said, who can approve, what came of it. */
import type { GrantView, RequestView } from "../../contract/access.ts";
import type { Page } from "../output.ts";
import { emergencyLines } from "./emergency-words.ts";
import { either, fullName } from "./people.ts";
import { moment } from "./time.ts";
import { questionLines, timelineLines } from "./timeline-words.ts";
import { traceLines } from "./trace.ts";

type Step = RequestView["decision"]["steps"][number];

/** Those who may still fill a place: whoever has approved has done their part, and for whoever is away their delegate is asked. */
function remaining({ canApprove, away = [] }: Step, request: RequestView): string[] {
  const approved = request.reviews.filter((review) => review.counts && review.verdict === "approve");
  const replaced = away.filter(({ delegate }) => delegate !== null && canApprove.includes(delegate));
  return canApprove.filter(
    (handle) =>
      !approved.some(({ reviewer }) => reviewer.handle === handle) &&
      !replaced.some((absence) => absence.handle === handle),
  );
}

/** `frank for bob (away until …)`, or `bob (away until …)` where nobody decides in his place. */
function withAbsence(handle: string, { away = [] }: Step, nowMs: number): string {
  const until = (time: string): string => `away until ${moment(time, nowMs)}`;
  const own = away.find((absence) => absence.handle === handle);
  if (own !== undefined) return `${handle} (${until(own.until)})`;
  const others = away.filter(({ delegate }) => delegate === handle);
  if (others.length === 0) return handle;
  return `${handle} for ${others.map((absence) => `${absence.handle} (${until(absence.until)})`).join(" and ")}`;
}

const openSteps = (request: RequestView): Step[] => request.decision.steps.filter((step) => step.have < step.count);

/** `waiting for approval by bob or frank, and by carol`, or for what bob asked to be answered: one line. */
export function waitingFor(request: RequestView): string {
  const [question] = request.questions;
  if (question !== undefined)
    return `waiting for ${request.requester.handle} to answer ${question.by.handle}: “${question.text}”`;
  const by = openSteps(request).map((step) => {
    const people = remaining(step, request);
    return people.length === 0 ? `${step.needs} (nobody can now)` : either(people);
  });
  return `waiting for approval by ${by.join(", and by ")}`;
}

/** Step by step: what it needs, what it has, who can give the rest. */
export const stepLines = (request: RequestView, page: Page): string[] =>
  request.decision.steps.map((step) => {
    const done = step.have >= step.count;
    const people = remaining(step, request).map((handle) => withAbsence(handle, step, page.nowMs));
    const who = people.length === 0 ? "nobody can approve now" : `${either(people)} can approve`;
    if (done) return `${page.paint("green", "✓")} ${step.needs}`;
    return `${page.paint("yellow", "…")} ${step.needs}, ${step.have} of ${step.count} so far: ${who}`;
  });

/** `orders-db:read (Read orders, medium risk) for 1h`, or for an extension how much is added to which grant. */
export function whatIsAsked(request: RequestView): string {
  const what = `${request.entitlement} (${request.title}, ${request.risk} risk)`;
  if (request.extendsGrantId === null) return `${what} for ${request.duration}`;
  return `${request.duration} more on ${request.extendsGrantId}, ${what}`;
}

/** The state with its colour. */
export function stateOf(request: RequestView, page: Page): string {
  if (request.state === "pending") return page.paint("yellow", "pending");
  if (request.state === "approved") return page.paint("green", "approved");
  return request.state === "denied" ? page.paint("red", "denied") : page.paint("dim", request.state);
}

/** `by rule on-call`, `by bob and carol`: who or what granted it, and that it is less than was asked for, where it is. */
export function grantedHow(request: RequestView, grant: GrantView | null): string {
  const names = request.reviews.flatMap(({ counts, verdict, reviewer }) =>
    counts && verdict === "approve" ? [reviewer.handle] : [],
  );
  const by = names.length > 0 ? names.join(" and ") : `rule ${request.decision.rule ?? "none"}`;
  const asIs = grant === null || (grant.entitlement === request.entitlement && grant.duration === request.duration);
  return asIs ? `by ${by}` : `by ${by}, less than you asked for (${grant.entitlement} for ${grant.duration})`;
}

/** How a request ended that led to nothing, with what the reviewer wrote. */
export function endOf(request: RequestView): string {
  const denial = request.reviews.find((review) => review.verdict === "deny");
  const comment = denial === undefined || denial.comment === "" ? "" : `: “${denial.comment}”`;
  if (request.state === "expired")
    return "The request expired: nobody decided in time. Ask again if it is still needed.";
  if (request.state === "cancelled") return `The request was cancelled${because(request)}.`;
  return denial === undefined
    ? `The request was denied${because(request)}.`
    : `${fullName(denial.reviewer)} denied the request${comment}.`;
}

const because = (request: RequestView): string =>
  request.endedBecause === null || request.endedBecause === "" ? "" : `: ${request.endedBecause}`;

/** Everything about one request. */
export function requestLines(request: RequestView, page: Page): string[] {
  const { paint, nowMs } = page;
  const lines = [`${paint("bold", request.id)}  ${stateOf(request, page)}`];
  lines.push(`  ${fullName(request.requester)} asks for ${whatIsAsked(request)}`);
  lines.push(...allowed(request.describe));
  lines.push(`  Reason: ${request.reason === "" ? "none given" : `“${request.reason}”`}`);
  if (request.ticket !== "") lines.push(`  Ticket: ${request.ticket}`);
  lines.push(...emergencyLines(request, page));
  if (request.start !== null) lines.push(`  Starts: ${moment(request.start, nowMs)}`);
  if (request.activation === "on-use") lines.push("  The time starts with the first use");
  lines.push(`  Asked: ${moment(request.createdAt, nowMs)}`);
  if (isEdited(request)) lines.push(`  Changed: ${moment(request.editedAt, nowMs)}, version ${request.version}`);
  if (request.offered !== null) lines.push(...offerLines(request, page));
  if (request.state === "pending") {
    lines.push(`  Expires: ${moment(request.expiresAt, nowMs)}`);
    lines.push(`  Waiting for (rule ${request.decision.rule ?? "none"}):`);
    lines.push(...stepLines(request, page).map((line) => `    ${line}`));
    const shows = request.decision.authentication?.review;
    if (shows) lines.push(`    Whoever approves shows ${shows.words}.`);
    const asked = questionLines(request).map((line) => `    ${line}`);
    if (asked.length > 0)
      lines.push(`  ${paint("yellow", `Waits for an answer by ${request.requester.handle}`)}:`, ...asked);
  } else if (request.state === "approved")
    lines.push(`  Approved${ruleOf(request)}: grant ${request.grantId ?? "none"}`);
  else lines.push(`  ${endOf(request)}`);
  const happened = timelineLines(request, page).map((line) => `    ${line}`);
  if (happened.length > 0) lines.push("  What happened:", ...happened);
  lines.push(...factLines(request));
  if (request.decision.trace.length > 0)
    lines.push("  What policy said:", ...traceLines(request.decision.trace, page).map((line) => `    ${line}`));
  return [...lines, ...nextSteps(request, page)];
}

/** What policy looked at of the world; a server of an earlier version tells of none. */
function factLines({ facts }: Partial<Pick<RequestView, "facts">>): string[] {
  if (facts === null || facts === undefined) return [];
  const looked = [facts.onCall, ...(facts.ticket === null ? [] : [facts.ticket])];
  return [
    "  What policy looked at:",
    ...looked.map(({ words, age }) => `    ${words}${age < 1_000 ? "" : `, ${Math.round(age / 1_000)}s old then`}`),
  ];
}

const ruleOf = (request: RequestView): string =>
  request.decision.rule === null ? "" : ` under rule ${request.decision.rule}`;

export const allowed = (describe: readonly string[]): string[] =>
  describe.length === 0 ? [] : ["  It allows:", ...describe.map((line) => `    - ${line}`)];

function offerLines(request: RequestView, page: Page): string[] {
  if (request.offered === null) return [];
  const { entitlement, title, risk, describe } = request.offered;
  const head = `  ${page.paint("yellow", "Offered instead")}: ${entitlement} (${title}, ${risk} risk)`;
  return [head, ...describe.map((line) => `    - ${line}`)];
}

/** A server of an earlier version tells of no edits. */
const isEdited = (request: RequestView): request is RequestView & { editedAt: string } =>
  typeof request.editedAt === "string";

function nextSteps(request: RequestView, page: Page): string[] {
  const narrower = request.canOffer.map((offer) => offer.entitlement);
  const seen = isEdited(request) ? ` --seen ${request.version}` : "";
  const less = narrower.length === 0 ? "" : `, or less with --for or --entitlement ${narrower.join("|")}`;
  return [
    ...(request.canReview ? [`  ${page.paint("cyan", `tidegate approve ${request.id}${seen}`)}${less}`] : []),
    ...(request.canReview ? [`  ${page.paint("cyan", `tidegate deny ${request.id} --comment "why"`)}`] : []),
    ...(request.canReview
      ? [`  Ask for more first: ${page.paint("cyan", `tidegate comment ${request.id} "your question" --ask`)}`]
      : []),
    ...(request.questions.length > 0 && !request.canReview && request.canComment
      ? [`  Answer: ${page.paint("cyan", `tidegate comment ${request.id} "your answer"`)}`]
      : []),
    ...(request.canEdit ? [`  Change it: ${page.paint("cyan", `tidegate edit ${request.id} --for 30m`)}`] : []),
    ...(request.canCancel ? [`  Take it back: ${page.paint("cyan", `tidegate cancel ${request.id}`)}`] : []),
  ];
}
