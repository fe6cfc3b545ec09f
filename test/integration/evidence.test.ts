/** What auditors ask, held against stories whose answers are known by hand, and against a simple model of random ones. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, type TestContext, test } from "node:test";
import type { GrantId } from "../../src/base/ids.ts";
import type { EvidenceAnswer, EvidenceRow } from "../../src/contract/evidence.ts";
import type { Configuration, DeclaredPrincipal } from "../../src/domain/configuration.ts";
import { databaseNowMs, openStore } from "../../src/store/db.ts";
import { type Api, createApi, withTokens } from "../support/api.ts";
import { automatically, configuration, denies, directoryResource, needs, person } from "../support/configuration.ts";
import { close, confirm, expire, makeActive, proveGone, reopen } from "../support/drive.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

const HOUR_MS = 3_600_000;
const PEOPLE = [
  person("alice", { groups: ["payments", "sre"] }),
  person("lea", { groups: ["payments"] }),
  person("bob", { groups: ["leads"] }),
  person("frank", { groups: ["leads"] }),
  person("sam", { groups: ["security"] }),
  person("dave", { type: "contractor", groups: ["payments"] }),
  person("ada", { roles: ["admin"] }),
  person("audrey", { roles: ["auditor"] }),
];

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

let world: World;
let api: Api;
beforeEach(async (t) => {
  world = await createWorld({ server, t: t as TestContext });
  api = createApi(world);
  (t as TestContext).after(() => api.close());
  await world.configure(organisation());
});

const organisation = (principals: DeclaredPrincipal[] = PEOPLE, requestExpiresAfterMs = HOUR_MS): Configuration =>
  withTokens(
    configuration({
      resources: [directoryResource("orders", world.directoryName, { read: { group: "r" }, fix: { group: "f" } })],
      principals,
      policies: [
        denies("no-contractors", 'user.type == "contractor"'),
        automatically("break-glass", {
          when: '"sre" in user.groups',
          emergency: { reviewBy: ["group:security"], withinMs: HOUR_MS },
        }),
        automatically("all-read", { when: 'entitlement.name == "read"' }),
        needs("leads", ["group:leads"]),
      ],
      defaults: { requestExpiresAfterMs },
    }),
  );

/** A moment that lies strictly between what was done before and what is done after. */
async function mark(): Promise<number> {
  const before = await databaseNowMs(world.store.db);
  let now = before;
  while (now <= before + 1) now = await databaseNowMs(world.store.db);
  const moment = now;
  while (now <= moment + 1) now = await databaseNowMs(world.store.db);
  return moment;
}

