import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sql } from "kysely";
import pg from "pg";
import type { GrantId } from "../../src/base/ids.ts";
import { readEntries } from "../../src/store/audit.ts";
import { openStore } from "../../src/store/db.ts";
import { visibleAmong, visibleRequests } from "../../src/store/visible.ts";
import { type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { close, makeActive } from "../support/drive.ts";
import { createWorld, type World } from "../support/world.ts";

type Listed = { id: string; state: string; createdAt: string; expiresAt: string };

let world: World;
let api: Api;
/** erin's, oldest first: each granted at once. */
const granted: string[] = [];

const ask = async (who: string, entitlement: string, duration = "1h"): Promise<string> =>
  (await api.post(who, "/v1/requests", { entitlement, duration, reason: "a look" })).body.id;

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
  for (const [entitlement, duration] of [
    ["orders:read", "1h"],
    ["orders:peek", "10m"],
    ["orders:read", "2h"],
    ["orders:peek", "30m"],
  ] as const)
    await ask("erin", entitlement, duration);
  await ask("alice", "orders:read");
  const { grants } = (await api.get("erin", "/v1/grants?order=oldest")).body;
  granted.push(...grants.map(({ id }: Listed) => id));
});
after(async () => {
  await api.close();
  await world.stop();
});

const idsOf = async (who: string, url: string): Promise<string[]> => {
  const { status, body, text } = await api.get(who, url);
  assert.equal(status, 200, text);
  return (body.grants ?? body.requests).map(({ id }: Listed) => id);
};

/** All pages, one after another; `between` happens after each. */
async function pages(who: string, url: string, between: () => Promise<unknown> = async () => null): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: { body: { grants?: Listed[]; requests?: Listed[]; next: string | null } } = await api.get(
      who,
      `${url}${cursor === "" ? "" : `&cursor=${cursor}`}`,
    );
    found.push(...(page.body.grants ?? page.body.requests ?? []).map(({ id }) => id));
    cursor = page.body.next;
    await between();
  }
  return found;
}

