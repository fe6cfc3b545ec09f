import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Api, createApi, tokenOf } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;

const GOOD = { entitlement: "orders:read", duration: "1h", reason: "checking slow checkouts", ticket: "OPS-7" };

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
});
after(async () => {
  await api.close();
  await world.stop();
});

describe("durations that are none", () => {
  const missing = Symbol("missing");
  for (const duration of [
    null,
    0,
    -1,
    3600,
    "",
    "0",
    "0s",
    "-1h",
    "NaN",
    "Infinity",
    "1e3s",
    "1 fortnight",
    "367d",
    "1.5h",
    {},
    [],
    true,
    missing,
  ]) {
    const shown = duration === missing ? "a missing one" : JSON.stringify(duration);
    test(`${shown} is refused, with a sentence that says how to write it`, async () => {
      const { duration: _left, ...rest } = GOOD;
      const { status, body } = await api.post(
        "erin",
        "/v1/requests",
        duration === missing ? rest : { ...rest, duration },
      );
      assert.equal(status, 400);
      assert.equal(body.code, "invalid-duration");
      assert.match(body.detail, /duration/);
      assert.equal(body.errors[0].path, "duration");
    });
  }

  test("NaN, bare, is not JSON", async () => {
    const { status, body } = await api.post("erin", "/v1/requests", undefined, { raw: '{"duration":NaN}' });
    assert.equal(status, 400);
    assert.equal(body.code, "malformed-request");
  });

  test("beyond the longest of the entitlement is refused, and the longest is named", async () => {
    const { status, body } = await api.post("alice", "/v1/requests", { ...GOOD, duration: "9h" });
    assert.equal(status, 400);
    assert.equal(body.code, "invalid-duration");
    assert.match(body.detail, /8h/);
    const explained = await api.post("alice", "/v1/explain", { entitlement: "orders:read", duration: "9h" });
    assert.equal(explained.body.code, "invalid-duration");
  });

  test("more than was asked for cannot be approved", async () => {
    const { body: asked } = await api.post("alice", "/v1/requests", GOOD);
    const { body } = await api.post("bob", `/v1/requests/${asked.id}/reviews`, { verdict: "approve", duration: "2h" });
    assert.equal(body.code, "invalid-duration");
    for (const duration of [0, "0s", "1 fortnight"]) {
      const bad = await api.post("bob", `/v1/requests/${asked.id}/reviews`, { verdict: "approve", duration });
      assert.equal(bad.body.code, "invalid-duration");
    }
  });
});

