import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { DRIFT_KINDS } from "./drift.ts";
import { healthOf } from "./health.ts";
import {
  CHECKS,
  type CheckName,
  type HealthCheck,
  type HealthFacts,
  type LedgerFacts,
  THRESHOLDS,
} from "./health-facts.ts";

const NONE = { count: 0, oldestMs: 0 };
const QUIET: LedgerFacts = {
  ...{ overdue: NONE, cleanUps: NONE, lateLooks: NONE, panics: NONE, unsequenced: { ...NONE, stray: null } },
  emergencies: { open: 0, overdue: NONE },
  ...{
    targets: [{ resource: "orders-db", troubles: [] }],
    quarantine: null,
    endingTokens: 0,
    channels: [],
    ...{ sinks: [], anchors: [], retention: null },
    drift: { findings: [], sweeps: [] },
  },
};
const WELL: HealthFacts = {
  nowMs: 1_000_000_000,
  storeAwayMs: null,
  reconciler: { running: true, lastLookMs: 999_999_000, silent: [] },
  configurationTrouble: null,
  sources: [],
  headAgeMs: 30_000,
  journal: { ageMs: 2_000, grants: 3, atWork: false, unkept: false, full: false },
  ledger: QUIET,
};
const ledger = (facts: Partial<LedgerFacts>): HealthFacts => ({ ...WELL, ledger: { ...QUIET, ...facts } });
const waiting = (oldestMs: number, count = 1) => ({ count, oldestMs });

function check(facts: HealthFacts, name: CheckName): HealthCheck {
  const found = healthOf(facts).checks.find((one) => one.name === name);
  assert.ok(found !== undefined, `there is a check ${name}`);
  return found;
}
const level = (facts: HealthFacts, name: CheckName) => check(facts, name).level;

test("an anchor that fails is yellow when it is due, and at once where nothing has come there; one that is stale is red", () => {
  const day = 86_400_000;
  const anchor = { name: "m", anchor: "mail" as const, settings: {}, everyMs: day, withinMs: 3 * day };
  const at = (size: number, ageMs: number, lastError: string | null) =>
    level(ledger({ anchors: [{ anchor, facts: { size, ageMs, lastError } }] }), "anchor");
  assert.deepEqual([at(0, 5_000, null), at(0, 5_000, "no")], ["green", "yellow"]);
  assert.deepEqual([at(9, day - 1, "no"), at(9, day + 1, "no"), at(9, day + 1, null)], ["green", "yellow", "green"]);
  assert.deepEqual([at(9, 2 * day, null), at(9, 3 * day + 1, null)], ["yellow", "red"]);
});

test("with nothing wrong every check is there, green, with nothing to do", () => {
  const { level: verdict, checks } = healthOf(WELL);
  assert.equal(verdict, "green");
  assert.deepEqual(
    checks.map(({ name }) => name),
    CHECKS,
  );
  for (const one of checks)
    assert.deepEqual([one.level, one.todo, one.runbook, one.sinceMs], ["green", null, null, null]);
});

test("S02: access past its end is yellow after two seconds, red after the five that are promised, and reads revoking, still live", () => {
  const at = (ms: number) => level(ledger({ overdue: waiting(ms) }), "overdue");
  assert.deepEqual(
    [at(2_000), at(2_001), at(5_000), at(5_001), at(3_600_000)],
    ["green", "yellow", "yellow", "red", "red"],
  );
  const late = check(ledger({ overdue: waiting(7_000, 2) }), "overdue");
  assert.match(late.says, /^2 grants are revoking, still live: access may work 7\.0 s past its end\.$/);
  assert.equal(late.sinceMs, WELL.nowMs - 7_000);
});

test("a store that is away is yellow at once and red after five seconds; what only it knows is not green meanwhile", () => {
  const away = (storeAwayMs: number): HealthFacts => ({ ...WELL, ledger: null, storeAwayMs });
  assert.equal(level(away(100), "store"), "yellow");
  assert.equal(level(away(5_001), "store"), "red");
  for (const name of CHECKS)
    if (!["reconciler", "configuration", "journal"].includes(name))
      assert.notEqual(level(away(100), name), "green", name);
});

test("a reconciler that does not run is red; one that does not look is yellow, then red", () => {
  const looked = (agoMs: number | null, running = true): HealthFacts => ({
    ...WELL,
    reconciler: { running, lastLookMs: agoMs === null ? null : WELL.nowMs - agoMs, silent: [] },
  });
  const at = (agoMs: number | null, running = true) => level(looked(agoMs, running), "reconciler");
  assert.deepEqual([at(null), at(6_000), at(7_000), at(16_000)], ["green", "green", "yellow", "red"]);
  assert.equal(at(0, false), "red");
});