describe("what lists are narrowed by", () => {
  test("grants: by person, resource, entitlement and state", async () => {
    assert.deepEqual(await idsOf("audrey", "/v1/grants?person=erin&order=oldest"), granted);
    assert.deepEqual(await idsOf("erin", "/v1/grants?person=me"), [...granted].reverse());
    assert.deepEqual(await idsOf("audrey", "/v1/grants?person=alice"), []);
    assert.deepEqual(await idsOf("audrey", "/v1/grants?person=nobody"), []);
    assert.deepEqual(await idsOf("erin", "/v1/grants?entitlement=orders:peek"), [granted[3], granted[1]]);
    assert.deepEqual(await idsOf("erin", "/v1/grants?resource=vault"), []);
    assert.deepEqual(await idsOf("erin", "/v1/grants?resource=orders&state=scheduled,active&limit=1"), [granted[3]]);
  });

  test("grants: by when they were made, and by when they end", async () => {
    const all: Listed[] = (await api.get("erin", "/v1/grants?order=oldest")).body.grants;
    const [, second, third] = all;
    const between = `from=${second?.createdAt}&until=${third?.createdAt}`;
    assert.deepEqual(await idsOf("erin", `/v1/grants?${between}`), [granted[1]]);
    const byEnd = [...all].sort((a, b) => Date.parse(a.expiresAt) - Date.parse(b.expiresAt));
    assert.deepEqual(await idsOf("erin", `/v1/grants?order=oldest&endsUntil=${byEnd[2]?.expiresAt}`), [
      granted[1],
      granted[3],
    ]);
    assert.deepEqual(await idsOf("erin", `/v1/grants?endsFrom=${byEnd[3]?.expiresAt}`), [byEnd[3]?.id]);
  });

  test("grants: who could have had access at a moment", async () => {
    const own = await createWorld();
    const there = createApi(own);
    try {
      await own.configure(organisation(own.directoryName));
      const asked = await there.post("erin", "/v1/requests", { entitlement: "orders:read", duration: "1h" });
      const id: GrantId = asked.body.grantId;
      const liveAt = async (time: string): Promise<number> =>
        (await there.get("audrey", `/v1/grants?liveAt=${time}`)).body.grants.length;
      const { startsMs, expiresMs } = await own.grant(id);
      const during = new Date(startsMs + 1).toISOString();
      assert.equal(await liveAt(during), 0, "nothing is made yet");
      await makeActive(own, id);
      assert.equal(await liveAt(during), 1);
      assert.equal(await liveAt(new Date(startsMs - 1_000).toISOString()), 0);
      assert.equal(await liveAt(new Date(expiresMs + 1_000).toISOString()), 1, "what nobody proved gone may be live");
      await there.post("erin", `/v1/grants/${id}/revoke`);
      await close(own, id);
      const ended = await own.grant(id);
      assert.ok(ended.state === "revoked");
      assert.equal(await liveAt(during), 1);
      assert.equal(await liveAt(new Date(ended.revokedMs).toISOString()), 0);
    } finally {
      await there.close();
      await own.stop();
    }
  });

  test("requests: by person, entitlement, state and time; never more than one may see", async () => {
    const all: Listed[] = (await api.get("audrey", "/v1/requests?order=oldest")).body.requests;
    assert.equal(all.length, 5);
    assert.deepEqual(await idsOf("audrey", "/v1/requests?person=alice"), [all[4]?.id]);
    assert.deepEqual(await idsOf("bob", "/v1/requests?person=alice&state=pending"), [all[4]?.id]);
    assert.deepEqual(await idsOf("stranger", "/v1/requests?person=alice"), []);
    assert.deepEqual(await idsOf("alice", "/v1/requests?person=erin"), []);
    assert.deepEqual(await idsOf("audrey", "/v1/requests?entitlement=orders:peek&order=oldest"), [
      all[1]?.id,
      all[3]?.id,
    ]);
    assert.deepEqual(await idsOf("audrey", `/v1/requests?until=${all[1]?.createdAt}`), [all[0]?.id]);
  });

  test("what is no time, no order and no kind is refused", async () => {
    for (const url of [
      "/v1/grants?from=yesterday",
      "/v1/grants?liveAt=2026-01-31",
      "/v1/grants?until=9999-12-31T23:59:59-23:59",
      "/v1/grants?from=0000-01-01T00:00:00Z",
      "/v1/requests?order=random",
      "/v1/audit?kind=nothing",
      "/v1/audit?before=0",
    ])
      assert.equal((await api.get("audrey", url)).body.code, "invalid-input", url);
  });
});

describe("pages", () => {
  for (const order of ["newest", "oldest"] as const)
    test(`${order} first: while rows are added, what was there comes exactly once and in order`, async () => {
      const before = await pages("audrey", `/v1/grants?order=${order}&limit=200`);
      // A list that grew as fast as it is read would never end, oldest first.
      let added = 0;
      const found = await pages("audrey", `/v1/grants?order=${order}&limit=2`, async () => {
        if (added < 3) await ask("erin", "orders:peek", "10m");
        added += 1;
      });
      assert.ok(added > 2);
      assert.deepEqual(
        found.filter((id) => before.includes(id)),
        before,
      );
      assert.equal(new Set(found).size, found.length);
    });
});

