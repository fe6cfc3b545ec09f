/** Facts as people meet them: over the API, with an on-call service and a tracker on this machine. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { FactSources } from "../../src/domain/fact-sources.ts";
import { type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { needs } from "../support/configuration.ts";
import { activeSources, deskFor, factSource, TOKEN_REFERENCE, ticketSource } from "../support/fact-desk.ts";
import { jiraIssue, jiraUser, json, type StubService, stubService } from "../support/stub-service.ts";
import { createWorld, type World } from "../support/world.ts";

const TOKEN = "xyzzy-the-token-of-the-service";
const onCallAt = (level: number) => json({ on_call: [{ email: "alice@example.test", level }] });

let world: World;
let api: Api;
let pager: StubService;
let jira: StubService;
const ends: (() => unknown)[] = [];
/** A second later than the last time that somebody asked: nothing that was kept is young enough. */
const clock = { ms: Date.now(), nowMs: () => clock.ms, monotonicMs: () => clock.ms };

before(async () => {
  const t = { after: (end: () => unknown) => void ends.push(end) };
  pager = await stubService(t as never, json({ on_call: [] }));
  jira = await stubService(t as never, json({}, 404));
  const token = TOKEN_REFERENCE;
  const facts: FactSources = {
    oncall: [
      factSource(
        "json",
        { url: pager.url, token, entries: "on_call[]", person: "email", tier: "level" },
        { name: "pager" },
      ),
    ],
    tickets: [ticketSource("jira", { url: jira.url, user: "bot", token }, { pattern: "^INC-[0-9]+$" })],
  };
  world = await createWorld();
  world.directory.members.set("readers", new Set());
  const { policies, ...rest } = organisation(world.directoryName);
  await world.configure({
    ...rest,
    facts,
    policies: [
      ...policies.filter(({ kind }) => kind === "deny"),
      { ...needs("incident"), approve: "automatically", when: "ticket.open && ticket.mine" },
      ...policies.filter(({ kind }) => kind !== "deny"),
    ],
  });
  api = createApi(world, { facts: deskFor(activeSources(world.context), { env: { TOKEN }, clock }) });
});
after(async () => {
  await api.close();
  await world.stop();
  for (const end of ends) await end();
});
beforeEach(() => {
  clock.ms += 60_000;
  pager.answer = json({ on_call: [] });
  jira.answer = json({}, 404);
});

const ask = async (more: object = {}) => {
  const asked = { entitlement: "orders:read", duration: "1h", reason: "checking slow checkouts", ticket: "", ...more };
  const { status, body, text } = await api.post("alice", "/v1/requests", asked);
  assert.equal(status, 201, text);
  return body;
};
const whyOf = (body: { decision: { trace: { rule: string; why: string }[] } }, rule: string): string =>
  body.decision.trace.find((line) => line.rule === rule)?.why ?? "";

describe("S16 on call", () => {
  test("at tier 2 policy approves by itself; the facts are kept with source and age", async () => {
    pager.answer = onCallAt(2);
    const { id, decision } = await ask();
    assert.deepEqual([decision.outcome, decision.rule], ["automatic", "on-call-reads"]);
    const { facts } = await world.request(id);
    assert.match(JSON.stringify(facts), /"oncall":\{"tier":2,"ageMs":\d+,"source":"pager","goodForMs":30000\}/);
  });

  test("at tier 3 it does not: it takes people", async () => {
    pager.answer = onCallAt(3);
    const body = await ask();
    assert.deepEqual([body.decision.outcome, body.state], ["needs-approval", "pending"]);
    assert.match(whyOf(body, "on-call-reads"), /tier in \[1, 2\] \(on call at tier 3, says pager\)/);
  });

  for (const [name, answer] of [
    ["down", json({}, 503)],
    ["wrong", json({ on_call: [{ email: "alice@example.test", level: "1" }] })],
    ["another page", json("<html>")],
    ["out of date", json({ on_call: [{ email: "alice@example.test", level: 1 }] }, 200, { age: "900" })],
  ] as const) {
    test(`with the service ${name} it takes people, and the trace says why`, async () => {
      pager.answer = answer;
      const body = await ask();
      assert.equal(body.decision.outcome, "needs-approval");
      assert.match(whyOf(body, "on-call-reads"), /oncall\.tier is not known: pager /);
    });
  }

  test("with the service unreachable, although it named the person a minute ago", async () => {
    pager.answer = onCallAt(1);
    assert.equal((await ask()).decision.outcome, "automatic");
    await pager.stop();
    clock.ms += 30_000;
    const body = await ask();
    assert.equal(body.decision.outcome, "needs-approval");
    assert.match(whyOf(body, "on-call-reads"), /pager cannot be reached \(ECONNREFUSED\)/);
    await pager.start();
  });
});

