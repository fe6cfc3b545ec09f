/** Random organisations and policies, decided by Tidegate and by the naive evaluator: the answers are the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { evaluate } from "../../src/domain/evaluate.ts";
import { approve, deny, given, policy } from "../../src/domain/evaluate-fixture.ts";
import { DAYS, type Hours } from "../../src/domain/hours.ts";
import type { Rule, Source } from "../../src/domain/policy.ts";
import { type Atom, decideNaively, type NaiveRule, type NaiveStep, type Question } from "./naive.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const RUNS = process.env["TIDEGATE_LONG"] === undefined ? 1_500 : 100_000;

const GROUPS = ["payments", "sre", "security", "leads"];
const ATOMS: readonly Atom[] = [
  { cel: "true", is: () => true },
  { cel: "false", is: () => false },
  ...GROUPS.map((group): Atom => ({ cel: `"${group}" in user.groups`, is: ({ who }) => who.groups.includes(group) })),
  { cel: 'user.type == "contractor"', is: ({ who }) => who.type === "contractor" },
  { cel: 'user.manager == "bob"', is: ({ who }) => who.manager === "bob" },
  { cel: "oncall.tier in [1, 2]", is: ({ tier }) => tier === 1 || tier === 2 },
  { cel: 'entitlement.risk != "high"', is: ({ risk }) => risk !== "high" },
  { cel: 'request.duration > duration("2h")', is: ({ durationMs }) => durationMs > 2 * HOUR_MS },
  { cel: 'request.ticket.matches("^INC-[0-9]+$")', is: ({ ticket }) => /^INC-[0-9]+$/.test(ticket) },
  { cel: "request.emergency", is: ({ emergency }) => emergency },
  { cel: "request.extension", is: ({ extension }) => extension !== null },
  {
    cel: "history.open < 2 && history.recent_here > 0",
    is: ({ history }) => history.open < 2 && history.recentHere > 0,
  },
  { cel: "now.getHours() >= 12", is: ({ nowMs }) => new Date(nowMs).getUTCHours() >= 12 },
  {
    cel: 'user.groups[1] == "sre"',
    is: ({ who }) => {
      if (who.groups.length < 2) throw new Error("no second group");
      return who.groups[1] === "sre";
    },
  },
];

const atom = fc.constantFrom(...ATOMS);
const source = fc.constantFrom<Source>("owners", "manager", "user:bob", "group:sre", "group:security");
const hours: fc.Arbitrary<Hours> = fc.record({
  zone: fc.constant("UTC"),
  days: fc.uniqueArray(fc.constantFrom(...DAYS), { minLength: 1 }),
  fromMinute: fc.nat(1_439),
  toMinute: fc.integer({ min: 0, max: 1_440 }),
});
const maybe = <T>(one: fc.Arbitrary<T>, weight = 1) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, { weight, arbitrary: one });
const step: fc.Arbitrary<NaiveStep> = fc.record({
  by: fc.uniqueArray(source, { minLength: 1, maxLength: 3 }),
  count: fc.integer({ min: 1, max: 3 }),
  only: maybe(atom),
});
const rule: fc.Arbitrary<NaiveRule> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ name: fc.constant("?"), deny: atom }) },
  {
    weight: 12,
    arbitrary: fc.record({
      name: fc.constant("?"),
      when: maybe(atom, 6),
      steps: maybe(fc.array(step, { minLength: 1, maxLength: 3 }), 4),
      longestMs: maybe(fc.constantFrom(HOUR_MS, 3 * HOUR_MS)),
      ticket: fc.boolean(),
      reason: maybe(fc.nat(8)),
      emergency: fc.boolean(),
      hours: maybe(hours),
      limit: maybe(
        fc.record({
          per: fc.constantFrom("user" as const, "rule" as const, "group:sre" as const),
          count: fc.integer({ min: 1, max: 3 }),
        }),
      ),
      extensions: maybe(
        fc.record({
          count: fc.nat(3),
          eachMs: fc.constantFrom(MINUTE_MS, HOUR_MS),
          totalMs: fc.constantFrom(HOUR_MS, 2 * HOUR_MS),
        }),
      ),
    }),
  },
);
const rules = fc
  .array(rule, { maxLength: 7, size: "max" })
  .map((all) => all.map((one, index): NaiveRule => ({ ...one, name: `r${index}` })));
const nowMs = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2026, 11, 31) });
const question: fc.Arbitrary<Question> = fc.record({
  who: fc.record({
    groups: fc.uniqueArray(fc.constantFrom(...GROUPS), { maxLength: 3 }),
    type: fc.constantFrom("employee", "contractor", ""),
    manager: fc.constantFrom("", "bob", "carol"),
  }),
  risk: fc.constantFrom("low", "medium", "high"),
  durationMs: fc.constantFrom(MINUTE_MS, HOUR_MS, 3 * HOUR_MS, 5 * HOUR_MS),
  ticket: fc.constantFrom("", "  ", "INC-7", "OPS-7"),
  reason: fc.constantFrom("", "   ", "short", "long enough", "ünïcödé"),
  emergency: fc.boolean(),
  tier: fc.nat(3),
  nowMs,
  startMs: maybe(nowMs),
  extension: maybe(
    fc.record({
      count: fc.nat(4),
      totalMs: fc.constantFrom(0, MINUTE_MS, HOUR_MS),
      addMs: fc.constantFrom(MINUTE_MS, HOUR_MS),
    }),
  ),
  history: fc.record({ open: fc.nat(3), recentHere: fc.nat(2) }),
});

const asWritten = (one: NaiveRule): Rule => {
  if ("deny" in one) return deny(one.name, one.deny.cel);
  const { steps, emergency, limit, extensions } = one;
  return approve(one.name, one.when?.cel ?? null, {
    approve:
      steps?.map(({ by, count, only }) => ({ by, count, ...(only === null ? {} : { if: only.cel }) })) ??
      "automatically",
    maxDurationMs: one.longestMs,
    ticketRequired: one.ticket,
    reasonMinLength: one.reason,
    ...(emergency ? { emergency: { reviewBy: ["owners"], withinMs: HOUR_MS } } : {}),
    ...(one.hours === null ? {} : { hours: [one.hours] }),
    ...(limit === null ? {} : { limit: { ...limit, withinMs: HOUR_MS } }),
    ...(extensions === null ? {} : { extensions }),
  });
};

const asAsked = ({ who, risk, tier, nowMs: now, startMs, extension, history, ...asked }: Question) => ({
  ...given({
    user: { groups: who.groups, type: who.type, ...(who.manager === "" ? {} : { manager: who.manager }) },
    request: { ...asked, startMs, ...(extension === null ? {} : { extension }) },
    tier,
    risk,
    nowMs: now,
  }),
  history: { open: history.open, openHere: 0, recent: 9, recentHere: history.recentHere },
});

test("10: whatever the organisation, the rules and the question, policy answers as the language is defined", () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(rules, question, fc.nat(4), (all, asked, used) => {
      const { outcome, rule: by, steps } = evaluate(policy(...all.map(asWritten)), asAsked(asked), () => used);
      const naive = decideNaively(all, asked, used);
      assert.deepEqual({ outcome, rule: by, steps }, naive);
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    }),
    { numRuns: RUNS },
  );
  // All three, and often: a comparison that only ever meets one answer compares nothing.
  for (const outcome of ["automatic", "needs-approval", "denied"])
    assert.ok((seen.get(outcome) ?? 0) > RUNS / 50, `${outcome}: ${seen.get(outcome) ?? 0} of ${RUNS}`);
});
