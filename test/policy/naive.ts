/**
 * Policy as the documents define it, written down a second time and as plainly as can be: conditions are functions here and
 * not CEL, and nothing is shared with `src/domain/evaluate.ts` but the shapes. Slow, and meant to be read.
 */
import type { Hours } from "../../src/domain/hours.ts";
import type { Source } from "../../src/domain/policy.ts";

/** What is asked, and by whom. */
export type Question = {
  readonly who: { readonly groups: readonly string[]; readonly type: string; readonly manager: string };
  readonly risk: "low" | "medium" | "high";
  readonly durationMs: number;
  readonly ticket: string;
  readonly reason: string;
  readonly emergency: boolean;
  readonly tier: number;
  readonly nowMs: number;
  readonly startMs: number | null;
  readonly extension: { readonly count: number; readonly totalMs: number; readonly addMs: number } | null;
  readonly history: { readonly open: number; readonly recentHere: number };
};

/** `cel` is what stands in the rule; `is` what it means. Throws where the condition fails. */
export type Atom = { readonly cel: string; readonly is: (question: Question) => boolean };

export type NaiveStep = { readonly by: readonly Source[]; readonly count: number; readonly only: Atom | null };
export type NaiveRule =
  | { readonly name: string; readonly deny: Atom }
  | {
      readonly name: string;
      readonly when: Atom | null;
      readonly steps: readonly NaiveStep[] | null;
      readonly longestMs: number | null;
      readonly ticket: boolean;
      readonly reason: number | null;
      readonly emergency: boolean;
      readonly hours: Hours | null;
      readonly limit: { readonly per: "user" | "rule" | `group:${string}`; readonly count: number } | null;
      readonly extensions: { readonly count: number; readonly eachMs: number; readonly totalMs: number } | null;
    };

export type NaiveAnswer = {
  readonly outcome: "automatic" | "needs-approval" | "denied";
  readonly rule: string | null;
  readonly steps: readonly { readonly by: readonly Source[]; readonly count: number }[];
};

const DENIED: NaiveAnswer = { outcome: "denied", rule: null, steps: [] };

/** `used` is how often each limit was used before. */
export function decideNaively(rules: readonly NaiveRule[], question: Question, used: number): NaiveAnswer {
  for (const rule of rules)
    if ("deny" in rule && truth(rule.deny, question) !== "no") return { ...DENIED, rule: rule.name };
  for (const rule of rules) {
    if ("deny" in rule || rule.emergency !== question.emergency) continue;
    if (rule.when !== null && truth(rule.when, question) !== "yes") continue;
    if (!meetsDemands(rule, question, used)) continue;
    if (rule.steps === null) return { outcome: "automatic", rule: rule.name, steps: [] };
    const needed = rule.steps.filter(({ only }) => only === null || truth(only, question) !== "no");
    if (needed.length === 0) continue;
    const steps = needed.map(({ by, count }) => ({ by: named(by, question.who.manager), count }));
    return { outcome: "needs-approval", rule: rule.name, steps };
  }
  return DENIED;
}

function truth(atom: Atom, question: Question): "yes" | "no" | "failed" {
  try {
    return atom.is(question) ? "yes" : "no";
  } catch {
    return "failed";
  }
}

function meetsDemands(rule: Exclude<NaiveRule, { deny: Atom }>, question: Question, used: number): boolean {
  if (rule.longestMs !== null && question.durationMs > rule.longestMs) return false;
  if (rule.ticket && question.ticket.trim() === "") return false;
  if (rule.reason !== null && [...question.reason.trim()].length < rule.reason) return false;
  if (rule.emergency && question.reason.trim() === "") return false;
  if (rule.hours !== null && !opens(rule.hours, question.startMs ?? question.nowMs)) return false;
  if (rule.extensions !== null && question.extension !== null) {
    const { count, totalMs, addMs } = question.extension;
    if (count >= rule.extensions.count || addMs > rule.extensions.eachMs) return false;
    if (totalMs + addMs > rule.extensions.totalMs) return false;
  }
  if (rule.limit === null) return true;
  if (rule.limit.per.startsWith("group:") && !question.who.groups.includes(rule.limit.per.slice(6))) return false;
  return used < rule.limit.count;
}

/** In UTC alone, minute by minute back to the last opening: what `isWithin` computes, walked. */
function opens(hours: Hours, atMs: number): boolean {
  const names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
  const length =
    hours.toMinute > hours.fromMinute ? hours.toMinute - hours.fromMinute : hours.toMinute + 1_440 - hours.fromMinute;
  const minute = Math.floor(atMs / 60_000);
  for (let back = 0; back < length; back += 1) {
    const time = new Date((minute - back) * 60_000);
    const opensThen = time.getUTCHours() * 60 + time.getUTCMinutes() === hours.fromMinute;
    if (opensThen && hours.days.includes(names[time.getUTCDay()] ?? "sun")) return true;
  }
  return false;
}

function named(by: readonly Source[], manager: string): Source[] {
  const people = by.map((source): Source | null => {
    if (source !== "manager") return source;
    return manager === "" ? null : `user:${manager}`;
  });
  return people.filter((source, index): source is Source => source !== null && people.indexOf(source) === index);
}
