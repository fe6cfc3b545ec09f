import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { storedFacts } from "./facts.ts";
import { type Override, onDutyAt, type Rotation, type Schedule, scheduledFact } from "./schedule.ts";
import { instantOf, wallOf } from "./zone.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const ZONES = [
  ...["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"],
  ...["Pacific/Auckland", "Africa/Casablanca", "America/St_Johns", "Pacific/Chatham"],
] as const;

const weekly: Rotation = {
  ...{ name: "primary", tier: 1, people: ["alice", "bob", "carol"] },
  ...{ startDay: "2026-03-02", handoverMinute: 9 * 60, lengthMs: 7 * DAY_MS },
};
const schedule = (more: Partial<Schedule> = {}, ...rotations: Rotation[]): Schedule => ({
  ...{ name: "payments", zone: "Europe/Berlin", overrides: [] },
  rotations: rotations.length === 0 ? [weekly] : rotations,
  ...more,
});
const who = (of: Schedule, at: string): string[] =>
  onDutyAt(of, Date.parse(at)).map(({ person, tier }) => `${person} at ${tier}`);

const anyRotation: fc.Arbitrary<Rotation> = fc.record({
  name: fc.constantFrom("primary", "secondary"),
  tier: fc.integer({ min: 1, max: 9 }),
  people: fc.uniqueArray(fc.constantFrom("alice", "bob", "carol", "dave", "erin"), { minLength: 1 }),
  startDay: fc.constantFrom("2025-12-29", "2026-03-02", "2026-03-28", "2026-10-24"),
  handoverMinute: fc.nat(1_439),
  lengthMs: fc.oneof(
    fc.integer({ min: 60, max: 40_000 }).map((minutes) => minutes * MINUTE_MS),
    fc.constantFrom(12 * HOUR_MS, DAY_MS, 7 * DAY_MS, 14 * DAY_MS),
  ),
});
const anyTime = fc.integer({ min: Date.parse("2026-01-01"), max: Date.parse("2027-01-01") });
/** Around the days on which Berlin sets its clocks. */
const aboutChange = fc
  .tuple(fc.constantFrom("2026-03-29T01:00Z", "2026-10-25T01:00Z"), fc.integer({ min: -5 * HOUR_MS, max: 5 * HOUR_MS }))
  .map(([at, ms]) => Date.parse(at) + ms);
const apart = (overrides: readonly Override[]): Override[] => {
  const kept: Override[] = [];
  for (const one of overrides)
    if (!kept.some((k) => k.rotation === one.rotation && k.fromMs < one.toMs && one.fromMs < k.toMs)) kept.push(one);
  return kept;
};
const anySchedule: fc.Arbitrary<Schedule> = fc.record({
  name: fc.constant("payments"),
  zone: fc.constantFrom(...ZONES),
  rotations: fc.uniqueArray(anyRotation, { minLength: 1, maxLength: 2, selector: ({ name }) => name }),
  overrides: fc
    .array(
      fc
        .record({
          rotation: fc.constantFrom("primary", "secondary"),
          person: fc.constantFrom("frank", "grace"),
          fromMs: anyTime,
          lasts: fc.integer({ min: MINUTE_MS, max: 30 * DAY_MS }),
        })
        .map(({ lasts, ...one }): Override => ({ ...one, toMs: one.fromMs + lasts })),
      { maxLength: 4 },
    )
    .map(apart),
});

