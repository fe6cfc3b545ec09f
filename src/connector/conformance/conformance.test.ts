/** The suite is held to what it is for: it passes what is right, and says of each mistake exactly which rule it breaks. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { memoryFixture } from "../../connectors/memory-fixture.ts";
import { WRONG_MEMBERSHIPS } from "../../connectors/wrong-memberships-fixture.ts";
import { conformance } from "./conformance.ts";
import { FEATURES, type Fixture, type Place } from "./fixture.ts";
import { loginConnector, loginFixture } from "./login-server-fixture.ts";
import { RULES } from "./rules.ts";
import { runConformance, type Verdict } from "./run-conformance.ts";
import { WRONG_CONNECTORS } from "./wrong-connectors-fixture.ts";

conformance(loginConnector, loginFixture());

const rulesThat = (verdicts: readonly Verdict[], outcome: Verdict["outcome"]): string[] =>
  verdicts.filter((one) => one.outcome === outcome).map(({ rule }) => rule);

const told = (verdicts: readonly Verdict[]): string =>
  verdicts
    .filter(({ outcome }) => outcome === "broken" || outcome === "blocked")
    .map((one) => `${one.rule}: ${one.outcome === "broken" ? String(one.error) : "not asked"}`)
    .join("\n");

describe("a connector that is wrong breaks exactly its rule", { concurrency: 24 }, () => {
  for (const { mistake, breaks, connector } of WRONG_CONNECTORS)
    test(`${breaks.join(", ")}: ${mistake}`, async () => {
      const verdicts = await runConformance(connector, loginFixture(), { letGoMs: 4_000 });
      assert.deepEqual(rulesThat(verdicts, "broken"), breaks, told(verdicts));
    });

  for (const { mistake, breaks, connector } of WRONG_MEMBERSHIPS)
    test(`${breaks.join(", ")}: ${mistake}`, async () => {
      const verdicts = await runConformance(connector, memoryFixture(), { letGoMs: 4_000 });
      assert.deepEqual(rulesThat(verdicts, "broken"), breaks, told(verdicts));
    });
});

test("each rule is broken by one of the wrong connectors", () => {
  const broken = new Set([...WRONG_CONNECTORS, ...WRONG_MEMBERSHIPS].flatMap(({ breaks }) => breaks));
  assert.deepEqual(
    RULES.map(({ rule }) => rule).filter((rule) => !broken.has(rule)),
    [],
  );
});

test("rules have names of their own, and come after those they build on", () => {
  const seen = new Set<string>();
  for (const { rule, after } of RULES) {
    assert.match(rule, /^[a-z]+(-[a-z]+)*$/);
    assert.ok(!seen.has(rule), rule);
    assert.deepEqual(
      after.filter((one) => !seen.has(one)),
      [],
      rule,
    );
    seen.add(rule);
  }
});

test("a fixture that lacks something and does not say why breaks the rules that need it", async () => {
  const whole = loginFixture();
  const forgetful: Fixture = {
    ...whole,
    start: async () => {
      const place: Partial<Place> = { ...(await whole.start()) };
      delete place.log;
      delete place.byHand;
      return place as Place;
    },
  };
  const verdicts = await runConformance(loginConnector, forgetful);
  assert.deepEqual(rulesThat(verdicts, "broken"), ["found", "log"]);
  assert.match(told(verdicts), /the fixture has no byHand\. Give it, or say in `without\.byHand` why there is none/);
});

test("what a fixture says that it is without is reported with its reason, for every feature", async () => {
  const because = "it is only a test";
  const without = Object.fromEntries(Object.keys(FEATURES).map((feature) => [feature, because]));
  const verdicts = await runConformance(loginConnector, { ...loginFixture(), without });
  const needing = RULES.filter(({ needs }) => needs.length > 0).map(({ rule }) => rule);
  assert.deepEqual(
    verdicts.flatMap((one) => (one.outcome === "without" && one.because === because ? one.rule : [])),
    needing,
  );
  assert.deepEqual(rulesThat(verdicts, "broken"), []);
});