describe("a ticket", () => {
  const mine = jiraUser("a1", "alice@example.test");

  test("what policy looked at is in the view of the request, with source and age, for who may see it", async () => {
    pager.answer = onCallAt(3);
    jira.answer = json(jiraIssue("INC-43", "indeterminate", jiraUser("b1", "bob@example.test")));
    const { id, state } = await ask({ ticket: "INC-43" });
    assert.equal(state, "pending");
    for (const who of ["alice", "bob", "audrey"]) {
      const { facts } = (await api.get(who, `/v1/requests/${id}`)).body;
      const { age, ...onCall } = facts.onCall;
      assert.ok(age >= 0);
      assert.deepEqual(onCall, { tier: 3, source: "pager", unknown: null, words: "on call at tier 3, says pager" });
      assert.deepEqual([facts.ticket.id, facts.ticket.state, facts.ticket.mine], ["INC-43", "open", false]);
      assert.match(facts.ticket.words, /^INC-43 is open \(.+\) and assigned to somebody else, says jira$/);
      assert.doesNotMatch(JSON.stringify(facts), /b1|bob@/, "whom the tracker names stays with the tracker");
    }
    assert.equal((await api.get("stranger", `/v1/requests/${id}`)).status, 404);
    pager.answer = json({}, 503);
    jira.answer = json({}, 503);
    clock.ms += 60_000;
    const { facts } = await ask({ ticket: "INC-43" });
    assert.deepEqual([facts.onCall.tier, facts.ticket.state], [0, "unknown"]);
    assert.match(facts.onCall.words, /^on call is not known: pager /);
    assert.match(facts.ticket.unknown, /^jira /);
    await world.store.pool.query("update requests set facts = '{}' where id = $1", [id]);
    assert.equal((await api.get("alice", `/v1/requests/${id}`)).body.facts, null, "that was not kept");
  });

  test("open and one's own, it is enough; the resources say that a ticket would do", async () => {
    jira.answer = json(jiraIssue("INC-42", "indeterminate", mine));
    const { decision } = await ask({ ticket: "INC-42" });
    assert.deepEqual([decision.outcome, decision.rule], ["automatic", "incident"]);
    const { body } = await api.get("stranger", "/v1/resources");
    const [{ forMe }] = body.resources[0].entitlements;
    assert.deepEqual([forMe.outcome, forMe.rule, forMe.needs], ["automatic", "incident", ["a ticket"]]);
  });

  test("closed, missing, somebody else's or not to be told, the rule is passed over and the trace says so", async () => {
    const cases: [answer: StubService["answer"], says: RegExp][] = [
      [
        json(jiraIssue("INC-43", "done", mine)),
        /ticket\.open \(INC-43 is closed \(Done\) and assigned to who asks, says jira\)/,
      ],
      [json({}, 404), /there is no ticket INC-43, says jira/],
      [json(jiraIssue("INC-43", "new", jiraUser("b", "bob@example.test"))), /ticket\.mine \(INC-43 is open/],
      [json({}, 401), /ticket\.\w+ is not known: jira did not accept the sign-in/],
    ];
    for (const [answer, says] of cases) {
      clock.ms += 60_000;
      jira.answer = answer;
      const body = await ask({ ticket: "INC-43" });
      assert.equal(body.decision.outcome, "needs-approval");
      assert.match(whyOf(body, "incident"), says);
    }
    assert.match(whyOf(await ask({ ticket: "OPS-1" }), "incident"), /no tracker has tickets named like OPS-1/);
  });

  test("explain asks for it as a request would", async () => {
    jira.answer = json(jiraIssue("INC-44", "new", mine));
    const asked = { entitlement: "vault:open", ticket: "INC-44" };
    assert.equal((await api.post("alice", "/v1/explain", asked)).body.outcome, "automatic");
  });

  test("for more time the ticket of the grant is looked at again", async () => {
    jira.answer = json(jiraIssue("INC-45", "new", mine));
    const { grantId } = await ask({ ticket: "INC-45" });
    world.reconciler();
    await world.grantWhen(grantId, ({ state }) => state === "active", "is active");
    clock.ms += 60_000;
    jira.answer = json(jiraIssue("INC-45", "done", mine));
    const more = await api.post("alice", `/v1/grants/${grantId}/extend`, { duration: "10m", reason: "nearly done" });
    assert.equal(more.status, 202, more.text);
    const { body } = await api.get("alice", `/v1/requests/${more.body.requestId}`);
    assert.match(whyOf(body, "incident"), /INC-45 is closed/);
  });
});

test("S24 the token of a source is in no answer, no log line, no entry and no row", async () => {
  for (const answer of [json(jiraIssue("INC-46", "new", null)), json({ message: TOKEN }, 500)]) {
    clock.ms += 60_000;
    pager.answer = answer;
    jira.answer = answer;
    const body = await ask({ ticket: "INC-46" });
    assert.doesNotMatch(JSON.stringify([body, await world.request(body.id)]), /xyzzy/);
  }
  assert.ok(
    jira.asked.some(({ authorization }) => authorization?.includes(Buffer.from(`bot:${TOKEN}`).toString("base64"))),
  );
  const { body } = await api.get("ada", "/v1/config/versions");
  assert.doesNotMatch(JSON.stringify([body, await world.entries(), api.logged()]), /xyzzy/);
  // Who somebody is in the tracker is personal: not for a log that nothing is erased from.
  jira.answer = json(jiraIssue("INC-47", "new", jiraUser("quux-1", "quux@example.test")));
  await ask({ ticket: "INC-47" });
  assert.match(JSON.stringify(await world.entries()), /INC-47/);
  assert.doesNotMatch(JSON.stringify(await world.entries()), /quux/);
});
