/** The log on a real store: one entry for each change, insert-only, gapless, provable, without personal data in its leaves. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import type { GrantId } from "../../src/base/ids.ts";
import { GrowingTree, leafHash } from "../../src/base/merkle.ts";
import { isRefusal } from "../../src/base/problem.ts";
import { TargetError } from "../../src/connector/connector.ts";
import { cancelRequest } from "../../src/operations/cancel-request.ts";
import { deliverCredential } from "../../src/operations/deliver-credential.ts";
import { extendGrant } from "../../src/operations/extend-grant.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { commitment, positionOf, sequenceAll, sequenceEntries } from "../../src/store/audit.ts";
import { rootAt } from "../../src/store/audit-tree.ts";
import { findGrant } from "../../src/store/grants.ts";
import { automatically, configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { withSecret } from "../support/variant.ts";
import { createWorld, NO_FACTS, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const PEOPLE = [
  person("alice", { name: "Alice Liddell", email: "alice.liddell@example.test" }),
  person("bob", { name: "Bob Dormouse", email: "bob.dormouse@example.test", groups: ["owners"] }),
];

async function setting(t: TestContext): Promise<World> {
  const world = await createWorld({ server, t });
  world.directory.members.set("admins", new Set());
  const secret = withSecret("secret");
  world.reconciler({ connectors: [secret.connector], claimLifetimeMs: 200 });
  const policies = [automatically("at-once", { when: 'request.ticket == "NOW"' }), needs("one", ["owners"])];
  const entitlements = { admins: { group: "admins" }, nowhere: { group: "nowhere" } };
  const resources = [
    directoryResource("dir", world.directoryName, entitlements, { owners: ["group:owners"] }),
    directoryResource("vault", world.directoryName, entitlements, { connector: "secret" }),
  ];
  await world.configure(configuration({ principals: PEOPLE, policies, resources }));
  return world;
}

const closed = (world: World, id: GrantId) =>
  world.grantWhen(
    id,
    (grant) => grant.state === "cancelled" || ("confirmMs" in grant && grant.confirmMs === null),
    "closed and confirmed",
  );

/** Everything that can happen to a request and a grant, once. */
async function liveFully(world: World): Promise<void> {
  const { context } = world;
  const [alice, bob] = [await world.principal("alice"), await world.principal("bob")];
  const reason = "the white rabbit is late";
  const ask = async (more: Parameters<World["ask"]>[2] = {}, entitlement = "dir:admins") => {
    const answer = await world.ask("alice", entitlement, { reason, ...more });
    assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.detail : "");
    return answer.requestId;
  };
  const approved = await ask();
  await world.review("bob", approved, { comment: "curiouser and curiouser", durationMs: 300_000 as DurationMs });
  await world.review("bob", await ask(), { verdict: "deny", comment: "off with their head" });
  await cancelRequest(context, alice, await ask());
  await world.review("alice", await ask());
  const at = async (id: GrantId, state: string) => world.grantWhen(id, (grant) => grant.state === state, state);
  const vault = await world.granted("alice", "vault:admins", { ticket: "NOW", reason });
  await at(vault, "active");
  await deliverCredential(context, alice, vault, { rotate: false });
  await deliverCredential(context, alice, vault, { rotate: true });
  await extendGrant(context, alice, vault, { durationMs: 60_000 as DurationMs, reason }, NO_FACTS);
  await world.grantWhen(
    vault,
    (grant) => grant.state === "active" && !grant.extendTarget && !grant.rotateCredential,
    "settled",
  );
  let down = true;
  world.directory.fail = (verb) => {
    if (down && verb === "revoke") throw new TargetError("unreachable", "no answer");
  };
  await revokeGrant(context, bob, (await world.request(approved)).grantId ?? vault, "enough of this tea party");
  await revokeGrant(context, alice, vault, "enough of this tea party");
  await world.grantWhen(vault, ({ trouble }) => trouble !== null, "in trouble");
  down = false;
  await closed(world, await world.granted("alice", "dir:nowhere", { ticket: "NOW", reason }));
  await Promise.all((await world.grants()).map(({ id }) => closed(world, id)));
}