describe("the log", () => {
  const kinds = async (url: string): Promise<string[]> =>
    (await api.get("audrey", url)).body.entries.map(({ kind }: { kind: string }) => kind);

  test("by kind, by actor, by time, newest first", async () => {
    assert.deepEqual(
      new Set(await kinds("/v1/audit?kind=request.approved,grant.created")),
      new Set(["request.approved", "grant.created"]),
    );
    assert.deepEqual(await kinds("/v1/audit?actor=alice"), ["request.submitted"]);
    assert.deepEqual(await kinds("/v1/audit?actor=nobody"), []);
    assert.ok((await kinds("/v1/audit?actor=system:config")).includes("config.activated"));
    assert.deepEqual(await kinds("/v1/audit?actor=system:reconciler"), []);
    const { entries } = (await api.get("audrey", "/v1/audit?order=newest&limit=3")).body;
    const seqs = entries.map(({ seq }: { seq: number }) => seq);
    assert.deepEqual(seqs, [seqs[0], seqs[0] - 1, seqs[0] - 2]);
    const first = (await api.get("audrey", "/v1/audit?actor=alice")).body.entries[0];
    assert.deepEqual(
      (await api.get("audrey", `/v1/audit?actor=alice&from=${first.at}`)).body.entries.map(
        (e: { seq: number }) => e.seq,
      ),
      [first.seq],
    );
    assert.deepEqual(await kinds(`/v1/audit?actor=alice&until=${first.at}`), []);
  });

  test("newest first, page by page, is the same log backwards", async () => {
    const forth: number[] = (await api.get("audrey", "/v1/audit?limit=1000")).body.entries.map(
      (e: { seq: number }) => e.seq,
    );
    const back: number[] = [];
    for (let before: number | null = null; ; ) {
      const url: string = `/v1/audit?order=newest&limit=7${before === null ? "" : `&before=${before}`}`;
      const { entries, next } = (await api.get("audrey", url)).body;
      back.push(...entries.map((e: { seq: number }) => e.seq));
      if (next === null) break;
      before = next;
    }
    assert.deepEqual(back, forth.reverse());
  });
});

test("what is looked for by its grant, request, kind, actor or time, and what one may approve, is found by an index", async () => {
  const admin = new pg.Client({ connectionString: world.superuserUrl });
  await admin.connect();
  const database = new URL(world.url).pathname.slice(1);
  await admin.query(`alter database ${database} set enable_seqscan = off`);
  const store = openStore(world.url, { connections: 1 });
  const uses = async (index: string): Promise<number> => {
    await sql`select pg_stat_force_next_flush()`.execute(store.db);
    const { rows } = await sql<{
      n: number;
    }>`select idx_scan as n from pg_stat_user_indexes where indexrelname = ${index}`.execute(store.db);
    return rows[0]?.n ?? -1;
  };
  const used = async (index: string, look: () => Promise<unknown>): Promise<void> => {
    const earlier = await uses(index);
    assert.ok(earlier >= 0, `there is an index ${index}`);
    await look();
    assert.ok((await uses(index)) > earlier, `${index} is used`);
  };
  try {
    const read = (more: object) => readEntries(store.db, { afterSeq: 0, limit: 1_000, ...more });
    await used("audit_lookup_grant", () => read({ grant: granted[0] }));
    await used("audit_lookup_request", () => read({ request: "rq_0000000000000000" }));
    await used("audit_lookup_kind", () => read({ kinds: ["grant.revoked"] }));
    await used("audit_lookup_actor", () => read({ actors: ["reconciler"] }));
    await used("audit_nodes_pkey", () => read({ fromMs: 4_000_000_000_000 }));
    const bob = await world.principal("bob");
    const places = ["user:bob", "user:carol"].map((source) => ({ notFor: [bob.id], sources: [source], owned: [] }));
    const viewer = { principal: bob, places, standsFor: [], seesAll: false };
    await used("requests_seq", () => visibleRequests(store.db, { ...viewer, seesAll: true }, { limit: 1 }));
    // So few rows are always read along seq; what is asked is whether another way is open at all.
    await sql`set enable_indexscan = off`.execute(store.db);
    await used("requests_approvers", () => visibleRequests(store.db, viewer, { limit: 1 }));
    await used("reviews_reviewer", () => visibleRequests(store.db, viewer, { role: "approver", limit: 1 }));
    await used("requests_extends", () => visibleAmong(store.db, viewer, { requests: [], grants: granted }));
  } finally {
    await store.close();
    await admin.query(`alter database ${database} reset enable_seqscan`);
    await admin.end();
  }
});