describe("wall time", () => {
  test("goes to and fro: what clocks show is an instant at which they show it, the first such", () => {
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), fc.oneof(anyTime, aboutChange), (zone, atMs) => {
        const wallMs = wallOf(zone, atMs);
        const back = instantOf(zone, wallMs);
        assert.equal(wallOf(zone, back), wallMs);
        assert.ok(back <= atMs && atMs - back <= 2 * HOUR_MS);
      }),
    );
  });

  test("a time that clocks show twice is the first, one that they leave out comes as much later", () => {
    const berlin = (wall: string): string => new Date(instantOf("Europe/Berlin", Date.parse(`${wall}Z`))).toISOString();
    assert.equal(berlin("2026-10-25T02:30"), "2026-10-25T00:30:00.000Z");
    assert.equal(berlin("2026-03-29T02:30"), "2026-03-29T01:30:00.000Z");
    assert.equal(berlin("2026-03-29T03:30"), "2026-03-29T01:30:00.000Z");
    assert.equal(berlin("2026-07-01T09:00"), "2026-07-01T07:00:00.000Z");
  });
});

describe("turns", () => {
  test("people take over from each other in order, at the time of the hand-over, and nobody before the first", () => {
    assert.deepEqual(who(schedule(), "2026-03-02T07:59:59Z"), []);
    assert.deepEqual(who(schedule(), "2026-03-02T08:00:00Z"), ["alice at 1"]);
    assert.deepEqual(who(schedule(), "2026-03-09T07:59:59Z"), ["alice at 1"]);
    assert.deepEqual(who(schedule(), "2026-03-09T08:00:00Z"), ["bob at 1"]);
    assert.deepEqual(who(schedule(), "2026-03-16T08:00:00Z"), ["carol at 1"]);
    assert.deepEqual(who(schedule(), "2026-03-23T08:00:00Z"), ["alice at 1"]);
  });

  test("the hand-over stays at the same time of the day when clocks are set", () => {
    // 09:00 in Berlin is 08:00 UTC in winter and 07:00 in summer.
    assert.deepEqual(who(schedule(), "2026-03-30T06:59:59Z"), ["alice at 1"]);
    assert.deepEqual(who(schedule(), "2026-03-30T07:00:00Z"), ["bob at 1"]);
    const nights = { ...weekly, startDay: "2026-10-24", handoverMinute: 21 * 60, lengthMs: 12 * HOUR_MS };
    const [night] = onDutyAt(schedule({}, nights), Date.parse("2026-10-24T19:00:00Z"));
    assert.equal(night?.untilMs, Date.parse("2026-10-25T08:00:00Z"), "that night has thirteen hours");
  });

  test("a hand-over in the hour that clocks show twice happens once", () => {
    const of = schedule({}, { ...weekly, startDay: "2026-10-24", handoverMinute: 150, lengthMs: DAY_MS });
    const seen = ["00:00", "00:29", "00:30", "00:59", "01:15", "01:30", "02:00"].map(
      (at) => who(of, `2026-10-25T${at}:00Z`)[0],
    );
    assert.deepEqual(seen, [...Array(2).fill("alice at 1"), ...Array(5).fill("bob at 1")]);
  });

  test("a hand-over in the hour that clocks leave out is an hour later", () => {
    const of = schedule({}, { ...weekly, startDay: "2026-03-28", handoverMinute: 150, lengthMs: DAY_MS });
    const seen = ["00:59", "01:15", "01:29", "01:30"].map((at) => who(of, `2026-03-29T${at}:00Z`)[0]);
    assert.deepEqual(seen, [...Array(3).fill("alice at 1"), "bob at 1"]);
  });

  test("every minute has one person of each rotation from its start on, in order, and each turn is as long as it says", () => {
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), anyRotation, fc.oneof(anyTime, aboutChange), (zone, rotation, atMs) => {
        const of = schedule({ zone }, rotation);
        const [now, ...more] = onDutyAt(of, atMs);
        const startMs = instantOf(zone, Date.parse(rotation.startDay) + rotation.handoverMinute * MINUTE_MS);
        assert.equal(now !== undefined, atMs >= startMs);
        if (now === undefined) return;
        assert.deepEqual(more, []);
        assert.ok(now.untilMs > atMs);
        const place = rotation.people.indexOf(now.person);
        assert.equal(onDutyAt(of, now.untilMs - 1)[0]?.person, now.person);
        // In a gap of the clocks two hand-overs may fall together: then a turn has no time at all.
        const [next] = onDutyAt(of, now.untilMs);
        const step =
          ((next === undefined ? -1 : rotation.people.indexOf(next.person)) - place + rotation.people.length) %
          rotation.people.length;
        assert.ok(rotation.lengthMs < 2 * HOUR_MS || step === 1 % rotation.people.length);
        const wallMs = wallOf(zone, now.untilMs);
        const sinceMs = wallMs - (Date.parse(rotation.startDay) + rotation.handoverMinute * MINUTE_MS);
        const offMs = sinceMs % rotation.lengthMs;
        assert.ok(offMs === 0 || offMs <= HOUR_MS, "at the time of the day, or an hour later where that is left out");
      }),
      { numRuns: 500 },
    );
  });

  test("nothing changes before it is said to, and going forward nobody's turn comes back out of order", () => {
    fc.assert(
      fc.property(anySchedule, fc.oneof(anyTime, aboutChange), fc.nat(1_000), (of, atMs, part) => {
        const now = onDutyAt(of, atMs);
        for (const one of now) {
          assert.ok(one.untilMs > atMs);
          const betweenMs = atMs + Math.floor(((one.untilMs - 1 - atMs) * part) / 1_000);
          const then = onDutyAt(of, betweenMs).find(({ rotation }) => rotation === one.rotation);
          assert.deepEqual(then, one);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("overrides and tiers", () => {
  const secondary: Rotation = { ...weekly, name: "secondary", tier: 2, people: ["dave", "erin"] };
  const overrides = [
    {
      ...{ rotation: "primary", person: "erin" },
      ...{ fromMs: Date.parse("2026-03-04T08:00Z"), toMs: Date.parse("2026-03-05T08:00Z") },
    },
  ];

  test("somebody who stands in is on call in that rotation, and whose turn it is is not", () => {
    const of = schedule({ overrides }, weekly, secondary);
    assert.deepEqual(who(of, "2026-03-04T07:59:59Z"), ["alice at 1", "dave at 2"]);
    assert.deepEqual(who(of, "2026-03-04T08:00:00Z"), ["erin at 1", "dave at 2"]);
    assert.deepEqual(who(of, "2026-03-05T08:00:00Z"), ["alice at 1", "dave at 2"]);
  });

  test("an override changes nothing outside of its time and its rotation", () => {
    fc.assert(
      fc.property(anySchedule, fc.oneof(anyTime, aboutChange), (of, atMs) => {
        const [now, without] = [onDutyAt(of, atMs), onDutyAt({ ...of, overrides: [] }, atMs)];
        for (const { name } of of.rotations) {
          const instead = of.overrides.find((o) => o.rotation === name && o.fromMs <= atMs && atMs < o.toMs);
          const [mine, planned] = [now, without].map((all) => all.find(({ rotation }) => rotation === name)?.person);
          assert.equal(mine, instead === undefined ? planned : instead.person);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("as a fact", () => {
  const both = schedule({}, { ...weekly, name: "late", tier: 3 }, { ...weekly, tier: 2 });
  const atMs = Date.parse("2026-03-03T12:00Z");

  test("the nearest line counts, and who is in none is not on call, which is known", () => {
    assert.deepEqual(scheduledFact(both, "alice", atMs), { tier: 2, source: "payments", ageMs: 0, goodForMs: 30_000 });
    assert.deepEqual(scheduledFact(both, "bob", atMs), { tier: 0, source: "payments", ageMs: 0, goodForMs: 30_000 });
  });

  test("it is worth nothing any more once somebody else has taken over", () => {
    const oncall = scheduledFact(both, "alice", Date.parse("2026-03-09T07:59:50Z"));
    assert.equal(oncall.goodForMs, 10_000);
    assert.equal(storedFacts({ oncall }, 10_000).oncall.unknown, undefined);
    assert.match(storedFacts({ oncall }, 10_001).oncall.unknown ?? "", /out of date/);
  });
});