test("a target that is not reached is yellow after ten seconds and red after a minute; other trouble there stays yellow", () => {
  const trouble = (code: string, ageMs: number) =>
    check(
      ledger({ targets: [{ resource: "orders-db", troubles: [{ code, grants: 2, ageMs, attempts: 7 }] }] }),
      "target",
    );
  for (const code of ["unreachable", "cannot-sign-in", "moved"])
    assert.deepEqual(
      [9_000, 11_000, 61_000].map((ageMs) => trouble(code, ageMs).level),
      ["green", "yellow", "red"],
    );
  assert.deepEqual(
    [trouble("not-permitted", 9_000).level, trouble("not-permitted", 9_000_000).level],
    ["green", "yellow"],
  );
  assert.match(trouble("unreachable", 11_000).says, /orders-db does not answer: 2 grants wait, tried up to 7 times\./);
  assert.match(trouble("cannot-sign-in", 11_000).says, /does not let Tidegate sign in/);
  assert.match(trouble("moved", 11_000).says, /leads to another server/);
  assert.equal(trouble("moved", 11_000).runbook, "tidegatetargetmoved");
  assert.equal(trouble("unreachable", 11_000).subject, "orders-db");
});

test("a target that this process has tried in vain several times is yellow before any grant is ten seconds in trouble, until any process reaches it", () => {
  const silent = { ...WELL.reconciler, silent: ["orders-db"] };
  const troubles = [{ code: "unreachable", grants: 1, ageMs: 1_000, attempts: 3 }];
  const tried = ledger({ targets: [{ resource: "orders-db", troubles }] });
  assert.equal(level(tried, "target"), "green");
  assert.equal(level({ ...tried, reconciler: silent }, "target"), "yellow");
  assert.equal(level({ ...WELL, reconciler: silent }, "target"), "green");
});

test("each target is a check of its own", () => {
  const targets = ["a", "b", "c"].map((resource) => ({ resource, troubles: [] }));
  const { checks } = healthOf(ledger({ targets }));
  assert.deepEqual(
    checks.flatMap(({ name, subject }) => (name === "target" ? [subject] : [])),
    ["a", "b", "c"],
  );
});

test("quarantine is red from the first moment and says why and what to run", () => {
  const one = check(ledger({ quarantine: { ageMs: 0, why: "an older backup was restored" } }), "quarantine");
  assert.equal(one.level, "red");
  assert.match(`${one.says} ${one.todo}`, /older backup.*tidegate recover/);
});

test("a panic in force, a bad configuration, clean-up that lasts and a token that ends are to be looked at, and wake nobody", () => {
  assert.equal(level(ledger({ panics: waiting(10) }), "panics"), "yellow");
  assert.equal(level(ledger({ panics: waiting(1e9) }), "panics"), "yellow");
  assert.equal(
    level({ ...WELL, configurationTrouble: "since then tidegate.yaml has a mistake" }, "configuration"),
    "yellow",
  );
  assert.equal(level(ledger({ cleanUps: waiting(60_000) }), "clean-up"), "green");
  assert.equal(level(ledger({ cleanUps: waiting(1e9) }), "clean-up"), "yellow");
  assert.equal(level(ledger({ endingTokens: 1 }), "tokens"), "yellow");
});

test("S17 an emergency that nobody has reviewed in time is yellow, and says how to see which; one that waits is not", () => {
  const emergencies = (open: number, overdue: number) => ({
    open,
    overdue: { count: overdue, oldestMs: overdue * 1_000 },
  });
  assert.equal(level(ledger({ emergencies: emergencies(3, 0) }), "emergencies"), "green");
  const one = check(ledger({ emergencies: emergencies(3, 1) }), "emergencies");
  assert.equal(one.level, "yellow");
  assert.match(`${one.says} ${one.todo}`, /1 emergency was not reviewed in time.*list --state overdue/);
});

test("drift is red where somebody may have access of ours that no grant knows, yellow where it differs otherwise or nobody has looked", () => {
  const found = (...kinds: string[]) =>
    ledger({ drift: { findings: kinds.map((kind) => ({ resource: "orders-db", kind, count: 1 })), sweeps: [] } });
  for (const kind of ["unknown-mark", "left-over"]) assert.equal(level(found("by-hand", kind), "drift"), "red");
  for (const kind of ["missing", "more", "by-hand", "made"]) assert.equal(level(found(kind), "drift"), "yellow");
  for (const kind of ["standing", "less"]) assert.equal(level(found(kind), "drift"), "green");
  const swept = (ageSeconds: number | null) =>
    level(ledger({ drift: { findings: [], sweeps: [{ resource: "orders-db", ageSeconds }] } }), "drift");
  assert.deepEqual([swept(300), swept(1_801), swept(null)], ["green", "yellow", "yellow"]);
});

