import assert from "node:assert/strict";
import { test } from "node:test";
import { diffConfigurations } from "../domain/configuration-diff.ts";
import { wideningsOf } from "../domain/widening.ts";
import { fakeConnectors, ORDERS_DB } from "./fake-connector.ts";
import { loadConfiguration } from "./load-configuration.ts";

const BASE = `${ORDERS_DB}policies:
  - { name: on-call, when: "oncall.tier in [1, 2]", approve: automatically }
principals:
  alice: {}
  bob: {}
`;
const FACTS = `facts:
  oncall:
    pd:
      source: pagerduty
      connection: { token: "\${env:TOKEN}", escalation_policies: [PT20YPA] }
      people: { alice: PALICE }
    og:
      source: opsgenie
      connection: { token: "\${env:TOKEN}", schedules: [{ name: "DB on call", tier: 2 }] }
      match: email
  schedules:
    payments:
      zone: Europe/Berlin
      rotations:
        primary: { tier: 1, people: [alice, bob], start: 2026-01-05, handover: "09:00", length: 7d }
        secondary: { tier: 2, people: [bob], start: "2026-01-05", length: 12h }
      overrides:
        - { rotation: primary, person: bob, from: 2026-12-24T09:00:00+01:00, to: 2026-12-26T09:00:00+01:00 }
        - { rotation: primary, person: alice, from: 2026-12-26T09:00:00+01:00, to: 2026-12-27T09:00:00+01:00 }
`;
const load = (text: string) =>
  loadConfiguration({
    ...{ path: "tidegate.yaml", text, connectors: fakeConnectors },
    env: { URL: "postgres://admin:s3cret@db/orders", TOKEN: "t0ken" },
  });

test("a schedule is read whole, and services of on call know people by what maps them", () => {
  const loaded = load(BASE + FACTS);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  assert.deepEqual(loaded.warnings, []);
  const { oncall, schedules } = loaded.configuration.facts ?? assert.fail();
  assert.deepEqual(
    oncall.map(({ name, kind, match }) => [name, kind, match]),
    [
      ["pd", "pagerduty", "people"],
      ["og", "opsgenie", "email"],
    ],
  );
  assert.deepEqual(schedules, [
    {
      ...{ name: "payments", zone: "Europe/Berlin" },
      rotations: [
        {
          ...{ name: "primary", tier: 1, people: ["alice", "bob"] },
          ...{ startDay: "2026-01-05", handoverMinute: 540, lengthMs: 604_800_000 },
        },
        {
          ...{ name: "secondary", tier: 2, people: ["bob"] },
          ...{ startDay: "2026-01-05", handoverMinute: 0, lengthMs: 43_200_000 },
        },
      ],
      overrides: [
        {
          ...{ rotation: "primary", person: "bob" },
          ...{ fromMs: Date.parse("2026-12-24T08:00Z"), toMs: Date.parse("2026-12-26T08:00Z") },
        },
        {
          ...{ rotation: "primary", person: "alice" },
          ...{ fromMs: Date.parse("2026-12-26T08:00Z"), toMs: Date.parse("2026-12-27T08:00Z") },
        },
      ],
    },
  ]);
});

test("a diff says who is on call otherwise, and another configuration of it may widen access", () => {
  const [before, after] = [FACTS, FACTS.replace("people: [alice, bob]", "people: [bob]").replace("PALICE", "PBOB")].map(
    (facts) => {
      const loaded = load(BASE + facts);
      assert.ok(loaded.ok);
      return loaded.configuration;
    },
  );
  assert.ok(before !== undefined && after !== undefined);
  assert.deepEqual(wideningsOf(before, after), ["facts changed"]);
  assert.deepEqual(diffConfigurations(before, before), []);
  const turns = "at tier 1, from 2026-01-05 at 09:00 (Europe/Berlin), each for 7d";
  assert.deepEqual(diffConfigurations(before, after), [
    {
      ...{ about: "facts", kind: "changed", name: "facts" },
      what: "who is on call, or what a ticket is, is told otherwise",
      details: [
        "- on call, pd: alice is PALICE",
        `- on call, payments/primary: alice, bob ${turns}`,
        "+ on call, pd: alice is PBOB",
        `+ on call, payments/primary: bob ${turns}`,
      ],
    },
  ]);
  const { facts: _, ...without } = after;
  const [gone] = diffConfigurations(after, without);
  assert.match(gone?.details.join("\n") ?? "", /pd: pagerduty .*\$\{env:TOKEN\}.* people by people/);
  assert.doesNotMatch(JSON.stringify(gone), /t0ken/);
});

test("mistakes are told at their place", () => {
  const cases: [from: string, to: string, says: RegExp][] = [
    ["zone: Europe/Berlin", "zone: Europe/Berlim", /zone is not a time zone/],
    ["tier: 2, people", "tier: 0, people", /whole number from 1 to 9/],
    ["people: [alice, bob]", "people: []", /people names nobody/],
    ["people: [alice, bob]", "people: [Alice Archer]", /cannot name a person/],
    ["start: 2026-01-05,", "start: 2026-02-30,", /start is not a day/],
    ["start: 2026-01-05,", "start: 1999-01-05,", /start is not a day since/],
    ['"09:00"', '"24:00"', /handover is not a time of the day/],
    ["length: 12h", "length: 59m", /length must be an hour or more/],
    ["rotation: primary, person: alice", "rotation: primry, person: alice", /did you mean primary/],
    ["from: 2026-12-26T09:00:00+01:00", "from: 2026-12-26T09:00:00", /not a time with a zone/],
    ["from: 2026-12-26T09:00:00+01:00", "from: 2026-12-26T08:59:00+01:00", /overlaps with one before it/],
    ["to: 2026-12-27T09:00:00+01:00", "to: 2026-12-26T09:00:00+01:00", /ends before it begins/],
    ["    payments:", "    pd:", /pd is another source of who is on call/],
    ["    payments:", "    file:", /file is what the file itself says/],
    [", escalation_policies: [PT20YPA]", "", /name escalation_policies or schedules/],
    ["[PT20YPA]", "[https://x]", /write an id/],
    [`token: "\${env:TOKEN}", escalation`, "token: hush-hush, escalation", /secret in the clear/],
    ['name: "DB on call"', 'name: "DB on call", id: x-1', /by id or by name/],
    ["match: email", "match: handle", /people have no handles there/],
  ];
  for (const [from, to, says] of cases) {
    assert.equal(FACTS.split(from).length, 2, `"${from}" must be there exactly once`);
    const loaded = load(BASE + FACTS.replace(from, () => to));
    assert.ok(!loaded.ok, `${to} is accepted`);
    assert.match(loaded.mistakes.map(({ what, hint }) => `${what}; ${hint}`).join("\n"), says);
    assert.doesNotMatch(JSON.stringify(loaded.mistakes), /t0ken|hush/);
  }
});

test("people whom nobody is declared to be, and a service that maps nobody, are warned of", () => {
  const loaded = load(BASE + FACTS.replaceAll("bob]", "carol]").replace("people: { alice: PALICE }", "timeout: 2s"));
  assert.ok(loaded.ok, JSON.stringify(loaded));
  assert.match(
    loaded.warnings.map(({ what }) => what).join("\n"),
    /facts names carol: there is no carol under principals(.|\n)*pd maps nobody/,
  );
});
