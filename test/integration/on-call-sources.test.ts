/** PagerDuty, Opsgenie and schedules: who they say is on call, against stand-ins that answer as the services publish. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Json } from "../../src/base/canonical.ts";
import type { PrincipalId } from "../../src/base/ids.ts";
import type { FactSource } from "../../src/domain/fact-sources.ts";
import type { Principal } from "../../src/domain/principal.ts";
import type { Schedule } from "../../src/domain/schedule.ts";
import { person } from "../support/configuration.ts";
import { deskFor, factSource, TOKEN_REFERENCE } from "../support/fact-desk.ts";
import {
  json,
  opsgenieOnCalls,
  opsgenieUser,
  pagerDuty,
  pagerDutyOnCall,
  type StubService,
  stubService,
} from "../support/stub-service.ts";

const TOKEN = "xyzzy-the-key-of-the-service";
const env = { TOKEN };
const somebody = (handle: string): Principal => ({ ...person(handle), id: `pr_${handle}` as PrincipalId });
const alice = somebody("alice");
const SCHEDULE = "d875a1b4-9b4e-4219-a1b3-0c26936d18de";

const pagerDutyAt = (url: string, more: Partial<FactSource> = {}, connection: Record<string, Json> = {}): FactSource =>
  factSource(
    "pagerduty",
    { url, token: TOKEN_REFERENCE, escalation_policies: ["PT20YPA"], ...connection },
    { match: "people", people: { alice: "PALICE" }, ...more },
  );
const opsgenieAt = (url: string, more: Partial<FactSource> = {}, schedules: Json = [{ id: SCHEDULE }]): FactSource =>
  factSource(
    "opsgenie",
    { url, token: TOKEN_REFERENCE, schedules },
    { match: "people", people: { alice: "u-alice" }, ...more },
  );
const tierOf = async (source: FactSource, of = alice): Promise<number | string> => {
  const { oncall } = await deskFor({ oncall: [source] }, { env }).gather(of, "");
  assert.equal(oncall.source, source.name);
  assert.doesNotMatch(JSON.stringify(oncall), /xyzzy/);
  if (oncall.unknown !== undefined) assert.equal(oncall.tier, 0);
  return oncall.unknown ?? oncall.tier;
};

describe("PagerDuty", () => {
  test("is asked for the policies and schedules that are named, with its own key and version", async (t) => {
    const stub = await stubService(t, pagerDuty([pagerDutyOnCall("PALICE", 2)]));
    const more = { schedules: ["PI7DH85", "PX"] };
    assert.equal(await tierOf(pagerDutyAt(`${stub.url}/`, {}, more)), 2);
    const [{ url, authorization } = assert.fail()] = stub.asked;
    assert.equal(authorization, `Token token=${TOKEN}`);
    const { pathname, searchParams } = new URL(url, stub.url);
    assert.equal(pathname, "/oncalls");
    assert.deepEqual(searchParams.getAll("escalation_policy_ids[]"), ["PT20YPA"]);
    assert.deepEqual(searchParams.getAll("schedule_ids[]"), ["PI7DH85", "PX"]);
    assert.deepEqual(searchParams.getAll("include[]"), ["users"]);
  });

  test("of several levels the nearest is the tier, and all pages are read", async (t) => {
    const others = Array.from({ length: 199 }, (_, i) => pagerDutyOnCall(`P${i}`, 1));
    const stub = await stubService(
      t,
      pagerDuty([pagerDutyOnCall("PALICE", 3), ...others, pagerDutyOnCall("PALICE", 2)]),
    );
    assert.equal(await tierOf(pagerDutyAt(stub.url)), 2);
    assert.equal(stub.asked.length, 3);
    assert.equal(await tierOf(pagerDutyAt(stub.url), somebody("bob")), 0);
  });

  test("S16 a page that fails makes all of it unknown, and so does a list without end", async (t) => {
    const stub = await stubService(t, (request, response) =>
      request.url?.includes("offset=0") === true
        ? json({ oncalls: [pagerDutyOnCall("PALICE", 1)], more: true })(request, response)
        : json({}, 503)(request, response),
    );
    assert.equal(await tierOf(pagerDutyAt(stub.url)), "pagerduty failed (HTTP 503)");
    stub.answer = json({ oncalls: [], more: true });
    assert.match(String(await tierOf(pagerDutyAt(stub.url))), /more than 2000 on-calls/);
  });

  test("S16 an answer about what was not asked for is none", async (t) => {
    const stub = await stubService(t, pagerDuty([pagerDutyOnCall("PALICE", 1, { policy: "PELSE" })]));
    assert.match(String(await tierOf(pagerDutyAt(stub.url))), /about another escalation policy/);
    const only = { escalation_policies: [], schedules: ["PI7DH85"] };
    assert.equal(await tierOf(pagerDutyAt(stub.url, {}, only)), 1);
    stub.answer = pagerDuty([pagerDutyOnCall("PALICE", 1, { schedule: null })]);
    assert.match(String(await tierOf(pagerDutyAt(stub.url, {}, only))), /answered without schedule\.id/);
    assert.match(
      String(await tierOf(pagerDutyAt(stub.url, {}, { escalation_policies: [] }))),
      /no valid connection/,
      "of nothing in particular nobody is on call",
    );
  });

  test("nobody becomes somebody by a name or an address that they chose there", async (t) => {
    const stub = await stubService(t, pagerDuty([pagerDutyOnCall("PEVE", 1, { email: "alice@example.test" })]));
    assert.equal(await tierOf(pagerDutyAt(stub.url)), 0);
    assert.equal(await tierOf(pagerDutyAt(stub.url, { people: {} })), 0);
    assert.equal(await tierOf(pagerDutyAt(stub.url, { match: "email" })), 0, "who is mapped is mapped");
    assert.equal(await tierOf(pagerDutyAt(stub.url, { match: "email", people: {} })), 1, "the file says so");
    stub.answer = pagerDuty([pagerDutyOnCall("PEVE", 1)]);
    assert.equal(await tierOf(pagerDutyAt(stub.url, { match: "email", people: {} })), 0, "it does not tell addresses");
    assert.equal(await tierOf(pagerDutyAt(stub.url, { people: { alice: "Alice Archer" } })), 0);
  });
});

describe("Opsgenie", () => {
  test("is asked about each schedule, with its own key, and the file says which line each is", async (t) => {
    const other = "c569c016-a1bc-4e20-8a28-bd5dc33b798e";
    const stub = await stubService(t, (request, response) =>
      request.url?.includes(other) === true
        ? json(opsgenieOnCalls(other, [opsgenieUser("u-alice", "alice@example.test")]))(request, response)
        : json(opsgenieOnCalls(SCHEDULE, [opsgenieUser("u-bob", "bob@example.test")]))(request, response),
    );
    const both = opsgenieAt(stub.url, { people: { alice: "u-alice", bob: "u-bob" } }, [
      { id: SCHEDULE },
      { id: other, tier: 2 },
    ]);
    assert.equal(await tierOf(both), 2);
    assert.equal(await tierOf(both, somebody("bob")), 1);
    assert.deepEqual(stub.asked[0], {
      url: `/v2/schedules/${SCHEDULE}/on-calls?scheduleIdentifierType=id&flat=false`,
      authorization: `GenieKey ${TOKEN}`,
    });
  });

  test("within teams and escalations everybody counts, and who is told later is in a line further back", async (t) => {
    const escalation = {
      ...{ id: "e1", name: "Team_escalation", type: "escalation" },
      onCallParticipants: [
        opsgenieUser("u-bob", "bob@example.test", 0),
        opsgenieUser("u-alice", "alice@example.test", 5),
      ],
    };
    const team = { id: "t1", name: "Team", type: "team", onCallParticipants: [escalation] };
    const stub = await stubService(
      t,
      json(opsgenieOnCalls(SCHEDULE, [team, { id: "t2", name: "Empty", type: "team" }])),
    );
    assert.equal(await tierOf(opsgenieAt(stub.url)), 2);
    assert.equal(await tierOf(opsgenieAt(stub.url, { people: { bob: "u-bob" } }), somebody("bob")), 1);
    const late = { ...escalation, onCallParticipants: [opsgenieUser("u-alice", "alice@example.test", 5)] };
    stub.answer = json(opsgenieOnCalls(SCHEDULE, [late]));
    assert.equal(await tierOf(opsgenieAt(stub.url)), 2, "later than at once, although nobody comes before");
  });

  test("a schedule that is switched off puts nobody on call", async (t) => {
    const answer = opsgenieOnCalls(SCHEDULE, [opsgenieUser("u-alice", "alice@example.test")], { enabled: false });
    const stub = await stubService(t, json(answer));
    assert.equal(await tierOf(opsgenieAt(stub.url)), 0);
  });

  test("a name is escaped, and an answer about another schedule is none", async (t) => {
    const named = opsgenieOnCalls(SCHEDULE, [opsgenieUser("u-alice", "a@example.test")], { name: "DB/on call?" });
    const stub = await stubService(t, json(named));
    assert.equal(await tierOf(opsgenieAt(stub.url, {}, [{ name: "DB/on call?" }])), 1);
    assert.match(
      stub.asked[0]?.url ?? "",
      /^\/v2\/schedules\/DB%2Fon%20call%3F\/on-calls\?scheduleIdentifierType=name&/,
    );
    assert.match(String(await tierOf(opsgenieAt(stub.url, {}, [{ name: "Other" }]))), /about another schedule/);
    stub.answer = json({}, 404);
    assert.match(String(await tierOf(opsgenieAt(stub.url))), /no schedule that is named so/);
  });

  test("nobody becomes somebody by an address, unless the file says so", async (t) => {
    const stub = await stubService(t, json(opsgenieOnCalls(SCHEDULE, [opsgenieUser("u-eve", "alice@example.test")])));
    assert.equal(await tierOf(opsgenieAt(stub.url)), 0);
    assert.equal(await tierOf(opsgenieAt(stub.url, { match: "email", people: {} })), 1);
  });
});

describe("S16 a service that talks nonsense makes the fact unknown", () => {
  const user = opsgenieUser("u-alice", "alice@example.test");
  const cases: [name: string, source: (url: string) => FactSource, answer: StubService["answer"]][] = [
    ["a level that is none", pagerDutyAt, pagerDuty([{ ...pagerDutyOnCall("PALICE", 1), escalation_level: "1" }])],
    ["level 0", pagerDutyAt, pagerDuty([pagerDutyOnCall("PALICE", 0)])],
    ["an on-call of nobody", pagerDutyAt, pagerDuty([{ ...pagerDutyOnCall("PALICE", 1), user: null }])],
    ["no on-calls", pagerDutyAt, json({ error: { message: "Invalid", code: 2001 } })],
    ["nothing there", pagerDutyAt, json({}, 404)],
    ["a refused key", pagerDutyAt, json({}, 401)],
    ["asked too often", pagerDutyAt, json({}, 429)],
    ["no parent", opsgenieAt, json({ data: { onCallParticipants: [user] } })],
    ["participants that are none", opsgenieAt, json(opsgenieOnCalls(SCHEDULE, ["alice"] as never))],
    [
      "a user without an id",
      opsgenieAt,
      json(opsgenieOnCalls(SCHEDULE, [{ type: "user", name: "alice@example.test" }])),
    ],
    ["a time that is none", opsgenieAt, json(opsgenieOnCalls(SCHEDULE, [{ ...user, escalationTime: "now" }]))],
    ["escalations within one another", opsgenieAt, json(opsgenieOnCalls(SCHEDULE, [nested(9)]))],
    ["a refused key", opsgenieAt, json({}, 403)],
  ];
  for (const [name, source, answer] of cases) {
    test(`${source === opsgenieAt ? "Opsgenie" : "PagerDuty"}: ${name}`, async (t) => {
      const stub = await stubService(t, answer);
      assert.equal(typeof (await tierOf(source(stub.url))), "string");
    });
  }

  function nested(depth: number): object {
    return depth === 0 ? user : { id: "t", name: "Team", type: "team", onCallParticipants: [nested(depth - 1)] };
  }
});

describe("schedules", () => {
  const clock = { ms: 0, nowMs: () => clock.ms, monotonicMs: () => clock.ms };
  const rotation = { startDay: "2026-03-02", handoverMinute: 540, lengthMs: 7 * 86_400_000 };
  const schedule: Schedule = {
    ...{ name: "payments", zone: "Europe/Berlin", overrides: [] },
    rotations: [
      { name: "primary", tier: 1, people: ["bob", "alice"], ...rotation },
      { name: "third", tier: 3, people: ["alice"], ...rotation },
    ],
  };
  const at = async (iso: string, oncall: readonly FactSource[] = []) => {
    clock.ms = Date.parse(iso);
    return (await deskFor({ oncall, schedules: [schedule] }, { env, clock }).gather(alice, "")).oncall;
  };

  test("tell by the hour who is on call, with their name and no age", async () => {
    assert.deepEqual(await at("2026-03-09T07:59:50Z"), {
      ...{ tier: 3, source: "payments", ageMs: 0, goodForMs: 10_000 },
    });
    assert.deepEqual(await at("2026-03-09T08:00:00Z"), { tier: 1, source: "payments", ageMs: 0, goodForMs: 30_000 });
  });

  test("S16 count beside services: the nearest line wins, and a service that is away leaves unknown only whom they do not name", async (t) => {
    const stub = await stubService(t, pagerDuty([pagerDutyOnCall("PALICE", 2)]));
    const pager = pagerDutyAt(stub.url);
    assert.deepEqual(
      [(await at("2026-03-03T12:00Z", [pager])).tier, (await at("2026-03-10T12:00Z", [pager])).tier],
      [2, 1],
    );
    stub.answer = json({}, 503);
    assert.equal((await at("2026-03-10T12:00Z", [pager])).tier, 1);
    const before = await at("2026-03-01T12:00Z", [pager]);
    assert.deepEqual([before.tier, before.unknown], [0, "pagerduty failed (HTTP 503)"]);
  });
});
