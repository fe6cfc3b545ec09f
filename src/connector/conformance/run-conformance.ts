import type { Connector } from "../connector.ts";
import { makeBench } from "./bench.ts";
import { FEATURES, type Feature, type Fixture, type Place } from "./fixture.ts";
import type { Rule } from "./rule.ts";
import { RULES } from "./rules.ts";

/** What came of one rule. `without`: this target has no such thing; `blocked`: a rule that it builds on is broken. */
export type Verdict = { readonly rule: string; readonly name: string } & (
  | { readonly outcome: "held" }
  | { readonly outcome: "broken"; readonly error: unknown }
  | { readonly outcome: "without" | "blocked"; readonly because: string }
);

/** Far longer than letting go takes, also on a machine that is busy. */
export const LET_GO_MS = 20_000;

/**
 * Asks rule by rule, for whoever wants verdicts and no test runner; `conformance` is the same as tests. `letGoMs`: how
 * long to wait for what must end with its signal.
 */
export async function runConformance<Connection, Scope>(
  connector: Connector<Connection, Scope>,
  fixture: Fixture,
  { letGoMs = LET_GO_MS }: { letGoMs?: number } = {},
): Promise<Verdict[]> {
  const any = connector as unknown as Connector;
  const place = await fixture.start();
  try {
    const verdicts: Verdict[] = [];
    for (const rule of RULES)
      verdicts.push(await ask(rule, { connector: any, fixture, place, letGoMs, earlier: verdicts }));
    return verdicts;
  } finally {
    await place.stop();
  }
}

/** One rule, on grants and an installation of its own. Rules are asked in their order. */
export async function ask(
  rule: Rule,
  on: { connector: Connector; fixture: Fixture; place: Place; letGoMs: number; earlier: readonly Verdict[] },
): Promise<Verdict> {
  const { connector, fixture, place, letGoMs, earlier } = on;
  const named = { rule: rule.rule, name: rule.name };
  const lacks = rule.needs.find((feature) => fixture.without[feature] !== undefined);
  if (lacks !== undefined) return { ...named, outcome: "without", because: fixture.without[lacks] ?? "" };
  const stone = earlier.find(
    (one) => rule.after.includes(one.rule) && one.outcome !== "held" && one.outcome !== "without",
  );
  if (stone !== undefined) return { ...named, outcome: "blocked", because: stone.rule };
  try {
    for (const feature of rule.needs) demand(feature, place);
    const bench = makeBench(connector, place, { letGoMs });
    const because = rule.exempt?.(bench) ?? null;
    if (because !== null) return { ...named, outcome: "without", because };
    try {
      await rule.run(bench);
    } finally {
      await bench.end();
    }
    return { ...named, outcome: "held" };
  } catch (error) {
    return { ...named, outcome: "broken", error };
  }
}

const GIVEN_BY: Partial<Record<Feature, keyof Place>> = {
  marks: "marked",
  missing: "missing",
  byHand: "byHand",
  another: "another",
  outage: "outage",
  log: "log",
};

/** A fixture that lacks something and does not say why has been forgotten, not exempted. */
function demand(feature: Feature, place: Place): void {
  const member = GIVEN_BY[feature];
  if (member !== undefined && place[member] === undefined)
    throw new Error(
      `the fixture has no ${member}. Give it, or say in \`without.${feature}\` why there is none (${FEATURES[feature]})`,
    );
}
