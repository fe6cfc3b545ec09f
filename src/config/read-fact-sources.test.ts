import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fakeConnectors, ORDERS_DB } from "./fake-connector.ts";
import { loadConfiguration } from "./load-configuration.ts";
import { runPolicyTests } from "./policy-tests.ts";

const FACTS = `facts:
  oncall:
    pager:
      source: json
      connection: { url: "https://pager.example/now", token: "\${env:PAGER_TOKEN}", entries: "on_call[]", person: email, tier: level }
      max_age: 1m
      people: { alice: U7 }
  tickets:
    jira:
      source: jira
      pattern: "^INC-[0-9]+$"
      connection: { url: "https://acme.example", user: bot@acme.example, token: "\${env:JIRA_TOKEN}" }
      end_access: when-closed
    changes:
      source: servicenow
      pattern: "^CHG[0-9]{7}$"
      connection: { url: "https://acme.example/snow", user: bot, token: "\${env:JIRA_TOKEN}", table: change_request }
    other:
      source: json
      pattern: "^X[0-9]+$"
      connection: { url: "http://127.0.0.1:8080/t/{ticket}", id: key, status: state, open: [open], closed: [done] }
`;
const BASE = `${ORDERS_DB}policies:
  - { name: open-ticket, when: "ticket.open && ticket.mine", approve: automatically }
  - { name: on-call, when: "oncall.tier in [1, 2]", approve: automatically }
`;
const TESTS = `tests:
  - name: an open ticket of one's own is enough
    given: { entitlement: "orders-db:read", ticket: { id: INC-42, state: open, status: In Progress, mine: true } }
    expect: { decision: automatic, rule: open-ticket }
  - name: somebody else's is not
    given: { entitlement: "orders-db:read", ticket: { id: INC-42, state: open, assignee: bob } }
    expect: { decision: denied }
  - name: a closed one is not
    given: { entitlement: "orders-db:read", ticket: { id: INC-42, state: closed, mine: true } }
    expect: { decision: denied }
  - name: while nobody can tell, nothing is given
    given: { entitlement: "orders-db:read", ticket: { id: INC-42, state: unknown }, oncall_tier: unknown }
    expect: { decision: denied }
  - name: of a ticket given by its name alone nothing is known
    given: { entitlement: "orders-db:read", ticket: INC-42 }
    expect: { decision: denied }
`;
const env = { URL: "postgres://admin:s3cret@db/orders", PAGER_TOKEN: "p4ger", JIRA_TOKEN: "j1ra" };
const load = (text: string, given: Record<string, string> = env) =>
  loadConfiguration({ path: "tidegate.yaml", text, connectors: fakeConnectors, env: given });
const configurationOf = (text: string) => {
  const loaded = load(text);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded;
};
const mistakesOf = (from: string, to: string) => {
  assert.equal(FACTS.split(from).length, 2, `"${from}" must be there exactly once`);
  const loaded = load(BASE + FACTS.replace(from, () => to));
  assert.ok(!loaded.ok, `${to} is accepted`);
  return loaded.mistakes.map(({ line, what, hint }) => `${line}: ${what}; ${hint}`).join("\n");
};

test("sources stand in the order of the file, with their bounds, and secrets stay references", () => {
  const { configuration, warnings } = configurationOf(BASE + FACTS);
  assert.deepEqual(warnings, []);
  const { oncall, tickets } = configuration.facts ?? assert.fail();
  assert.deepEqual(
    tickets.map(({ name, kind, pattern, endAccess }) => [name, kind, pattern, endAccess]),
    [
      ["jira", "jira", "^INC-[0-9]+$", { lookEveryMs: 60_000 }],
      ["changes", "servicenow", "^CHG[0-9]{7}$", null],
      ["other", "json", "^X[0-9]+$", null],
    ],
  );
  const [pager] = oncall;
  assert.deepEqual(
    [pager?.timeoutMs, pager?.maxAgeMs, pager?.match, pager?.people],
    [5_000, 60_000, "email", { alice: "U7" }],
  );
  assert.doesNotMatch(JSON.stringify(configuration), /p4ger|j1ra/);
});