describe("other values that are none", () => {
  const cases: readonly [what: string, change: object, path: string][] = [
    ["a reason of 4,001 characters", { reason: "x".repeat(4_001) }, "reason"],
    ["a reason with U+0000", { reason: "a\u0000b" }, "reason"],
    ["a reason with half a character", { reason: "a\ud800b" }, "reason"],
    ["a reason that would repaint a terminal", { reason: "\u001b[2Jnothing to see" }, "reason"],
    ["a ticket of 201 characters", { ticket: "x".repeat(201) }, "ticket"],
    ["a ticket that is a number", { ticket: 42 }, "ticket"],
    ["an entitlement with U+0000", { entitlement: "orders:\u0000" }, "entitlement"],
    ["no entitlement", { entitlement: undefined }, "entitlement"],
    ["an empty entitlement", { entitlement: " " }, "entitlement"],
    ["a start without its zone", { start: "2026-01-31T12:00:00" }, "start"],
    ["a start that is no time", { start: "soon" }, "start"],
    ["an activation that there is not", { activation: "whenever" }, "activation"],
    ["an emergency that is a text", { emergency: "yes" }, "emergency"],
    ["a member that is not known", { durration: "1h" }, ""],
  ];
  for (const [what, change, path] of cases) {
    test(`${what} is refused, and where it stands is named`, async () => {
      const { status, body } = await api.post("erin", "/v1/requests", { ...GOOD, ...change });
      assert.equal(status, 400);
      assert.equal(body.code, "invalid-input");
      assert.equal(body.errors.length, 1);
      assert.equal(body.errors[0].path, path);
    });
  }

  test("several mistakes are all named", async () => {
    const { body } = await api.post("erin", "/v1/requests", { duration: "1h", reason: 1, activation: "x" });
    assert.equal(body.code, "invalid-input");
    assert.deepEqual(
      body.errors.map((error: { path: string }) => error.path),
      ["entitlement", "reason", "activation"],
    );
  });

  test("a start that lies in the past, or far ahead, is refused", async () => {
    for (const start of ["2020-01-01T00:00:00Z", "2220-01-01T00:00:00Z"])
      assert.equal((await api.post("erin", "/v1/requests", { ...GOOD, start })).body.code, "invalid-input");
  });

  test("an unknown entitlement is named, with what there is", async () => {
    for (const entitlement of [
      "orders:nothing",
      "nowhere:read",
      "orders",
      "orders:read:more",
      "constructor:read",
      "orders:__proto__",
    ]) {
      const { status, body } = await api.post("alice", "/v1/requests", { ...GOOD, entitlement });
      assert.equal(status, 404, entitlement);
      assert.equal(body.code, "unknown-entitlement");
      assert.ok(body.there.length > 0);
    }
  });

  test("query members are held to the contract", async () => {
    for (const url of [
      "/v1/requests?state=open",
      "/v1/requests?limit=0",
      "/v1/requests?limit=many",
      "/v1/requests?cursor=abc",
      "/v1/requests?role=king",
      "/v1/requests?state=pending&state=denied",
      "/v1/grants?state=",
      "/v1/grants?unknown=1",
      "/v1/grants/gr_0000000000000000?wait=61",
      "/v1/grants/gr_0000000000000000?wait=-1",
      "/v1/audit?after=-1",
      "/v1/audit?limit=1001",
    ]) {
      const { status, body } = await api.get("audrey", url);
      assert.equal(status, 400, url);
      assert.equal(body.code, "invalid-input", url);
    }
  });

  test("an id that is none is not found", async () => {
    for (const url of ["/v1/requests/nothing", "/v1/grants/nothing", `/v1/grants/${"x".repeat(300)}`, "/v1/grants/%00"])
      assert.equal((await api.get("audrey", url)).status, 404, url);
  });
});

describe("bodies that are none", () => {
  const raw = (body: string | Buffer, headers: Record<string, string> = {}) =>
    api.call("erin", "POST", "/v1/requests", undefined, { raw: body, headers });

  for (const [what, body] of [
    ["half an object", '{"entitlement":'],
    ["a word", "hello"],
    ["two values", "{} {}"],
    ["a prototype", '{"__proto__":{"admin":true}}'],
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0xff, 0x7d])],
  ] as const)
    test(`${what} is malformed`, async () => {
      const answer = await raw(body);
      assert.equal(answer.status, 400);
      assert.equal(answer.body.code, "malformed-request");
    });

  for (const body of ["null", "[]", '"text"', "1", "true", ""])
    test(`${JSON.stringify(body)} is no request`, async () => {
      const answer = await raw(body);
      assert.equal(answer.status, 400);
      assert.ok(["invalid-input", "malformed-request"].includes(answer.body.code));
    });

  test("a reason of 100 KB is too large", async () => {
    const { status, body } = await api.post("erin", "/v1/requests", { ...GOOD, reason: "x".repeat(100_000) });
    assert.equal(status, 413);
    assert.equal(body.code, "body-too-large");
  });

  test("other than JSON is refused", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/xml",
      "multipart/form-data; boundary=x",
    ]) {
      const { status, body } = await raw("{}", { "content-type": type });
      assert.equal(status, 415, type);
      assert.equal(body.code, "unsupported-media-type");
    }
    assert.equal((await raw(JSON.stringify(GOOD), { "content-type": "application/json; charset=utf-8" })).status, 201);
  });

  test("what is sent beside a call that reads no body is no part of it, however it is made", async () => {
    const headers = { "idempotency-key": "back again", "content-type": "application/json" };
    for (const raw of [`${"[".repeat(5_000)}${"]".repeat(5_000)}`, '{"reason":"\\ud800"}', "{}"]) {
      const { status, text } = await api.call("ada", "DELETE", "/v1/principals/alice/away", undefined, {
        headers,
        raw,
      });
      assert.equal(status, 200, text);
    }
  });

  test("an Idempotency-Key that is empty or too long is refused", async () => {
    for (const key of ["", "k".repeat(201)]) {
      const { body } = await api.post("erin", "/v1/requests", GOOD, { headers: { "idempotency-key": key } });
      assert.equal(body.code, "invalid-input");
      assert.match(body.detail, /Idempotency-Key/);
    }
  });
});

