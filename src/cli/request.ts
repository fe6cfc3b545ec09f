import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import type { GrantView, RequestView } from "../contract/access.ts";
import { act } from "./act.ts";
import { askForMissing } from "./asking.ts";
import type { Context } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { LiveLine } from "./live-line.ts";
import { durationText, EMERGENCY_ABOUT, startTime, wantedNames, withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { requestBundle } from "./request-bundle.ts";
import { isOver, isSettled, untilDecided, untilGrant, type Waiting } from "./waiting.ts";
import { emergencyNotice } from "./words/emergency-words.ts";
import { grantSentence } from "./words/grant-words.ts";
import { lessLines } from "./words/less-words.ts";
import { endOf, grantedHow, stepLines } from "./words/request-words.ts";
import { moment } from "./words/time.ts";

export type RequestOptions = {
  readonly for?: string;
  readonly reason?: string;
  readonly ticket?: string;
  readonly start?: string;
  readonly onUse?: true;
  readonly emergency?: true;
  readonly wait?: true;
};

const EXAMPLE = 'tidegate request orders-db:read --for 1h --reason "INC-42 slow checkouts" --ticket INC-42';

export function request(program: Command): void {
  const command = program
    .command("request")
    .description("ask for access; on a terminal, what is missing is asked for")
    .argument("[what...]", "an entitlement, several of them, or the name of a bundle", wantedNames)
    .option("--for <duration>", "for how long: 15m, 8h, 1h30m", durationText)
    .option("--reason <text>", "why; approvers and the log read it")
    .option("--ticket <id>", "the ticket it is for")
    .option("--start <time>", "from then on: 2026-01-31T12:00:00Z, 14:30 or +2h", startTime(systemClock.nowMs()))
    .option("--on-use", "the time starts with the first use, not with the approval")
    .option("--emergency", EMERGENCY_ABOUT)
    .option("--wait", "wait until it is decided and the access is there");
  withExamples(
    withServer(command),
    EXAMPLE,
    'tidegate request orders-db:fix --for 30m --reason "INC-42 fix totals" --wait',
    'tidegate request incident-kit --for 1h --reason "INC-42 slow checkouts" --wait',
  ).action(
    act(async (context, what: readonly string[], options: RequestOptions) => runRequest(context, what, options)),
  );
}

async function runRequest(context: Context, what: readonly string[], options: RequestOptions): Promise<number> {
  const [name] = what;
  const given = { entitlement: name, for: options.for, reason: options.reason };
  const { entitlement, ...asked } = await askForMissing(context, given, EXAMPLE);
  const besides = {
    ...asked,
    ticket: options.ticket ?? null,
    start: options.start ?? null,
    activation: options.onUse ? ("on-use" as const) : ("on-approval" as const),
    emergency: options.emergency ?? false,
  };
  if (what.length > 1) return requestBundle(context, { ...besides, entitlements: [...what] }, options.wait === true);
  if (!entitlement.includes(":"))
    return requestBundle(context, { ...besides, bundle: entitlement }, options.wait === true);
  const made = await context.client.submitRequest({ ...besides, entitlement });
  context.output.note(...emergencyNotice(made, context.output.notePage));
  const { decided, grant } = options.wait
    ? await waitForIt(context, made)
    : { decided: made, grant: await grantOf(context, made) };
  if (made.emergencyReview === null) context.output.note(...emergencyNotice(decided, context.output.notePage));
  context.output.answer({ ...decided, grant }, outcomeLines);
  if (decided.state === "pending") return EXIT.pending;
  if (decided.state === "denied") return EXIT.denied;
  if (decided.state !== "approved") return EXIT.failed;
  return grant !== null && isOver(grant) ? EXIT.failed : EXIT.done;
}

/** For what is said about it only: that the grant cannot be read now does not make the request fail. */
export async function grantOf({ client }: Context, { grantId }: RequestView): Promise<GrantView | null> {
  return grantId === null ? null : client.getGrant(grantId).catch(() => null);
}

type Outcome = { decided: RequestView; grant: GrantView | null };

async function waitForIt(context: Context, made: RequestView): Promise<Outcome> {
  const live = new LiveLine(context.output);
  const interrupts = new Interrupts((received) => process.exit(received === "SIGINT" ? 130 : 1));
  const waiting: Waiting = { live, signal: interrupts.signal };
  let decided = made;
  try {
    decided = await untilDecided(context, made, waiting);
    const grant = await grantOf(context, decided);
    return { decided, grant: grant === null ? null : await untilGrant(context, grant, isSettled, waiting) };
  } catch (error) {
    if (interrupts.received === null) throw error;
    const stands =
      decided.state === "pending"
        ? `Request ${made.id} still waits; take it back with: tidegate cancel ${made.id}`
        : `Request ${made.id} is ${decided.state}.`;
    throw new Interrupted(interrupts.received, `Waiting was broken off. ${stands}`);
  } finally {
    live.end();
    interrupts.stop();
  }
}

/** What was decided, in plain words. */
export function outcomeLines({ grant, ...request }: RequestView & { grant: GrantView | null }, page: Page): string[] {
  const { paint, nowMs } = page;
  if (request.state === "pending")
    return [
      `${paint("yellow", "Waiting for approval")} of ${request.entitlement} for ${request.duration} (rule ${request.decision.rule ?? "none"}). Request ${paint("bold", request.id)}`,
      ...stepLines(request, page).map((line) => `  ${line}`),
      `  It expires ${moment(request.expiresAt, nowMs)} if nobody decides.`,
      `  Look: tidegate requests show ${request.id}   Take it back: tidegate cancel ${request.id}`,
    ];
  if (request.state !== "approved") return [paint("red", endOf(request))];
  const how = grantedHow(request, grant);
  if (grant === null) return [`${paint("green", "Granted")} ${how}. Grant ${request.grantId ?? "none"}`];
  if (isOver(grant))
    return [`${paint("red", "Granted, and over already")}: grant ${grant.id}`, `  ${grantSentence(grant, page)}`];
  const until = grant.activateBy === null ? ` until ${moment(grant.expiresAt, nowMs)}` : "";
  return [
    `${paint("green", "Granted")} ${how}${until}: ${grant.entitlement}, grant ${paint("bold", grant.id)}`,
    ...lessLines(grant, page).map((line) => `  ${line}`),
    `  ${grantSentence(grant, page)}`,
    `  How to connect: tidegate credential ${grant.id}`,
  ];
}
