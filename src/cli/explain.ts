import type { Command } from "commander";
import type { Explanation } from "../contract/catalog.ts";
import { act } from "./act.ts";
import { usage } from "./failure.ts";
import { durationText, entitlementName, withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { either, fullName } from "./words/people.ts";
import { traceLines } from "./words/trace.ts";

type Options = { readonly for?: string; readonly user?: string; readonly reason?: string; readonly ticket?: string };

export function explain(program: Command): void {
  const command = program
    .command("explain")
    .description("what policy would say, rule by rule, and why; nothing is asked for")
    .argument("<who-or-what>", "entitlement, or the person it is about and then the entitlement")
    .argument("[entitlement]", "entitlement, where a person comes first")
    .option("--for <duration>", "for this long", durationText)
    .option("--user <handle>", "for this person; yourself without it")
    .option("--reason <text>", "as if this reason were given")
    .option("--ticket <id>", "as if this ticket were given");
  withExamples(
    withServer(command),
    "tidegate explain orders-db:read --for 1h",
    "tidegate explain alice orders-db:read --for 1h --ticket INC-42",
  ).action(
    act(async ({ client, output }, first: string, second: string | undefined, options: Options) => {
      const { user, entitlement } = aboutWhom(first, second, options.user);
      const explanation = await client.explain({
        entitlement,
        duration: options.for ?? null,
        user,
        reason: options.reason ?? "",
        ticket: options.ticket ?? null,
      });
      output.answer(explanation, explanationLines);
    }),
  );
}

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
  const { user, entitlement, title, duration, rule, steps, trace } = explanation;
  const onCall = explanation.onCallTier === 0 ? "not on call" : `on call, tier ${explanation.onCallTier}`;
  return [
    `${fullName(user)} (${onCall}) asking for ${entitlement} (${title}) for ${duration}:`,
    `  ${verdict(explanation, page)}`,
    ...steps.map((step) => {
      const who = step.canApprove.length === 0 ? "nobody can" : `${either(step.canApprove)} can`;
      return `    ${step.needs}: ${who}`;
    }),
    `  Rule by rule${rule === null ? "" : ` (decided by ${rule})`}:`,
    ...traceLines(trace, page).map((line) => `    ${line}`),
    `  ${page.paint("dim", `Configuration version ${explanation.configVersion}; this entitlement is for at most ${explanation.maxDuration}.`)}`,
  ];
}

function verdict({ outcome, rule, why }: Explanation, { paint }: Page): string {
  if (outcome === "automatic") return paint("green", `granted at once by rule ${rule ?? "none"}`);
  if (outcome === "needs-approval") return paint("yellow", `needs approval, by rule ${rule ?? "none"}`);
  return paint("red", `denied${why === null ? "" : `: ${why}`}`);
}