/** Test-only: a table that the database itself fills with every change of a state. */
async function recordStates(world: World): Promise<void> {
  await world.store.pool.query(`
    create table shadow (at bigint generated always as identity, what text, id text, state text);
    create function shadow_state() returns trigger language plpgsql as $$
    begin
      if tg_op = 'INSERT' or old.state is distinct from new.state then
        insert into shadow (what, id, state) values (tg_table_name, new.id, new.state);
      end if;
      return new;
    end $$;
    create trigger shadow after insert or update on requests for each row execute function shadow_state();
    create trigger shadow after insert or update on grants for each row execute function shadow_state();`);
}

const REQUEST_STATES: Record<string, string> = {
  "request.submitted": "pending",
  "request.approved": "approved",
  "request.denied": "denied",
  "request.cancelled": "cancelled",
  "request.expired": "expired",
};
const GRANT_STATES: Record<string, string> = {
  "grant.created": "scheduled",
  "grant.provisioning": "provisioning",
  "grant.active": "active",
  "grant.revoking": "revoking",
  "grant.revoked": "revoked",
  "grant.failed": "failed",
  "grant.cancelled": "cancelled",
};

test("12: the history of states that the database saw is exactly the one that the log tells, for every request and grant", async (t) => {
  const world = await setting(t);
  await recordStates(world);
  await liveFully(world);
  const seen = new Map<string, string[]>();
  const { rows } = await world.store.pool.query<{ id: string; state: string }>(
    "select id, state from shadow order by at",
  );
  for (const { id, state } of rows) seen.set(id, [...(seen.get(id) ?? []), state]);
  const told = new Map<string, string[]>();
  for (const { leaf } of await world.entries()) {
    const [id, state] = leaf.kind.startsWith("request.")
      ? [leaf.refs.request, REQUEST_STATES[leaf.kind]]
      : [leaf.refs.grant, GRANT_STATES[leaf.kind]];
    if (id === undefined || state === undefined) continue;
    assert.equal(leaf.data["state"], state, leaf.kind);
    told.set(id, [...(told.get(id) ?? []), state]);
  }
  assert.deepEqual(Object.fromEntries([...told].sort()), Object.fromEntries([...seen].sort()));
  const states = new Set(rows.map(({ state }) => state));
  for (const state of [
    "pending",
    "approved",
    "denied",
    "cancelled",
    "scheduled",
    "active",
    "revoking",
    "revoked",
    "failed",
  ])
    assert.ok(states.has(state), `the life that was looked at had no ${state}`);
});

test("the log cannot be changed by the owner of the database: no update, delete or truncate", async (t) => {
  const world = await setting(t);
  await sequenceAll(world.store.db);
  for (const table of ["audit_entries", "audit_positions", "audit_lookup", "audit_nodes"])
    for (const statement of [
      `update ${table} set entry_id = 'x'`,
      `update ${table} set id = 'x'`,
      `delete from ${table}`,
      `truncate ${table}`,
      `truncate ${table} cascade`,
    ])
      await assert.rejects(world.store.pool.query(statement), { name: "error" }, statement);
  const columns = { audit_entries: "id", audit_positions: "entry_id", audit_lookup: "kind", audit_nodes: "hash" };
  const tables = Object.keys(columns).join();
  await world.store.pool.query(`grant update, delete, truncate on ${tables} to current_user`);
  for (const [table, column] of Object.entries(columns))
    for (const statement of [`update ${table} set ${column} = null`, `delete from ${table}`, `truncate ${table}`])
      await assert.rejects(world.store.pool.query(statement), /insert-only/, `also with the right to: ${statement}`);
});

