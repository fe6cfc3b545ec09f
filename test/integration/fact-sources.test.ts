/** Sources of facts against services on this machine: what each kind asks and understands, and what bad answers come to. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { PrincipalId } from "../../src/base/ids.ts";
import type { FactSource, TicketSource } from "../../src/domain/fact-sources.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { ANSWER_BYTES_MAX } from "../../src/facts/ask.ts";
import { person } from "../support/configuration.ts";
import { deskFor, factSource, TOKEN_REFERENCE, ticketSource } from "../support/fact-desk.ts";
import { jiraIssue, jiraUser, json, type StubService, serviceNowRow, stubService } from "../support/stub-service.ts";

const TOKEN = "xyzzy-the-token-of-the-service";
const env = { TOKEN };
const alice: Principal = { ...person("alice"), id: "pr_alice" as PrincipalId };
const onCall = { entries: "on_call[]", person: "email", tier: "level" };
const pagerAt = (url: string, more: Partial<FactSource> = {}): FactSource =>
  factSource("json", { url, token: TOKEN_REFERENCE, ...onCall }, { name: "pager", ...more });
const jiraAt = (url: string, more: Partial<TicketSource> = {}): TicketSource =>
  ticketSource("jira", { url, user: "bot@example.test", token: TOKEN_REFERENCE }, more);
const aboutAlice = {
  on_call: [
    { email: "ALICE@example.test", level: 2 },
    { email: "bob@example.test", level: 1 },
  ],
};

/** A clock that a test moves; the deadline of a question is the system's. */
const movedClock = () => {
  const clock = { ms: 1_000_000, nowMs: () => clock.ms, monotonicMs: () => clock.ms };
  return clock;
};

describe("who is on call, from JSON", () => {
  test("the person's line is told by the mapping, with source and age", async (t) => {
    const stub = await stubService(t, json(aboutAlice));
    const { oncall } = await deskFor({ oncall: [pagerAt(`${stub.url}/now?team=db`)] }, { env }).gather(alice, "");
    assert.equal(oncall.tier, 2);
    assert.equal(oncall.source, "pager");
    assert.ok(oncall.ageMs < 30_000);
    assert.deepEqual(stub.asked, [{ url: "/now?team=db", authorization: `Bearer ${TOKEN}` }]);
  });

  test("of several lines the nearest counts, and the file's word counts beside the service's", async (t) => {
    const stub = await stubService(
      t,
      json({ on_call: [3, 2].map((level) => ({ email: "alice@example.test", level })) }),
    );
    const desk = deskFor({ oncall: [pagerAt(stub.url)] }, { env });
    assert.equal((await desk.gather(alice, "")).oncall.tier, 2);
    const declared = await desk.gather({ ...alice, onCallTier: 1 }, "");
    assert.deepEqual([declared.oncall.tier, declared.oncall.source], [1, "file"]);
  });

  test("somebody whom it does not name is not on call, and that is known; so is an empty list", async (t) => {
    const stub = await stubService(t, json({ on_call: [{ email: null, level: 1 }] }));
    const { oncall } = await deskFor({ oncall: [pagerAt(stub.url)] }, { env }).gather(alice, "");
    assert.deepEqual([oncall.tier, oncall.unknown], [0, undefined]);
  });

  test("people are known by e-mail, by handle, or by what the mapping says and then by nothing else", async (t) => {
    const stub = await stubService(
      t,
      json({
        on_call: [
          { email: "U7", level: 1 },
          { email: "bob", level: 2 },
        ],
      }),
    );
    const mapped = deskFor({ oncall: [pagerAt(stub.url, { people: { alice: "U7" }, match: "handle" })] }, { env });
    assert.equal((await mapped.gather(alice, "")).oncall.tier, 1);
    const bob: Principal = { ...person("bob"), id: "pr_bob" as PrincipalId };
    assert.equal((await mapped.gather(bob, "")).oncall.tier, 2);
    const elsewhere = deskFor({ oncall: [pagerAt(stub.url, { people: { bob: "U9" }, match: "handle" })] }, { env });
    assert.equal((await elsewhere.gather(bob, "")).oncall.tier, 0);
  });
});