describe("addresses and methods that are none", () => {
  test("an unknown address is a problem, too", async () => {
    for (const url of ["/", "/v1", "/v1/nothing", "/v2/requests"]) {
      const { status, body } = await api.get("alice", url);
      assert.equal(status, 404, url);
      assert.equal(body.code, "not-found");
    }
    assert.equal((await api.get("alice", "/v1/grants/%zz")).body.code, "malformed-request");
  });

  test("a method that an address does not take is told which it takes", async () => {
    const wrong: readonly [method: string, url: string, allow: string][] = [
      ["DELETE", "/v1/requests", "POST, GET, HEAD"],
      ["GET", "/v1/requests/rq_0000000000000000/reviews", "POST"],
      ["PUT", "/v1/grants/gr_0000000000000000", "GET, HEAD"],
      ["POST", "/healthz", "GET, HEAD"],
    ];
    for (const [method, url, allow] of wrong) {
      const { status, body, headers } = await api.call(null, method, url);
      assert.equal(status, 405, url);
      assert.equal(body.code, "method-not-allowed");
      assert.equal(headers["allow"], allow);
    }
  });
});

describe("who has no good token", () => {
  const cases: readonly [what: string, authorization: string | null][] = [
    ["nothing", null],
    ["an unknown token", "Bearer tgt_unknown"],
    ["another scheme", `Basic ${Buffer.from("alice:x").toString("base64")}`],
    ["a token without its scheme", tokenOf("alice")],
    ["two tokens", `Bearer ${tokenOf("alice")} ${tokenOf("bob")}`],
    ["an endless token", `Bearer ${"x".repeat(5_000)}`],
    ["the scheme alone", "Bearer "],
  ];
  for (const [what, authorization] of cases)
    test(`${what} is not signed in, anywhere`, async () => {
      const headers: Record<string, string> = authorization === null ? {} : { authorization };
      for (const [method, url] of [
        ["GET", "/v1/me"],
        ["POST", "/v1/requests"],
        ["POST", "/v1/grants/gr_0000000000000000/credential"],
      ] as const) {
        const own = createApi(world);
        const answer = await own.call(null, method, url, method === "POST" ? {} : undefined, { headers });
        assert.equal(answer.status, 401);
        assert.equal(answer.body.code, "unauthenticated");
        assert.equal(answer.headers["www-authenticate"], "Bearer");
        await own.close();
      }
    });

  test("a token counts until its person leaves", async () => {
    const edited = organisation(world.directoryName);
    assert.equal((await api.get("stranger", "/v1/me")).status, 200);
    await world.configure({ ...edited, principals: edited.principals.filter(({ handle }) => handle !== "stranger") });
    assert.equal((await api.get("stranger", "/v1/me")).status, 401);
    await world.configure(edited);
  });

  test("the token is checked before the body is read", async () => {
    const { status } = await api.post(null, "/v1/requests", undefined, { raw: "x".repeat(200_000) });
    assert.equal(status, 401);
  });

  test("too many failures from one address are told to wait; a good token is still good there", async () => {
    const own = createApi(world);
    const failures = [];
    for (let i = 0; i < 31; i += 1) failures.push((await own.get(null, "/v1/me")).body.code);
    assert.deepEqual([...new Set(failures.slice(0, 30))], ["unauthenticated"]);
    assert.equal(failures[30], "too-many-requests");
    const told = await own.get(null, "/v1/me");
    assert.equal(told.status, 429);
    assert.ok(Number(told.headers["retry-after"]) >= 1);
    assert.equal((await own.get("alice", "/v1/me")).status, 200);
    await own.close();
  });

  test("S24 no token stands in a log or a problem", async () => {
    await api.post("alice", "/v1/requests", { ...GOOD, reason: 1 });
    await api.get("alice", "/v1/nothing");
    const unknown = await api.call(null, "GET", "/v1/me", undefined, {
      headers: { authorization: "Bearer tgt_a-secret-that-nobody-has" },
    });
    assert.ok(!unknown.text.includes("nobody-has"));
    assert.ok(api.logged().includes("answered"), "something is logged at all");
    for (const secret of ["nobody-has", "test-token-of", "authorization", "Bearer", "checking slow"])
      assert.ok(!api.logged().includes(secret), secret);
  });
});