test("a configuration without sources is what it was before there were any", () => {
  assert.equal("facts" in configurationOf(BASE.replace("ticket.open && ticket.mine", "true")).configuration, false);
});

test("tests of a policy say what the tracker and the on-call service would", () => {
  const results = runPolicyTests(configurationOf(BASE + FACTS + TESTS).configuration, 0);
  assert.equal(results.length, 5);
  assert.deepEqual(
    results.filter(({ ok }) => !ok),
    [],
  );
});

test("rules that look at the ticket while no tracker is configured are warned of", () => {
  const { warnings } = configurationOf(BASE);
  assert.deepEqual(
    warnings.map(({ line, what }) => [line, what.split(":")[0]]),
    [[11, "open-ticket looks at the ticket, and no tracker is configured"]],
  );
});

describe("mistakes are told at their place, and never repeat what a connection holds", () => {
  const cases: [from: string, to: string, says: RegExp][] = [
    ["source: jira", "source: jria", /^22: .*no kind of source jria.*did you mean jira/s],
    ["      source: servicenow\n", "", /source is missing; one of jira, servicenow, json/],
    ["https://pager.example/now", "http://pager.example/now", /must begin with https/],
    ["https://pager.example/now", "ftp://127.0.0.1/now", /must begin with https/],
    ["https://pager.example/now", "https://bot:hush@pager.example/now", /secret in the clear/],
    ["https://pager.example/now", "https://hush@pager.example/now", /keys of their own/],
    [`"\${env:PAGER_TOKEN}"`, "hush-hush", /secret in the clear/],
    ["on_call[]", "on_call[0]", /names with dots between them and \[\]/],
    ["person: email", "person: '[]'", /names with dots/],
    ["max_age: 1m", "max_age: 2h", /must be from 1s to 3600s/],
    ["max_age: 1m", "max-age: 1m", /did you mean max_age/],
    ["people: { alice: U7 }", "people: { alice: 7 }", /must be a text/],
    ["    pager:", "    file:", /file is what the file itself says/],
    ['"^INC-[0-9]+$"', '"INC-[0-9]+"', /must begin with \^ and end with \$/],
    ['"^INC-[0-9]+$"', '"^(?=INC)$"', /pattern/],
    ['      pattern: "^INC-[0-9]+$"\n', "", /pattern is missing; as in pattern/],
    ["end_access: when-closed", "example: OPS-1", /example does not fit the pattern/],
    ["end_access: when-closed", "end_access: never", /not one of when-closed/],
    ["end_access: when-closed", "look_every: 10s", /means nothing without end_access/],
    ["end_access: when-closed", "end_access: when-closed\n      look_every: 4s", /must be from 5s to 86400s/],
    ["table: change_request", "table: ../x", /name of a table/],
    ["t/{ticket}", "t/ticket", /write \{ticket\} once/],
    ["127.0.0.1:8080/t/{ticket}", "{ticket}.example/", /https|\{ticket\}/],
    ["closed: [done]", "closed: []", /closed/],
  ];
  for (const [from, to, says] of cases) {
    test(`${to.trim() === "" ? `without ${from.trim()}` : to}`, () => {
      const told = mistakesOf(from, to);
      assert.match(told, says);
      assert.doesNotMatch(told, /hush|p4ger|j1ra/);
    });
  }
});

test("a secret that is not set is warned of, as for a resource", () => {
  const loaded = load(BASE + FACTS, { URL: env.URL, JIRA_TOKEN: "x" });
  assert.ok(loaded.ok);
  assert.match(
    loaded.warnings.map(({ what }) => what).join(),
    /facts\.oncall\.pager\.connection was not checked: PAGER_TOKEN is not set/,
  );
});