test("a second look that is late is yellow, then red", () => {
  const at = (ms: number) => level(ledger({ lateLooks: waiting(ms) }), "second-looks");
  assert.deepEqual([at(15_000), at(16_000), at(301_000)], ["green", "yellow", "red"]);
});

test("what waits for a position in the log and is no entry is told by name, and red", () => {
  const facts = ledger({ unsequenced: { count: 3, oldestMs: 0, stray: "en_stray" } });
  assert.equal(level(facts, "log"), "red");
  assert.match(check(facts, "log").says, /en_stray waits for a position and is no entry/);
});

test("the log is yellow when entries wait for positions, when its head is older than two minutes, and when there is none", () => {
  assert.equal(level(ledger({ unsequenced: { ...waiting(11_000), stray: null } }), "log"), "yellow");
  assert.equal(level(ledger({ unsequenced: { ...waiting(61_000), stray: null } }), "log"), "red");
  const head = (headAgeMs: number | null) => level({ ...WELL, headAgeMs }, "log");
  assert.deepEqual([head(119_000), head(121_000), head(601_000), head(null)], ["green", "yellow", "red", "yellow"]);
});

test("a journal that is stale, full, not kept or at work is to be looked at", () => {
  const journal = { ageMs: 2_000, grants: 3, atWork: false, unkept: false, full: false };
  const at = (facts: Partial<typeof journal>) => level({ ...WELL, journal: { ...journal, ...facts } }, "journal");
  assert.deepEqual([at({}), at({ ageMs: 31_000 }), at({ ageMs: 121_000 })], ["green", "yellow", "red"]);
  assert.deepEqual([at({ unkept: true }), at({ full: true })], ["yellow", "yellow"]);
  const away = { ...WELL, ledger: null, storeAwayMs: 6_000, journal: { ...journal, atWork: true } };
  assert.equal(level(away, "journal"), "yellow");
});

test("messages that wait for more than a minute are yellow, with the channel and what keeps them, and never red", () => {
  const ops = (oldestMs: number, lastError: string | null = "it answered 503") =>
    ledger({ channels: [{ channel: "ops", count: 2, oldestMs, lastError }] });
  assert.deepEqual([level(ops(59_000), "messages"), level(ops(61_000), "messages")], ["green", "yellow"]);
  assert.equal(level(ops(1e9), "messages"), "yellow");
  assert.match(check(ops(61_000), "messages").says, /2 messages wait for the channel ops \(it answered 503\)/);
  assert.match(check(ops(61_000, null), "messages").says, /no replica has tried/);
});

test("what retention waits for is told, and is yellow after a week beyond its notice, and never red", () => {
  const at = (overdueMs: number, lagging: string[] = []) =>
    ledger({ retention: { droppedTo: 512, overdueMs, lagging } });
  const week = 8 * 86_400_000;
  assert.deepEqual(
    [level(at(0), "retention"), level(at(week + 1), "retention"), level(at(1e12), "retention")],
    ["green", "yellow", "yellow"],
  );
  assert.equal(
    check(at(1, ["siem"]), "retention").says,
    "The log up to position 512 is dropped; siem must have the rest first.",
  );
  assert.match(check(at(week + 1), "retention").says, /is not over/);
});

