import { type Command, Option } from "commander";
import { systemClock } from "../base/clock.ts";
import type { Explanation } from "../contract/catalog.ts";
import { act } from "./act.ts";
import { usage } from "./failure.ts";
import { given } from "./list-options.ts";
import { durationText, entitlementName, grantIdText, startTime, withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { either, fullName } from "./words/people.ts";
import { moment } from "./words/time.ts";
import { traceLines } from "./words/trace.ts";

type Options = {
  readonly for?: string;
  readonly user?: string;
  readonly reason?: string;
  readonly ticket?: string;
  readonly emergency?: true;
  readonly start?: string;
  readonly extend?: string;
};

export function explain(program: Command): void {
  const command = program
    .command("explain")
    .description("what policy would say, rule by rule, and why; nothing is asked for")
    .argument("[who-or-what]", "entitlement, or the person it is about and then the entitlement")
    .argument("[entitlement]", "entitlement, where a person comes first")
    .option("--for <duration>", "for this long", durationText)
    .option("--user <handle>", "for this person; yourself without it")
    .option("--reason <text>", "as if this reason were given")
    .option("--ticket <id>", "as if this ticket were given")
    .option("--emergency", "as an emergency")
    .option("--start <time>", "as if it were to start then: 2026-01-31T12:00:00Z, 14:30, +2h", startsAt)
    .addOption(
      new Option("--extend <grant>", "as more time on this grant (gr_…), by --for; nothing else need be named")
        .argParser(grantIdText)
        .conflicts(["user", "start"]),
    );
  withExamples(
    withServer(command),
    "tidegate explain orders-db:read --for 1h",
    "tidegate explain alice orders-db:read --for 1h --ticket INC-42",
    "tidegate explain orders-db:fix --emergency --reason 'checkouts fail'",
    "tidegate explain --extend gr_0123456789abcdef --for 30m",
  ).action(
    act(async ({ client, output }, first: string | undefined, second: string | undefined, options: Options) => {
      const { extend } = options;
      if (first === undefined && extend === undefined) throw usage("Name an entitlement, such as orders-db:read.");
      if (first !== undefined && extend !== undefined) throw usage("The grant says what and whose; name it alone.");
      const { user, entitlement } =
        extend === undefined
          ? aboutWhom(first ?? "", second, options.user)
          : { user: null, entitlement: (await client.getGrant(extend)).entitlement };
      const explanation = await client.explain({
        entitlement,
        duration: options.for ?? null,
        user,
        reason: options.reason ?? "",
        ticket: options.ticket ?? null,
        ...given({ emergency: options.emergency, start: options.start, extend }),
      });
      output.answer(explanation, explanationLines);
    }),
  );
}

const startsAt = (written: string): string => startTime(systemClock.nowMs())(written);

/** `explain orders-db:read --user alice` and `explain alice orders-db:read` mean the same. */
export function aboutWhom(
  first: string,
  second: string | undefined,
  option: string | undefined,
): { user: string | null; entitlement: string } {
  if (second === undefined) return { user: option ?? null, entitlement: inOptions(first) };
  if (option !== undefined && option !== first) throw usage(`Two people are named, ${first} and ${option}; name one.`);
  return { user: first, entitlement: inOptions(second) };
}

function inOptions(written: string): string {
  try {
    return entitlementName(written);
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

export function explanationLines(explanation: Explanation, page: Page): string[] {
  const { user, entitlement, title, duration, rule, steps, trace, limits, hours } = explanation;
  const onCall = onCallOf(explanation);
  const asks =
    explanation.extends === null
      ? `${entitlement} (${title}) for ${duration}`
      : `${duration} more of ${entitlement} (${explanation.extends})`;
  const when = explanation.start === null ? "" : ` from ${moment(explanation.start, page.nowMs)}`;
  return [
    `${fullName(user)} (${onCall}) asking for ${asks}${when}${explanation.emergency ? ", as an emergency" : ""}:`,
    `  ${verdict(explanation, page)}`,
    ...steps.flatMap(({ needs, canApprove, people, also }) => {
      const named = new Map(people.map((person) => [person.handle, fullName(person)]));
      const who =
        canApprove.length === 0 ? "nobody can" : `${either(canApprove.map((one) => named.get(one) ?? one))} can`;
      return [`    ${needs}: ${who}`, ...also.map((later) => `      ${later}`)];
    }),
    ...authenticationLines(explanation.authentication),
    ...limits.map(
      ({ rule: name, per, count, within, left }) =>
        `  Limit of ${name}: ${left} of ${count} within ${within} left${per === "user" ? "" : ` for ${per === "rule" ? "all" : per} together`}`,
    ),
    ...hours.map(
      ({ rule: name, hours: open, opensAt }) =>
        `  Hours of ${name}: ${open.join(" or ")}${opensAt === null ? "; open" : `; open next ${moment(opensAt, page.nowMs)}`}`,
    ),
    `  Rule by rule${rule === null ? "" : ` (decided by ${rule})`}:`,
    ...traceLines(trace, page).map((line) => `    ${line}`),
    `  ${page.paint("dim", `Configuration version ${explanation.configVersion}; this entitlement is for at most ${explanation.maxDuration}.`)}`,
  ];
}

/** What its rule demands of who acts; a server of an earlier version demands nothing. */
const authenticationLines = (demands: Explanation["authentication"]): string[] => [
  ...(demands?.request ? [`    Whoever asks shows ${demands.request.words}.`] : []),
  ...(demands?.review ? [`    Whoever reviews shows ${demands.review.words}.`] : []),
];

/** A service or a schedule is named, and how old its word is; what the file says is there for everybody to read. */
function onCallOf({ onCall, onCallTier }: Explanation): string {
  if (onCall === undefined || (onCall.source === "file" && onCall.unknown === null))
    return onCallTier === 0 ? "not on call" : `on call, tier ${onCallTier}`;
  return `${onCall.words}${onCall.age < 1_000 ? "" : `, ${Math.round(onCall.age / 1_000)}s old`}`;
}

function verdict({ outcome, rule, why }: Explanation, { paint }: Page): string {
  if (outcome === "automatic") return paint("green", `granted at once by rule ${rule ?? "none"}`);
  if (outcome === "needs-approval") return paint("yellow", `needs approval, by rule ${rule ?? "none"}`);
  return paint("red", `denied${why === null ? "" : `: ${why}`}`);
}