test("positions are gapless and the tree is that of the entries, under ten writers and three sequencers at once", async (t) => {
  const world = await setting(t);
  let writing = true;
  const sequencers = Array.from({ length: 3 }, async () => {
    while (writing) await sequenceEntries(world.store.db);
  });
  const writers = Array.from({ length: 10 }, async () => {
    for (let i = 0; i < 5; i += 1) await world.ask("alice", "dir:admins");
  });
  await Promise.all(writers);
  writing = false;
  await Promise.all(sequencers);
  const entries = await world.entries();
  assert.deepEqual(
    entries.map(({ seq }) => seq),
    entries.map((_, i) => i + 1),
  );
  assert.equal(entries.filter(({ leaf }) => leaf.kind === "request.submitted").length, 50);
  const { rows } = await world.store.pool.query<{ leaf: string; leaf_hash: Buffer }>(
    "select e.leaf, p.leaf_hash from audit_positions p join audit_entries e on e.id = p.entry_id order by p.seq",
  );
  const tree = new GrowingTree();
  for (const row of rows) {
    tree.append(leafHash(row.leaf));
    assert.deepEqual(row.leaf_hash, Buffer.from(leafHash(row.leaf)));
  }
  assert.deepEqual(Buffer.from(await rootAt(world.store.db, rows.length)), Buffer.from(tree.root()));
  const [{ waiting } = { waiting: -1 }, { total } = { total: -1 }] = [
    ...(await world.store.pool.query<{ waiting: number }>("select count(*) as waiting from audit_unsequenced")).rows,
    ...(await world.store.pool.query<{ total: number }>("select count(*) as total from audit_entries")).rows,
  ] as [{ waiting: number }, { total: number }];
  assert.deepEqual([waiting, total], [0, rows.length]);
});

test("a receipt names the position of its entry, also when it is read before the sequencer came by", async (t) => {
  const world = await setting(t);
  const id = await world.granted("alice", "dir:admins", { ticket: "NOW" });
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  await revokeGrant(world.context, await world.principal("alice"), id, "");
  await closed(world, id);
  const found = await findGrant(world.store.db, id);
  assert.ok(found?.receiptEntry);
  const seq = await positionOf(world.store.db, found.receiptEntry);
  const entry = (await world.entries()).find((it) => it.seq === seq);
  assert.equal(entry?.leaf.kind, "grant.revoked");
  assert.equal(entry?.leaf.refs.grant, id);
  assert.ok(found.grant.state === "revoked");
  assert.deepEqual(entry?.leaf.data["evidence"], { ...found.grant.receipt.evidence });
});

test("nothing that a person is called or wrote stands in a leaf; commitments bind to it, and erasing it breaks no proof", async (t) => {
  const world = await setting(t);
  await liveFully(world);
  const before = await world.entries();
  const leaves = JSON.stringify(before.map(({ leaf }) => leaf)).toLowerCase();
  for (const personal of [
    "alice",
    "liddell",
    "bob",
    "dormouse",
    "example.test",
    "rabbit",
    "curiouser",
    "off with",
    "tea party",
  ])
    assert.ok(
      !leaves.includes(personal),
      `${personal}: ${leaves.slice(Math.max(0, leaves.indexOf(personal) - 200), leaves.indexOf(personal) + 60)}`,
    );
  const { rows } = await world.store.pool.query<{ entry_id: string; field: string; salt: string; value: string }>(
    "select * from audit_personal",
  );
  assert.ok(rows.some(({ value }) => value.includes("rabbit")));
  for (const { entry_id, field, salt, value } of rows) {
    const leaf = before.find((it) => it.leaf.id === entry_id)?.leaf;
    assert.equal(leaf?.commitments?.[field], commitment(salt, field, value));
  }
  assert.equal(new Set(rows.map(({ salt }) => salt)).size, rows.length);
  await world.store.pool.query("delete from audit_personal");
  const after = await world.entries();
  assert.deepEqual(
    after.slice(0, before.length).map(({ seq, leafHash: hash, leaf }) => ({ seq, hash, leaf })),
    before.map(({ seq, leafHash: hash, leaf }) => ({ seq, hash, leaf })),
  );
  assert.ok(after.every(({ personal }) => Object.keys(personal).length === 0));
});

test("a refusal is recorded once, as what was refused to whom, and changes nothing else", async (t) => {
  const world = await setting(t);
  const asked = await world.ask("alice", "dir:admins");
  assert.ok(!isRefusal(asked));
  const before = await world.entries();
  assert.ok(isRefusal(await world.review("alice", asked.requestId)));
  const added = (await world.entries()).slice(before.length);
  assert.deepEqual(
    added.map(({ leaf }) => [leaf.kind, leaf.data, leaf.refs]),
    [["operation.refused", { operation: "review-request", code: "self-review" }, { request: asked.requestId }]],
  );
});