describe("tickets", () => {
  const bySource: [name: string, source: (url: string) => TicketSource, asked: string, authorization: string][] = [
    [
      "jira",
      (url) => jiraAt(`${url}/`),
      "/rest/api/3/issue/INC-42?fields=status%2Cassignee",
      `Basic ${Buffer.from(`bot@example.test:${TOKEN}`).toString("base64")}`,
    ],
    [
      "jira-2",
      (url) => ticketSource("jira", { url: `${url}/jira`, token: TOKEN_REFERENCE, api: "2" }),
      "/jira/rest/api/2/issue/INC-42?fields=status%2Cassignee",
      `Bearer ${TOKEN}`,
    ],
    [
      "servicenow",
      (url) => ticketSource("servicenow", { url, token: TOKEN_REFERENCE, table: "incident" }),
      "/api/now/table/incident?sysparm_query=number%3DINC-42&sysparm_fields=number%2Cstate%2Cactive%2Cassigned_to.email%2Cassigned_to.user_name&sysparm_display_value=all&sysparm_exclude_reference_link=true&sysparm_limit=2",
      `Bearer ${TOKEN}`,
    ],
    [
      "json",
      (url) =>
        ticketSource("json", {
          ...{ url: `${url}/tickets/{ticket}?full=1`, token: TOKEN_REFERENCE },
          ...{ id: "key", status: "state.name", open: ["Open"], closed: ["Closed"], assignee: "owner" },
        }),
      "/tickets/INC-42?full=1",
      `Bearer ${TOKEN}`,
    ],
  ];
  for (const [name, source, asked, authorization] of bySource) {
    test(`${name} is asked as its published API wants it, for one ticket and no more`, async (t) => {
      const stub = await stubService(t, json({}, 404));
      const { ticket } = await deskFor({ tickets: [source(stub.url)] }, { env }).gather(alice, "INC-42");
      assert.deepEqual(stub.asked, [{ url: asked, authorization }]);
      assert.deepEqual([ticket?.state, ticket?.unknown], ["missing", undefined]);
    });
  }

  const jiraCases: [answer: unknown, state: string, status: string, mine: boolean][] = [
    [jiraIssue("INC-42", "indeterminate", jiraUser("a1", "alice@example.test")), "open", "In Progress", true],
    [jiraIssue("INC-42", "new", null, "Backlog"), "open", "Backlog", false],
    [jiraIssue("INC-42", "done", jiraUser("a2", "bob@example.test")), "closed", "Done", false],
    [jiraIssue("INC-42", "undefined", jiraUser("a1")), "other", "No Category", false],
  ];
  for (const [answer, state, status, mine] of jiraCases) {
    test(`jira: ${status} is ${state}`, async (t) => {
      const stub = await stubService(t, json(answer));
      const { ticket } = await deskFor({ tickets: [jiraAt(stub.url)] }, { env }).gather(alice, "INC-42");
      assert.deepEqual([ticket?.state, ticket?.status, ticket?.mine, ticket?.source], [state, status, mine, "jira"]);
    });
  }

  test("jira: whose address is private is known by account id, where the file says so; a moved issue is not the one asked for", async (t) => {
    const stub = await stubService(t, json(jiraIssue("INC-42", "new", jiraUser("a1"))));
    const tickets = [jiraAt(stub.url, { people: { alice: "a1" } })];
    assert.equal((await deskFor({ tickets }, { env }).gather(alice, "INC-42")).ticket?.mine, true);
    stub.answer = json(jiraIssue("OPS-1", "new", null));
    const { ticket } = await deskFor({ tickets }, { env }).gather(alice, "INC-42");
    assert.match(ticket?.unknown ?? "", /jira answered about another ticket/);
  });

  const snow = (url: string, more = {}) => ticketSource("servicenow", { url, token: TOKEN_REFERENCE, ...more });
  test("servicenow: active is open, inactive is closed, and so is what the file calls closed", async (t) => {
    const stub = await stubService(t, json({}));
    const look = async (row: unknown, more = {}) => {
      stub.answer = json({ result: [row].flat() });
      return (await deskFor({ tickets: [snow(stub.url, more)] }, { env }).gather(alice, "INC0042")).ticket;
    };
    const hers = { email: "alice@example.test", user_name: "alice.archer" };
    const open = await look(serviceNowRow("INC0042", ["2", "In Progress"], true, hers));
    assert.deepEqual([open?.state, open?.status, open?.mine], ["open", "In Progress", true]);
    assert.equal((await look(serviceNowRow("INC0042", ["7", "Closed"], false, null)))?.state, "closed");
    const resolved = serviceNowRow("INC0042", ["6", "Resolved"], true, null);
    assert.equal((await look(resolved))?.state, "open");
    assert.equal((await look(resolved, { closed: ["resolved"] }))?.state, "closed");
    assert.equal((await look([]))?.state, "missing");
  });

  test("servicenow: a row of another number, as an instance answers that did not understand the query, is no answer", async (t) => {
    const stub = await stubService(t, json({ result: [serviceNowRow("INC0001", ["2", "In Progress"], true, null)] }));
    const { ticket } = await deskFor({ tickets: [snow(stub.url)] }, { env }).gather(alice, "INC0042");
    assert.match(ticket?.unknown ?? "", /another ticket/);
  });

  test("json: a status among neither the open nor the closed ones is neither", async (t) => {
    const stub = await stubService(t, json({ key: "INC-42", state: { name: "Frozen" }, owner: "alice@example.test" }));
    const [, source] = bySource.find(([name]) => name === "json") ?? assert.fail();
    const { ticket } = await deskFor({ tickets: [source(stub.url)] }, { env }).gather(alice, "INC-42");
    assert.deepEqual([ticket?.state, ticket?.status, ticket?.mine], ["other", "Frozen", true]);
  });

  test("the first tracker whose pattern fits is asked, and a name that fits none is no ticket anywhere", async (t) => {
    const [one, other] = [await stubService(t, json({}, 404)), await stubService(t, json({}, 404))];
    const tickets = [
      jiraAt(one.url, { name: "one", pattern: "^INC-[0-9]+$" }),
      jiraAt(other.url, { name: "other", pattern: "^OPS-[0-9]+$" }),
    ];
    const desk = deskFor({ tickets }, { env });
    assert.equal((await desk.gather(alice, "OPS-1")).ticket?.source, "other");
    const { ticket } = await desk.gather(alice, "X-1");
    assert.deepEqual([ticket?.state, ticket?.source, ticket?.unknown], ["missing", "", undefined]);
    assert.deepEqual([one.asked.length, other.asked.length], [0, 1]);
    assert.match((await deskFor({}).gather(alice, "X-1")).ticket?.unknown ?? "", /no source of tickets/);
  });

  test("a ticket is never more than a name: whatever is written, no other path, query or host is asked", async (t) => {
    const stub = await stubService(t, json({}, 404));
    const loose = { pattern: "^.*$" };
    const tickets = [jiraAt(stub.url, loose), ticketSource("servicenow", { url: stub.url }, loose)];
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.constantFrom(
            "../../admin",
            "INC-1?x=1",
            "INC-1#",
            "INC-1^active=false",
            "INC-1/..",
            "@evil",
            "INC-1\n",
            "%2e%2e",
            "//evil/INC-1",
            "INC-1^NQ",
          ),
          fc.string({ maxLength: 30 }),
        ),
        fc.nat(1),
        async (id, which) => {
          stub.asked.length = 0;
          const source = tickets[which] ?? assert.fail();
          await deskFor({ tickets: [source] }, { env }).gather(alice, id);
          for (const { url } of stub.asked) {
            assert.match(id, /^[A-Za-z0-9][A-Za-z0-9_-]*$/);
            assert.ok(url.startsWith(which === 0 ? `/rest/api/3/issue/${id}?` : "/api/now/table/incident?"), url);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

const NO_ANSWER = /did not answer within 1s/;

/** Each ends with a fact that is not known, says why, and holds neither the token nor anything of the answer. */
const BAD: [name: string, why: RegExp, answer: StubService["answer"]][] = [
  ["a refused sign-in", /did not accept the sign-in \(HTTP 401\)/, json({ message: TOKEN }, 401)],
  ["a forbidden call", /did not accept the sign-in \(HTTP 403\)/, json({}, 403)],
  ["too many calls", /asked less often/, json({}, 429, { "retry-after": "30" })],
  ["a server that fails", /failed \(HTTP 500\)/, json({ stack: TOKEN }, 500)],
  ["a server that is being mended", /failed \(HTTP 503\)/, json({}, 503)],
  ["a redirect", /redirect, which is not followed/, json({}, 302, { location: "http://127.0.0.1:1/elsewhere" })],
  ["a page", /not JSON/, (_, response) => void response.end("<!doctype html><title>Sign in</title>")],
  ["JSON that ends too early", /not JSON/, (_, response) => void response.end('{"on_call": [')],
  ["nothing", /not JSON/, (_, response) => void response.end()],
  ["a list instead of an object", /answered without/, json([1, 2])],
  ["null, which is no 404", /answered without/, json(null)],
  ["a text", /answered without/, json("INC-42 is open")],
  ["another shape", /answered/, json({ on_call: { email: "alice@example.test" }, key: 42, fields: "open" })],
  ["a deep nest", /answered|not JSON/, (_, response) => void response.end("[".repeat(100_000) + "]".repeat(100_000))],
  [
    "a wrong type where it matters",
    /answered with/,
    json({
      on_call: [{ email: "alice@example.test", level: "1" }],
      key: "INC-42",
      fields: { status: { name: ["x"], statusCategory: { key: "new" } } },
    }),
  ],
  [
    "a huge body",
    /more than \d+ bytes/,
    (_, response) => void response.end(`{"on_call": [], "pad": "${"x".repeat(ANSWER_BYTES_MAX)}"}`),
  ],
  ["a connection that ends", /cannot be reached/, (_, response) => void response.destroy()],
  [
    "a body that ends too early",
    /cannot be reached/,
    (_, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write('{"on_call"', () => response.destroy());
    },
  ],
  ["silence", NO_ANSWER, () => undefined],
  ["a slow drip", NO_ANSWER, (_, response) => drip(response)],
  [
    "an answer that is old already",
    /out of date/,
    json({ ...aboutAlice, ...jiraIssue("INC-42", "new", null) }, 200, { age: "3600" }),
  ],
];

function drip(response: ServerResponse): void {
  response.write("[");
  const timer = setInterval(() => response.write(" "), 50);
  response.on("close", () => clearInterval(timer));
}

describe("S16 a service that fails, hangs or talks nonsense makes the fact unknown", () => {
  for (const [name, why, answer] of BAD) {
    test(`${name}: nobody is on call, and the ticket is neither open nor closed`, async (t) => {
      const stub = await stubService(t, answer);
      const logged: string[] = [];
      // Only what never comes is worth waiting for as long as is allowed.
      const timeoutMs = why === NO_ANSWER ? 1_000 : 30_000;
      const sources = {
        oncall: [pagerAt(stub.url, { timeoutMs })],
        tickets: [jiraAt(stub.url, { timeoutMs })],
      };
      const desk = deskFor(sources, { env, logged });
      const facts = await desk.gather(alice, "INC-42");
      assert.equal(facts.oncall.tier, 0);
      assert.match(facts.oncall.unknown ?? "", why);
      assert.match(facts.oncall.unknown ?? "", /^pager /);
      assert.equal(facts.ticket?.state, "unknown");
      assert.match(facts.ticket?.unknown ?? "", why);
      assert.doesNotMatch(JSON.stringify([facts, logged, await desk.health()]), /xyzzy|Basic |http:|INC-42 is open/);
    });
  }

  test("nobody listens: the code of the system is told, no address", async (t) => {
    const stub = await stubService(t, json(aboutAlice));
    await stub.stop();
    const { oncall } = await deskFor({ oncall: [pagerAt(stub.url)] }, { env }).gather(alice, "");
    assert.equal(oncall.unknown, "pager cannot be reached (ECONNREFUSED)");
  });

  test("a secret that is not set is named, and nothing is asked", async (t) => {
    const stub = await stubService(t, json(aboutAlice));
    const { oncall } = await deskFor({ oncall: [pagerAt(stub.url)] }).gather(alice, "");
    assert.match(oncall.unknown ?? "", /TOKEN is not set/);
    assert.deepEqual(stub.asked, []);
  });

  test("an answer that no author thought of never approves: whatever JSON it is, the fact stays unknown", async (t) => {
    const stub = await stubService(t, json({}));
    const jsonAnswer = fc.oneof(
      fc.jsonValue(),
      fc.jsonValue().map((value) => ({ key: "INC-42", fields: { status: value, assignee: value } })),
      fc.record({ on_call: fc.array(fc.record({ email: fc.jsonValue(), level: fc.jsonValue() })) }),
    );
    await fc.assert(
      fc.asyncProperty(jsonAnswer, async (value) => {
        stub.answer = json(value);
        const sources = { oncall: [pagerAt(stub.url)], tickets: [jiraAt(stub.url)] };
        const { oncall, ticket } = await deskFor(sources, { env }).gather(alice, "INC-42");
        assert.equal(oncall.tier, 0);
        assert.equal(ticket?.state, "unknown");
      }),
      { numRuns: 300 },
    );
  });
});

describe("answers are kept", () => {
  test("for as long as the source allows, with their age; then it is asked again", async (t) => {
    const stub = await stubService(t, json(aboutAlice));
    const clock = movedClock();
    const desk = deskFor({ oncall: [pagerAt(stub.url, { maxAgeMs: 30_000 })] }, { env, clock });
    assert.equal((await desk.gather(alice, "")).oncall.ageMs, 0);
    clock.ms += 29_000;
    assert.equal((await desk.gather(alice, "")).oncall.ageMs, 29_000);
    assert.equal(stub.asked.length, 1);
    clock.ms += 1_000;
    assert.equal((await desk.gather(alice, "")).oncall.ageMs, 0);
    assert.equal(stub.asked.length, 2);
  });

  test("S16 an old answer does not stand in for a service that is down", async (t) => {
    const stub = await stubService(t, json(aboutAlice));
    const clock = movedClock();
    const desk = deskFor({ oncall: [pagerAt(stub.url)] }, { env, clock });
    assert.equal((await desk.gather(alice, "")).oncall.tier, 2);
    await stub.stop();
    clock.ms += 30_000;
    const { oncall } = await desk.gather(alice, "");
    assert.deepEqual([oncall.tier, oncall.unknown], [0, "pager cannot be reached (ECONNREFUSED)"]);
    const [health] = await desk.health();
    assert.equal(health?.failing?.sinceMs, clock.ms);
    assert.deepEqual(health?.failures, { unreachable: 1 });
    await stub.start();
    clock.ms += 2_000;
    assert.equal((await desk.gather(alice, "")).oncall.tier, 2);
    assert.equal((await desk.health())[0]?.failing, null);
  });

  test("many who ask at once are one question, and a failure is not repeated by everybody", async (t) => {
    const stub = await stubService(t, json({}, 500));
    const clock = movedClock();
    const desk = deskFor({ oncall: [pagerAt(stub.url)] }, { env, clock });
    await Promise.all(Array.from({ length: 20 }, () => desk.gather(alice, "")));
    await desk.gather(alice, "");
    assert.equal(stub.asked.length, 1);
    clock.ms += 2_000;
    await desk.gather(alice, "");
    assert.equal(stub.asked.length, 2);
  });

  test("a tracker that wants to be asked less often is left alone for as long as it says, for every ticket", async (t) => {
    const stub = await stubService(t, json({}, 429, { "retry-after": "30" }));
    const clock = movedClock();
    const desk = deskFor({ tickets: [jiraAt(stub.url)] }, { env, clock });
    await desk.gather(alice, "INC-1");
    clock.ms += 29_000;
    assert.match((await desk.gather(alice, "INC-2")).ticket?.unknown ?? "", /less often/);
    assert.equal(stub.asked.length, 1);
    clock.ms += 1_000;
    stub.answer = json({}, 404);
    assert.equal((await desk.gather(alice, "INC-3")).ticket?.state, "missing");
  });

  test("a source that is configured anew is asked anew", async (t) => {
    const stub = await stubService(t, json(aboutAlice));
    let source = pagerAt(stub.url);
    const desk = deskFor(async () => ({ oncall: [source], tickets: [] }), { env });
    assert.equal((await desk.gather(alice, "")).oncall.tier, 2);
    source = { ...source, connection: { ...source.connection, entries: "nobody[]" } };
    assert.match((await desk.gather(alice, "")).oncall.unknown ?? "", /answered without nobody/);
  });
});
