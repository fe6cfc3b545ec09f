/** What doctor says of sources of facts: services on this machine that answer, refuse, or talk of something else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkFactSources } from "../../src/admin/doctor/fact-sources.ts";
import type { FactSources } from "../../src/domain/fact-sources.ts";
import { configuration } from "../support/configuration.ts";
import { factSource, TOKEN_REFERENCE, ticketSource } from "../support/fact-desk.ts";
import { jiraIssue, json, pagerDuty, pagerDutyOnCall, stubService } from "../support/stub-service.ts";

const TOKEN = "xyzzy-the-token-of-the-service";

const doctor = async (facts: FactSources, env: Readonly<Record<string, string>> = { TOKEN }) => {
  const options = {
    configPath: "tidegate.yaml",
    connectors: new Map(),
    env,
    json: false,
    databaseUrl: null,
    dataDir: ".",
  };
  const groups = await checkFactSources(
    { ...configuration({ resources: [], principals: [], policies: [] }), facts },
    options,
  );
  assert.doesNotMatch(JSON.stringify(groups), /xyzzy/);
  return groups.flatMap(({ title, findings }) =>
    findings.map(({ check, ok, saw }) => `${title}: ${check}: ${ok}: ${saw}`),
  );
};

test("a source that answers is well: who is on call by tier, the example by what the tracker says of it", async (t) => {
  const pager = await stubService(t, json({ on_call: [1, 2].map((tier) => ({ who: `p${tier}@example.test`, tier })) }));
  const jira = await stubService(t, json(jiraIssue("INC-1", "new", null)));
  const connection = { url: pager.url, token: TOKEN_REFERENCE, entries: "on_call[]", person: "who", tier: "tier" };
  const found = await doctor({
    oncall: [factSource("json", connection, { name: "pager" })],
    tickets: [
      ticketSource("jira", { url: jira.url, token: TOKEN_REFERENCE }, { example: "INC-1" }),
      ticketSource("jira", { url: jira.url }, { name: "other" }),
    ],
  });
  assert.deepEqual(found, [
    "On call pager (json): answers: true: 2 on call, at tier 1, 2",
    "Tickets jira (jira): example: true: INC-1 is open (To Do) and assigned to nobody, says jira",
    "Tickets other (jira): answers: unknown: no ticket to look up",
  ]);
});

test("a refused sign-in, a service that is away, a missing secret and an example that is not there are wrong, each by name", async (t) => {
  const jira = await stubService(t, json({}, 401));
  const at = (name: string, more = {}) =>
    ticketSource("jira", { url: jira.url, token: TOKEN_REFERENCE }, { name, example: "INC-1", ...more });
  assert.deepEqual(await doctor({ oncall: [], tickets: [at("jira")] }), [
    "Tickets jira (jira): sign-in: false: jira did not accept the sign-in (HTTP 401)",
  ]);
  assert.deepEqual(await doctor({ oncall: [], tickets: [at("jira")] }, {}), [
    "Tickets jira (jira): answers: false: jira needs what is missing: TOKEN is not set",
  ]);
  jira.answer = json({}, 404);
  assert.deepEqual(await doctor({ oncall: [], tickets: [at("jira")] }), [
    "Tickets jira (jira): example: false: there is no ticket INC-1, says jira",
  ]);
  await jira.stop();
  assert.deepEqual(await doctor({ oncall: [], tickets: [at("jira")] }), [
    "Tickets jira (jira): answers: false: jira cannot be reached (ECONNREFUSED)",
  ]);
});

test("each service of on call is asked, and of a schedule doctor says whose turn it is and until when", async (t) => {
  const pager = await stubService(t, pagerDuty([pagerDutyOnCall("P1", 1), pagerDutyOnCall("P2", 2)]));
  const people = { alice: "P1" };
  const turns = { tier: 1, people: ["alice"], startDay: "2026-01-05", handoverMinute: 0, lengthMs: 86_400_000 };
  const found = await doctor({
    oncall: [
      factSource(
        "pagerduty",
        { url: pager.url, token: TOKEN_REFERENCE, schedules: ["PI7DH85"] },
        { match: "people", people },
      ),
      factSource("opsgenie", { url: pager.url, token: TOKEN_REFERENCE, schedules: [{ id: "a-1" }] }),
    ],
    schedules: [
      { name: "payments", zone: "UTC", rotations: [{ name: "primary", ...turns }], overrides: [] },
      { name: "later", zone: "UTC", rotations: [{ name: "primary", ...turns, startDay: "2999-01-01" }], overrides: [] },
    ],
    tickets: [],
  });
  assert.equal(found.length, 4);
  assert.match(
    found[0] ?? "",
    /pagerduty \(pagerduty\): answers: true: 2 on call, at tier 1, 2; 1 of them under people$/,
  );
  assert.match(found[1] ?? "", /opsgenie \(opsgenie\): answers: false: opsgenie answered without data/);
  assert.match(
    found[2] ?? "",
    /payments \(schedule\): on call: true: primary: alice at tier 1 until \d{4}-\d\d-\d\dT00:00:00/,
  );
  assert.match(found[3] ?? "", /later \(schedule\): on call: warn\w*: nobody is on call$/);
});