const iso = (ms: number): string => new Date(ms).toISOString();
async function evidence(query: Record<string, string>, from?: number, until?: number): Promise<EvidenceAnswer> {
  const span = {
    ...(from === undefined ? {} : { from: iso(from) }),
    ...(until === undefined ? {} : { until: iso(until) }),
  };
  const { status, body } = await api.get("audrey", `/v1/evidence?${new URLSearchParams({ ...query, ...span })}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}
const who = ({ rows }: EvidenceAnswer): (string | undefined)[] => rows.map((row) => row.person?.handle).sort();
const states = ({ rows }: EvidenceAnswer): [string | undefined, string][] =>
  rows.map(({ person: it, state }) => [it?.handle, state]);
const has = (row: EvidenceRow | undefined, ...kinds: string[]): void =>
  assert.deepEqual(
    row?.entries.map(({ kind, seq }) => (seq === null ? "no position" : kind)),
    kinds,
  );

const ask = async (as: string, entitlement: string, more: object = {}) =>
  (await api.post(as, "/v1/requests", { entitlement, duration: "1h", reason: "something is the matter", ...more }))
    .body;
const revoke = (as: string, id: string) => api.post(as, `/v1/grants/${id}/revoke`, { reason: "enough" });

describe("who had access", () => {
  test("from before it was made until it was proven gone, whoever has left since, and never ended while it may live", async () => {
    const m0 = await mark();
    const { grantId: alices } = await ask("alice", "orders:read");
    const asked = await mark();
    await makeActive(world, alices, "secret");
    const made = await mark();
    await api.post("alice", `/v1/grants/${alices}/extend`, { duration: "10m", reason: "not done yet, ten more" });
    await revoke("alice", alices);
    const ended = await mark();
    await proveGone(world, alices);
    const gone = await mark();
    const { grantId: leas } = await ask("lea", "orders:read");
    await makeActive(world, leas);
    await world.configure(organisation(PEOPLE.filter(({ handle }) => handle !== "lea")));
    await close(world, alices);
    await ask("alice", "orders:fix");
    await ask("dave", "orders:read");
    const last = await mark();

    const access = { question: "access", of: "orders:read" };
    assert.deepEqual(who(await evidence(access, m0 - 1, m0)), []);
    assert.deepEqual(who(await evidence(access, m0, asked)), [], "approved, and nothing made yet");
    assert.deepEqual(who(await evidence(access, asked, made)), ["alice"]);
    assert.deepEqual(who(await evidence(access, ended, gone)), ["alice"], "ended, and not proven gone before");
    assert.deepEqual(states(await evidence(access, gone, last)), [["lea", "still live"]]);
    const all = await evidence({ ...access, of: "orders" });
    assert.deepEqual(states(all), [
      ["alice", "proven gone"],
      ["lea", "still live"],
    ]);
    const [first, second] = all.rows;
    has(first, "grant.revoking", "grant.access-gone", "grant.revoked");
    assert.ok(
      Date.parse(first?.until ?? "") < gone && Date.parse(first?.until ?? "") > ended,
      "the first proof counts",
    );
    assert.equal(second?.until, null);
    assert.match(first?.note ?? "", /rule all-read, without anybody; something is the matter/);
    assert.deepEqual(who(await evidence({ ...access, of: "orders:fix" })), []);

    const endings = await evidence({ question: "endings" });
    assert.deepEqual(
      endings.rows.map(({ state, note, grant }) => [grant, state, note]),
      [
        [alices, "proven gone", "withdrawn"],
        [leas, "still live", "deactivated"],
      ],
    );
    const ms = endings.rows[0]?.ms ?? -1;
    assert.ok(ms > 0 && ms <= gone - made);
    assert.deepEqual(endings.times, { count: 2, open: 1, p50Ms: ms, p95Ms: ms, maxMs: ms });
    assert.deepEqual(who(await evidence({ question: "endings" }, gone, last)), ["lea"]);

    const person = await evidence({ question: "person", of: "lea" });
    const kinds = person.rows.map(({ what }) => what);
    for (const kind of ["principal.added", "request.approved", "grant.revoking", "principal.deactivated"])
      assert.ok(kinds.includes(kind), kind);
    assert.ok(person.rows.every((row) => row.entries[0]?.seq !== null));
    assert.ok(!(await evidence({ question: "person", of: "dave" })).rows.some(({ grant }) => grant !== null));
  });

  test("access that a later probe saw again was never gone, and a right that stood before us is standing", async () => {
    const { grantId } = await ask("alice", "orders:read");
    await makeActive(world, grantId);
    await revoke("alice", grantId);
    await proveGone(world, grantId);
    await close(world, grantId);
    const between = await mark();
    const access = { question: "access", of: "orders:read" };
    assert.deepEqual(who(await evidence(access, between)), []);
    await reopen(world, grantId);
    assert.deepEqual(states(await evidence(access, between)), [["alice", "still live"]]);
    await close(world, grantId);
    const closed = await mark();
    assert.deepEqual(who(await evidence(access, between)), ["alice"], "until the proof that held");
    assert.deepEqual(who(await evidence(access, closed)), []);
    await world.store.pool.query(`update grants set receipt = jsonb_set(receipt, '{evidence,kind}', '"standing"')`);
    const standing = await evidence(access, closed);
    assert.deepEqual(states(standing), [["alice", "standing"]]);
    assert.equal(standing.rows[0]?.until, null);
  });
});

test("everybody's approvals, in whose place, and those that a rule gave alone", async () => {
  const until = new Date(Date.now() + HOUR_MS).toISOString();
  assert.equal((await api.call("frank", "PUT", "/v1/me/away", { until, delegate: "sam" })).status, 200);
  const asked = await ask("alice", "orders:fix");
  assert.equal(
    (await api.post("sam", `/v1/requests/${asked.id}/reviews`, { verdict: "approve", comment: "fine" })).status,
    200,
  );
  const other = await ask("lea", "orders:fix");
  await api.post("bob", `/v1/requests/${other.id}/reviews`, { verdict: "deny", comment: "no" });
  await ask("alice", "orders:read");
  const { rows } = await evidence({ question: "approvals" });
  const shown = rows.map(({ state, by, inPlaceOf, person: it }) => [
    it?.handle,
    state,
    by.map(({ handle }) => handle).join(),
    inPlaceOf.map(({ handle }) => handle).join(),
  ]);
  assert.deepEqual(shown, [
    ["alice", "approve", "sam", "frank"],
    ["lea", "deny", "bob", ""],
    ["alice", "approve", "", ""],
  ]);
  assert.match(rows[0]?.note ?? "", /fine/);
  assert.match(rows[2]?.note ?? "", /rule all-read, without anybody/);
  assert.deepEqual(states(await evidence({ question: "approvals", of: "sam" })), [["alice", "approve"]]);
  const franks = (await evidence({ question: "person", of: "frank" })).rows.map(({ what, request }) => [what, request]);
  assert.deepEqual(
    franks.filter(([what]) => what === "review.recorded"),
    [["review.recorded", asked.id]],
    "what was said in his place, and nothing else",
  );
});

test("each emergency has its review, late, open or missing", async () => {
  const emergency = { emergency: true, ticket: "INC-1" };
  const ids: string[] = [];
  for (let i = 0; i < 4; i += 1) ids.push((await ask("alice", "orders:fix", emergency)).id);
  const [inTime, late, missing] = ids;
  const isDue = (id: string | undefined) =>
    world.store.pool.query("update requests set review_due_at = now() - interval '1 minute' where id = $1", [id]);
  const reviewed = (id: string | undefined, verdict: string) =>
    api.post("sam", `/v1/requests/${id}/emergency-review`, { verdict, comment: "I looked" });
  await reviewed(inTime, "justified");
  await isDue(late);
  await reviewed(late, "unjustified");
  await isDue(missing);
  const { rows } = await evidence({ question: "emergencies" });
  assert.deepEqual(
    rows.map(({ request, state, by }) => [request, state, by[0]?.handle]),
    [
      [ids[0], "reviewed", "sam"],
      [ids[1], "reviewed late", "sam"],
      [ids[2], "missing", undefined],
      [ids[3], "open", undefined],
    ],
  );
  has(rows[0], "request.approved", "emergency.reviewed");
  assert.match(rows[1]?.note ?? "", /^unjustified I looked; emergency, rule break-glass, without anybody; INC-1/);
  assert.ok((rows[1]?.ms ?? 0) >= 60_000 && rows[0]?.ms === null);
});

test("grants that nobody used, and those of which nobody knows", async () => {
  const grants: string[] = [];
  for (const secret of ["used", "unused", null, "open"]) {
    const { grantId } = await ask("alice", "orders:read");
    await makeActive(world, grantId, secret);
    if (secret === "used") await api.post("alice", `/v1/grants/${grantId}/credential`);
    if (secret !== "open") await revoke("alice", grantId);
    grants.push(grantId);
  }
  assert.deepEqual(
    (await evidence({ question: "unused" })).rows.map(({ grant, state }) => [grant, state]),
    [
      [grants[1], "never used"],
      [grants[2], "not known"],
      [grants[3], "not used yet"],
    ],
  );
});

test("who used what is answered alike before and after somebody was erased", async () => {
  for (const secret of ["used", "unused", null]) {
    const { grantId } = await ask("alice", "orders:read");
    await makeActive(world, grantId, secret);
    if (secret === "used") await api.post("alice", `/v1/grants/${grantId}/credential`);
    await revoke("alice", grantId);
    await close(world, grantId);
    await confirm(world, grantId);
  }
  const { id } = await world.principal("alice");
  await world.configure(organisation(PEOPLE.filter(({ handle }) => handle !== "alice")));
  const until = await mark();
  const answers = async () => {
    const { rows } = await evidence({ question: "unused" }, until - HOUR_MS, until);
    const { body, text } = await api.get("audrey", `/v1/review?from=${iso(until - HOUR_MS)}&until=${iso(until)}`);
    assert.equal(body.grants.total, 3, text);
    return { rows: rows.map(({ grant, state }) => [grant, state]), counts: [body.requests, body.grants], text };
  };
  const before = await answers();
  assert.deepEqual(
    before.rows.map(([, state]) => state),
    ["never used", "not known"],
  );
  assert.equal((await api.post("ada", `/v1/principals/${id}/erase`)).status, 200);
  const after = await answers();
  assert.deepEqual([after.rows, after.counts], [before.rows, before.counts]);
  assert.doesNotMatch(after.text, /alice/);
  const { rows } = await world.store.pool.query<{ delivery: object }>(
    "select delivery from leases order by created_at",
  );
  assert.deepEqual(
    rows.map(({ delivery }) => delivery),
    [{ kind: "password" }, { kind: "password" }, { kind: "membership" }],
  );
});

test("the configuration in force at a moment, with its hash and since when", async () => {
  const first = await mark();
  await world.configure(organisation(PEOPLE, 2 * HOUR_MS));
  const second = await mark();
  const versions = async (from: number) =>
    (await evidence({ question: "policy" }, from, from + 1)).rows.map(({ what, until }) => [what, until === null]);
  assert.deepEqual(await versions(first), [["version 1", false]]);
  assert.deepEqual(await versions(second), [["version 2", true]]);
  const { rows } = await evidence({ question: "policy" });
  assert.match(rows[0]?.state ?? "", /^[0-9a-f]{64}$/);
  assert.match(rows[1]?.note ?? "", /nobody was asked to confirm it/);
  has(rows[1], "config.activated");
  assert.equal(rows[0]?.until, rows[1]?.at);
});

test("a grant that somebody took out of the store is still counted by the log", async () => {
  const { grantId } = await ask("alice", "orders:read");
  await ask("lea", "orders:read");
  const counts = async () =>
    (await evidence({ question: "totals" })).rows
      .filter(({ what, state }) => state === "grant.created" || (what === "grants" && state === "all"))
      .map(({ count }) => count);
  assert.deepEqual(await counts(), [2, 2]);
  const superuser = openStore(world.superuserUrl, { connections: 1 });
  await superuser.pool.query("set session_replication_role = replica");
  await superuser.pool.query("delete from grants where id = $1", [grantId]);
  await superuser.close();
  assert.deepEqual(await counts(), [1, 2]);
});

test("answers to random stories are those of a simple model, whole and page by page, and the totals add up", async () => {
  let seed = 20_261_129;
  const chance = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  type Life = { id: GrantId; who: string; step: number; madeMs: number | null; goneMs: number | null };
  const lives: Life[] = [];
  const marks = [await mark()];
  const requests = { all: 0, denied: 0 };
  for (let turn = 0; turn < 60; turn += 1) {
    const life = lives[chance(lives.length + 1)];
    if (life === undefined || life.step > 4) {
      const as = ["alice", "bob", "dave", "sam"][chance(4)] ?? "";
      const { grantId } = await ask(as, "orders:read");
      requests.all += 1;
      if (as === "dave") requests.denied += 1;
      else lives.push({ id: grantId, who: as, step: 0, madeMs: null, goneMs: null });
    } else {
      // Made, ended, proven gone, perhaps seen again, closed.
      const before = marks.at(-1) ?? 0;
      if (life.step === 0) {
        await makeActive(world, life.id, chance(2) === 0 ? "secret" : null);
        life.madeMs = before;
      } else if (life.step === 1) await (chance(2) === 0 ? revoke("ada", life.id) : expire(world, life.id));
      else if (life.step === 2) {
        await proveGone(world, life.id);
        life.goneMs = before;
      } else if (life.step === 3 && chance(3) === 0) {
        await reopen(world, life.id);
        life.goneMs = null;
        life.step = 1;
      } else if (life.step === 3) await close(world, life.id);
      life.step += 1;
    }
    marks.push(await mark());
  }
  // Something happened after the mark before it: access from there on, until the one after.
  const lived = (from: number, until: number): string[] =>
    lives
      .filter(({ madeMs, goneMs }) => madeMs !== null && madeMs < until && (goneMs === null || goneMs >= from))
      .map(({ id }) => id)
      .sort();
  const access = { question: "access", of: "orders" };
  for (let i = 0; i < 30; i += 1) {
    const from = chance(marks.length - 1);
    const until = from + 1 + chance(marks.length - 1 - from);
    const [fromMs = 0, untilMs = 0] = [marks[from], marks[until]];
    const { rows } = await evidence(access, fromMs, untilMs);
    assert.deepEqual(rows.map(({ grant }) => grant).sort(), lived(fromMs, untilMs), `${from} to ${until}`);
  }
  for (const question of ["access", "person", "approvals", "endings", "unused"]) {
    const query = {
      question,
      ...(question === "access" ? { of: "orders" } : question === "person" ? { of: "alice" } : {}),
    };
    const whole = await evidence({ ...query, limit: "1000" });
    const paged: EvidenceRow[] = [];
    for (let next: string | null = "0"; next !== null; ) {
      const page: EvidenceAnswer = await evidence(
        { ...query, limit: "4", cursor: next },
        Date.parse(whole.from),
        Date.parse(whole.until),
      );
      paged.push(...page.rows);
      next = page.next;
    }
    assert.deepEqual(paged, whole.rows, question);
    assert.ok(whole.rows.length > 0, question);
  }
  const { rows } = await evidence({ question: "totals" });
  for (const what of ["requests", "grants"]) {
    const [all, ...parts] = rows.filter((row) => row.what === what).map(({ count }) => count ?? 0);
    assert.equal(
      all,
      parts.reduce((sum, part) => sum + part, 0),
    );
    assert.equal(all, what === "requests" ? requests.all : lives.length);
  }
  assert.equal(rows.find(({ what }) => what === "log")?.count, lives.length);
  assert.equal(
    rows.find(({ what, state }) => what === "requests" && state === "denied-by-policy")?.count,
    requests.denied,
  );
  assert.equal(
    rows.find(({ what, state }) => what === "grants" && state === "scheduled")?.count,
    lives.filter(({ step }) => step === 0).length,
  );
});

test("a question that means nothing is refused and not answered with nothing", async () => {
  const code = async (query: string, as = "audrey") => (await api.get(as, `/v1/evidence?${query}`)).body.code;
  assert.equal(await code("question=access"), "invalid-input");
  assert.equal(await code("question=person"), "invalid-input");
  assert.equal(await code("question=totals&of=orders"), "invalid-input");
  assert.equal(await code("question=everything"), "invalid-input");
  assert.equal(await code("question=access&of=ordres:read"), "not-found");
  assert.equal(await code("question=access&of=orders:raed"), "not-found");
  assert.equal(await code("question=person&of=mallory"), "not-found");
  assert.equal(await code("question=person&of=pr_0000000000000000"), "not-found");
  assert.equal(await code("question=totals&from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"), "invalid-input");
  assert.equal(await code("question=totals", "alice"), "forbidden");
});
