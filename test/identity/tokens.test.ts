/** Tokens that the server makes: hashed, narrow, bounded, rotated without a gap, revoked at once, and in the log. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { hashToken } from "../../src/base/token.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import { deactivatePrincipal } from "../../src/operations/deactivate-principal.ts";
import { type Answered, type Api, createApi, withTokens } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

const DAY_MS = 86_400_000;

let world: World;
let api: Api;
let base: Configuration;
before(async () => {
  world = await createWorld();
  base = withTokens(organisation(world.directoryName));
  await world.configure(base);
  api = createApi(world);
});
after(async () => {
  await api?.close();
  await world?.stop();
});

let number = 0;
const fresh = (): string => {
  number += 1;
  return `t${number}`;
};
type Made = { readonly secret: string; readonly id: string; readonly expiresAt: string };
async function issue(as: string, more: object = {}): Promise<Made> {
  const { status, body } = await api.post(as, "/v1/tokens", { name: fresh(), scopes: ["requests:read"], ...more });
  assert.equal(status, 201, JSON.stringify(body));
  return { secret: body.secret, ...body.token };
}
const ROBOT = { service: "robot" };
const withToken = (secret: string, method: string, url: string, body?: unknown): Promise<Answered> =>
  api.call(null, method, url, body, { headers: { authorization: `Bearer ${secret}` } });
const works = async ({ secret }: { secret: string }): Promise<boolean> =>
  (await withToken(secret, "GET", "/v1/requests")).status === 200;
const leaves = async (kind: string) =>
  (await world.entries()).filter(({ leaf }) => leaf.kind === kind).map(({ leaf }) => leaf);
const row = async (id: string) =>
  (await world.store.pool.query("select * from api_tokens where id = $1", [id])).rows[0];

test("an admin makes a token for a service: it is shown once, kept as a hash, and in the log", async () => {
  const made = await issue("ada", { ...ROBOT, name: "ci", scopes: ["requests:read", "requests:write"] });
  const me = (await withToken(made.secret, "GET", "/v1/me")).body;
  assert.equal(me.handle, "robot");
  assert.equal(me.session, null);
  assert.deepEqual(
    [me.token.id, me.token.scopes, me.token.current],
    [made.id, ["requests:read", "requests:write"], true],
  );
  assert.equal((await row(made.id)).hash, hashToken(made.secret));
  const { rows } = await world.store.pool.query("select t::text as all from api_tokens t");
  assert.doesNotMatch(JSON.stringify(rows), new RegExp(made.secret));
  const [leaf] = await leaves("token.issued");
  const [ada, robot] = [await world.principal("ada"), await world.principal("robot")];
  assert.deepEqual([leaf?.actor, leaf?.refs], [{ principal: ada.id }, { principal: robot.id }]);
  assert.deepEqual(leaf?.data["scopes"], ["requests:read", "requests:write"]);
  assert.doesNotMatch(JSON.stringify(await world.entries()) + api.logged(), new RegExp(made.secret));
});

test("a token that has scopes does that and nothing else", async () => {
  const made = await issue("ada", ROBOT);
  assert.ok(await works(made));
  const asked = { entitlement: "orders:read", duration: "1h", reason: "nightly report" };
  const refused = await withToken(made.secret, "POST", "/v1/requests", asked);
  assert.deepEqual([refused.status, refused.body.code], [403, "out-of-scope"]);
  assert.match(refused.body.detail, /good for requests:read; POST \/v1\/requests needs requests:write\./);
  const head = await api.app.inject({
    method: "HEAD",
    url: "/v1/audit",
    headers: { authorization: `Bearer ${made.secret}` },
  });
  assert.equal(head.statusCode, 403);
  const writer = await issue("ada", { ...ROBOT, scopes: ["requests:write"] });
  assert.equal((await withToken(writer.secret, "POST", "/v1/requests", asked)).status, 201);
  assert.equal((await withToken(writer.secret, "GET", "/v1/requests")).body.code, "out-of-scope");
});

describe("who makes tokens of whom", () => {
  test("people make their own; those of services are for admins; a person's are made by nobody else", async () => {
    assert.ok(await works(await issue("alice")));
    const asked = { name: "x", scopes: ["requests:read"] };
    assert.equal((await api.post("alice", "/v1/tokens", { ...asked, ...ROBOT })).body.code, "forbidden");
    assert.equal((await api.post("ada", "/v1/tokens", { ...asked, service: "alice" })).body.code, "forbidden");
    assert.equal((await api.post("ada", "/v1/tokens", { ...asked, service: "nobody-here" })).body.code, "not-found");
  });

  test("a token that has scopes makes none, and rotates itself alone", async () => {
    const wide = ["account", "requests:read", "requests:write", "access", "reviews", "operate"];
    const [one, other] = [await issue("alice", { scopes: wide }), await issue("alice", { scopes: ["account"] })];
    const made = await withToken(one.secret, "POST", "/v1/tokens", { name: "y", scopes: ["account"] });
    assert.equal(made.body.code, "out-of-scope");
    const rotated = await withToken(other.secret, "POST", `/v1/tokens/${one.id}/rotate`, {});
    assert.equal(rotated.body.code, "forbidden");
    assert.equal((await withToken(other.secret, "POST", `/v1/tokens/${other.id}/rotate`, {})).status, 201);
    const plain = await issue("alice");
    assert.equal(
      (await withToken(plain.secret, "POST", `/v1/tokens/${plain.id}/rotate`, {})).body.code,
      "out-of-scope",
    );
  });

  test("a list holds one's own; auditors and admins see everybody's, and no list holds a secret", async () => {
    const [mine, robots] = [await issue("bob"), await issue("ada", ROBOT)];
    const ids = async (as: string, query = "") =>
      (await api.get(as, `/v1/tokens?limit=200${query}`)).body.tokens.map(({ id }: { id: string }) => id);
    assert.ok((await ids("bob")).includes(mine.id) && !(await ids("bob")).includes(robots.id));
    for (const who of ["audrey", "ada"]) {
      const all = await ids(who);
      assert.ok(all.includes(mine.id) && all.includes(robots.id), who);
      assert.ok(!(await ids(who, "&person=robot")).includes(mine.id));
    }
    assert.equal((await api.get("bob", "/v1/tokens?person=robot")).body.code, "forbidden");
    assert.doesNotMatch((await api.get("ada", "/v1/tokens?limit=200")).text, /tgt_|sha256/);
    const first = (await api.get("ada", "/v1/tokens?limit=1&order=oldest")).body;
    const second = (await api.get("ada", `/v1/tokens?limit=1&order=oldest&cursor=${first.next}`)).body;
    assert.notEqual(first.tokens[0].id, second.tokens[0].id);
  });
});

test("every token ends: by default, and at most after a time that is refused beyond", async () => {
  const lasts = async (as: string, more: object) =>
    Math.round((Date.parse((await issue(as, more)).expiresAt) - Date.now()) / DAY_MS);
  assert.equal(await lasts("alice", {}), 30);
  assert.equal(await lasts("ada", ROBOT), 90);
  assert.equal(await lasts("ada", { ...ROBOT, lifetime: "365d" }), 365);
  const asked = { name: "z", scopes: ["requests:read"] };
  for (const [as, more] of [
    ["alice", { lifetime: "91d" }],
    ["ada", { ...ROBOT, lifetime: "366d" }],
  ] as const) {
    const { status, body } = await api.post(as, "/v1/tokens", { ...asked, ...more });
    assert.deepEqual([status, body.code], [400, "invalid-duration"], JSON.stringify(more));
    assert.match(body.detail, /lasts (90|365)d at most/);
  }
  for (const bad of [{ scopes: [] }, { scopes: ["everything"] }, { name: "My Token" }])
    assert.equal((await api.post("alice", "/v1/tokens", { ...asked, ...bad })).body.code, "invalid-input");
});

test("two tokens of one owner have two names, and there are so many and no more", async () => {
  await issue("frank", { name: "laptop" });
  const again = await api.post("frank", "/v1/tokens", { name: "laptop", scopes: ["requests:read"] });
  assert.deepEqual([again.status, again.body.code], [409, "already-exists"]);
  const many = (await api.get("frank", "/v1/tokens?limit=200")).body.tokens.length;
  for (let n = many; n < 50; n += 1) await issue("frank");
  const full = await api.post("frank", "/v1/tokens", { name: fresh(), scopes: ["requests:read"] });
  assert.equal(full.body.code, "tokens-full");
});

test("when a token was used last is seen, to the minute, and noted once for many calls", async () => {
  const made = await issue("alice");
  assert.equal((await row(made.id)).last_used_at, null);
  await Promise.all(Array.from({ length: 20 }, () => works(made)));
  await until(async () => (await row(made.id)).last_used_at !== null, { what: "the use to be noted" });
  const { last_used_at: noted } = await row(made.id);
  assert.ok(await works(made));
  assert.ok(await works(made));
  assert.deepEqual((await row(made.id)).last_used_at, noted);
  await world.store.pool.query("update api_tokens set last_used_at = now() - interval '61 seconds' where id = $1", [
    made.id,
  ]);
  assert.ok(await works(made));
  await until(async () => (await row(made.id)).last_used_at >= noted, { what: "the next use to be noted" });
});

describe("rotation", () => {
  const rotate = (as: string, id: string, body: object = {}) => api.post(as, `/v1/tokens/${id}/rotate`, body);
  const used = async (made: Made): Promise<void> => {
    assert.ok(await works(made));
    await until(async () => (await row(made.id)).last_used_at !== null, { what: "the use to be noted" });
  };

  test("the old token and the new one are good side by side, then the old one is gone", async () => {
    const old = await issue("ada", { ...ROBOT, scopes: ["requests:read", "account"], lifetime: "10d" });
    const answer = await withToken(old.secret, "POST", `/v1/tokens/${old.id}/rotate`, { overlap: "2h" });
    assert.equal(answer.status, 201);
    const { secret, token } = answer.body;
    assert.notEqual(secret, old.secret);
    assert.deepEqual([token.name, token.scopes], [(await row(old.id)).name, ["requests:read", "account"]]);
    assert.ok(await works(old));
    assert.ok(await works({ secret }));
    const after = await row(old.id);
    assert.equal(after.successor, token.id);
    const left = Number(after.expires_at) - Date.now();
    assert.ok(left > 7_000_000 && left <= 7_210_000, `goes on for ${left}`);
    assert.equal(Math.round((Date.parse(token.expiresAt) - Date.now()) / DAY_MS), 10);
    await world.store.pool.query("update api_tokens set expires_at = now() where id = $1", [old.id]);
    const over = await withToken(old.secret, "GET", "/v1/requests");
    assert.match(over.body.detail, /^This token expired at /);
    assert.ok(await works({ secret }));
    const leaf = (await leaves("token.rotated")).at(-1);
    assert.deepEqual([leaf?.data["token"], leaf?.data["successor"]], [old.id, token.id]);
  });

  test("where the answer was lost it is asked again, and only the last answer is good", async () => {
    const old = await issue("bob");
    const [lost, found] = [(await rotate("bob", old.id)).body, (await rotate("bob", old.id)).body];
    assert.ok(!(await works({ secret: lost.secret })));
    assert.ok((await works({ secret: found.secret })) && (await works(old)));
    await used({ ...found.token, secret: found.secret });
    const late = await rotate("bob", old.id);
    assert.deepEqual([late.status, late.body.code], [409, "token-rotated"]);
    assert.match(late.body.detail, new RegExp(found.token.id));
    assert.ok(await works({ secret: found.secret }));
  });

  test("two at once end as one after the other", async () => {
    const old = await issue("bob");
    const both = await Promise.all([rotate("bob", old.id), rotate("bob", old.id)]);
    const good = await Promise.all(both.map(({ body }) => works(body)));
    assert.equal(good.filter(Boolean).length, 1);
  });

  test("rotating never lengthens what is over, and asks for no more than there may be", async () => {
    const old = await issue("bob", { lifetime: "30m" });
    await rotate("bob", old.id, { overlap: "2d" });
    assert.ok(Number((await row(old.id)).expires_at) <= Date.parse(old.expiresAt));
    const other = await issue("bob");
    assert.equal((await rotate("bob", other.id, { overlap: "8d" })).body.code, "invalid-duration");
    assert.equal((await rotate("bob", other.id, { lifetime: "91d" })).body.code, "invalid-duration");
  });

  test("a person's token is rotated by them, a service's by admins, one of the file by whoever edits it", async () => {
    const mine = await issue("bob");
    assert.equal((await rotate("carol", mine.id)).body.code, "not-found");
    assert.equal((await rotate("ada", mine.id)).body.code, "forbidden");
    assert.equal((await rotate("ada", (await issue("ada", ROBOT)).id)).status, 201);
    const { token } = (await api.get("bob", "/v1/me")).body;
    assert.equal(token.source, "file");
    const declared = await rotate("bob", token.id);
    assert.equal(declared.body.code, "forbidden");
    assert.match(declared.body.detail, /stands in the configuration: .*token create/);
  });
});

describe("a token that opens nothing any more", () => {
  test("is one that was revoked, by its owner or an admin, from the next call on", async () => {
    const [mine, other] = [await issue("bob"), await issue("bob")];
    assert.equal((await api.call("carol", "DELETE", `/v1/tokens/${mine.id}`)).body.code, "not-found");
    assert.ok(await works(mine));
    assert.equal((await api.call("bob", "DELETE", `/v1/tokens/${mine.id}`)).status, 200);
    assert.equal((await api.call("ada", "DELETE", `/v1/tokens/${other.id}`)).status, 200);
    for (const { secret } of [mine, other]) {
      const { status, body } = await withToken(secret, "GET", "/v1/me");
      assert.deepEqual([status, body.detail], [401, "This token is unknown, has expired or was revoked."]);
    }
    assert.equal((await api.call("bob", "DELETE", `/v1/tokens/${mine.id}`)).body.code, "not-found");
    const [first, second] = await leaves("token.revoked").then((all) => all.slice(-2));
    assert.deepEqual([first?.data["token"], second?.data["token"]], [mine.id, other.id]);
  });

  test("is one of the configuration that was revoked, whatever later versions say", async () => {
    const { token } = (await api.get("dana", "/v1/me")).body;
    assert.equal((await api.call("ada", "DELETE", `/v1/tokens/${token.id}`)).status, 200);
    assert.equal((await api.get("dana", "/v1/me")).status, 401);
    await world.configure({ ...base, defaults: { ...base.defaults, activateWithinMs: 60_000 } });
    assert.equal((await api.get("dana", "/v1/me")).status, 401);
    assert.equal((await api.get("bob", "/v1/me")).status, 200);
  });

  test("is one that has expired", async () => {
    const made = await issue("bob");
    await world.store.pool.query("update api_tokens set expires_at = now() where id = $1", [made.id]);
    assert.match((await withToken(made.secret, "GET", "/v1/me")).body.detail, /^This token expired at /);
    assert.equal((await api.post("bob", `/v1/tokens/${made.id}/rotate`, {})).body.code, "not-found");
  });

  test("is one whose owner was deactivated, also when they come back", async () => {
    const made = await issue("ada", { service: "robot", scopes: ["requests:read"] });
    const robot = await world.principal("robot");
    await deactivatePrincipal(world.context, robot.id, { system: "identity" }, "gone");
    assert.equal((await withToken(made.secret, "GET", "/v1/me")).status, 401);
    const ended = (await leaves("token.revoked")).filter(({ data }) => data["token"] === made.id);
    assert.equal(ended.length, 1);
    await world.store.pool.query("update principals set active = true, deactivated_at = null where id = $1", [
      robot.id,
    ]);
    assert.equal((await withToken(made.secret, "GET", "/v1/me")).status, 401);
    assert.equal((await api.get("robot", "/v1/me")).status, 200, "that of the file is the file's");
  });
});

test("tokens of the file may be narrowed, too", async () => {
  await world.configure({
    ...base,
    principals: base.principals.map((one) =>
      one.handle === "sam"
        ? { ...one, tokens: one.tokens.map((token) => ({ ...token, scopes: ["health:read"] as const })) }
        : one,
    ),
  });
  assert.deepEqual((await api.get("sam", "/v1/me")).body.token.scopes, ["health:read"]);
  assert.equal((await api.get("sam", "/v1/requests")).body.code, "out-of-scope");
  assert.equal((await api.get("sam", "/v1/health")).body.code, "forbidden", "its owner's role is asked as ever");
});