/** Any facts: each number far below, at or far above every threshold. */
const ms = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1_000_000 }), fc.constant(1e9));
const some = fc.record({ count: fc.integer({ min: 0, max: 60_000 }), oldestMs: ms });
const code = fc.constantFrom("unreachable", "cannot-sign-in", "moved", "not-permitted", "conflict", "failed");
const anyLedger: fc.Arbitrary<LedgerFacts> = fc.record({
  ...{ overdue: some, cleanUps: some, lateLooks: some, panics: some },
  unsequenced: fc.record({ count: fc.nat(9), oldestMs: ms, stray: fc.option(fc.constant("en_stray")) }),
  emergencies: some.map((overdue) => ({ open: overdue.count, overdue })),
  targets: fc.array(
    fc.record({
      resource: fc.constantFrom("a", "b"),
      troubles: fc.array(fc.record({ code, grants: fc.nat(), ageMs: ms, attempts: fc.nat() }), { maxLength: 3 }),
    }),
    { maxLength: 3 },
  ),
  quarantine: fc.option(fc.record({ ageMs: ms, why: fc.constant("it is older") })),
  endingTokens: fc.nat(3),
  channels: fc.array(
    fc.record({ channel: fc.constant("ops"), count: fc.integer({ min: 1 }), oldestMs: ms, lastError: fc.option(code) }),
    { maxLength: 2 },
  ),
  retention: fc.option(
    fc.record({ droppedTo: fc.nat(), overdueMs: ms, lagging: fc.array(fc.constant("siem"), { maxLength: 2 }) }),
  ),
  anchors: fc.array(
    fc.record({
      anchor: fc.record({
        ...{ name: fc.constant("git"), anchor: fc.constant("git" as const), settings: fc.constant({}) },
        ...{ everyMs: fc.constant(600_000), withinMs: fc.constant(3_600_000) },
      }),
      facts: fc.option(fc.record({ size: fc.nat(), ageMs: ms, lastError: fc.option(fc.constant("no")) })),
    }),
    { maxLength: 2 },
  ),
  sinks: fc.array(
    fc.record({
      sink: fc.record({
        ...{ name: fc.constantFrom("siem", "copy"), sink: fc.constant("file" as const), settings: fc.constant({}) },
        ...{ from: fc.constant("now" as const), personal: fc.boolean(), withinMs: fc.constant(300_000) },
        holdsUp: fc.constantFrom("nothing", "ordinary", "everything"),
      }),
      facts: fc.option(
        fc.record({ position: fc.nat(), waiting: fc.nat(), lagMs: ms, lastError: fc.option(fc.constant("no")) }),
      ),
    }),
    { maxLength: 2 },
  ),
  drift: fc.record({
    findings: fc.array(
      fc.record({ resource: fc.constant("a"), kind: fc.constantFrom(...DRIFT_KINDS), count: fc.integer({ min: 1 }) }),
      { maxLength: 2 },
    ),
    sweeps: fc.array(fc.record({ resource: fc.constant("a"), ageSeconds: fc.option(fc.nat(10_000)) }), {
      maxLength: 2,
    }),
  }),
});
const anyFacts: fc.Arbitrary<HealthFacts> = fc.record({
  nowMs: fc.constant(WELL.nowMs),
  storeAwayMs: fc.option(ms),
  reconciler: fc.record({
    running: fc.boolean(),
    lastLookMs: fc.option(fc.integer({ min: 0, max: WELL.nowMs })),
    silent: fc.subarray(["a", "b"]),
  }),
  sources: fc.array(
    fc.record({
      ...{ role: fc.constantFrom("oncall" as const, "tickets" as const), name: fc.constantFrom("pager", "jira") },
      ...{ lastSuccessMs: fc.option(fc.nat(1_000_000)), failures: fc.constant({}) },
      failing: fc.option(fc.record({ sinceMs: fc.nat(1_000_000), why: fc.constant("cannot be reached") })),
    }),
    { maxLength: 3 },
  ),
  configurationTrouble: fc.option(fc.constant("a mistake")),
  headAgeMs: fc.option(ms),
  journal: fc.option(
    fc.record({ ageMs: ms, grants: fc.nat(), atWork: fc.boolean(), unkept: fc.boolean(), full: fc.boolean() }),
  ),
  ledger: fc.option(anyLedger),
});

test("whatever the facts: the verdict is the worst of the checks, and what is not green says what to do and where to read", () => {
  const operations = readFileSync(resolve(import.meta.dirname, "../../docs/operations.md"), "utf8");
  const anchors = new Set(Array.from(operations.matchAll(/^#+ (.+)$/gm), ([, title = ""]) => title.toLowerCase()));
  fc.assert(
    fc.property(anyFacts, (facts) => {
      const { level: verdict, checks } = healthOf(facts);
      const levels = checks.map((one) => one.level);
      assert.equal(verdict, levels.includes("red") ? "red" : levels.includes("yellow") ? "yellow" : "green");
      for (const one of checks) {
        assert.match(one.says, /^\S.*\.$/);
        assert.doesNotMatch(one.says, /NaN|Infinity|undefined|null/);
        assert.equal(one.todo === null, one.level === "green");
        if (one.runbook !== null)
          assert.ok(anchors.has(one.runbook), `docs/operations.md has a section ${one.runbook}`);
      }
    }),
  );
});

test("yellow comes before red at every threshold", () => {
  for (const [name, { yellow, red }] of Object.entries(THRESHOLDS)) assert.ok(yellow < red, name);
});

test("a source of facts that fails is yellow by its name, and names nobody; one that was never asked is not", () => {
  const quiet = { role: "oncall" as const, name: "pager", lastSuccessMs: null, failing: null, failures: {} };
  const failing = { sinceMs: WELL.nowMs - 60_000, why: "did not accept the sign-in (HTTP 401)" };
  const facts: HealthFacts = { ...WELL, sources: [quiet, { ...quiet, role: "tickets", name: "jira", failing }] };
  const { name, subject, level: seen, says, sinceMs } = check(facts, "facts");
  assert.deepEqual([name, subject, seen, sinceMs], ["facts", "jira", "yellow", failing.sinceMs]);
  assert.match(says, /^jira did not accept the sign-in \(HTTP 401\)\. /);
  assert.equal(level({ ...WELL, sources: [quiet] }, "facts"), "green");
});
