import { AssertionError } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Connector } from "../connector.ts";
import type { Fixture, Place } from "./fixture.ts";
import { RULES } from "./rules.ts";
import { ask, LET_GO_MS, type Verdict } from "./run-conformance.ts";

const RULE_TIMEOUT_MS = 240_000;

/**
 * Tests any connector against a real target: one test of `node:test` for each rule. A rule that does not concern the
 * target is reported as skipped, with the reason that the fixture gives.
 *
 *   conformance(connector, fixture);
 */
export function conformance<Connection, Scope>(connector: Connector<Connection, Scope>, fixture: Fixture): void {
  describe(`conformance of ${connector.kind}`, { concurrency: 1 }, () => {
    const any = connector as unknown as Connector;
    let place: Place;
    const earlier: Verdict[] = [];
    before(async () => {
      place = await fixture.start();
    });
    after(() => place?.stop());
    for (const rule of RULES)
      test(`${rule.rule}: ${rule.name}`, { timeout: RULE_TIMEOUT_MS }, async (t) => {
        const verdict = await ask(rule, { connector: any, fixture, place, letGoMs: LET_GO_MS, earlier });
        earlier.push(verdict);
        switch (verdict.outcome) {
          case "held":
            return;
          case "broken":
            throw verdict.error;
          case "without":
            return t.skip(verdict.because);
          case "blocked":
            throw new AssertionError({ message: `not asked: it builds on "${verdict.because}", which is broken` });
        }
      });
  });
}
