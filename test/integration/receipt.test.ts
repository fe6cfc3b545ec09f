/** Receipts of a real store: who gets one, of what there is none, and what they hold. */
import assert from "node:assert/strict";
import { after, before, beforeEach, type TestContext, test } from "node:test";
import pg from "pg";
import type { GrantId } from "../../src/base/ids.ts";
import { type ReceiptFacts, type Verdict, Verifier } from "../../verifier/verify.mjs";
import { type Api, createApi, withTokens } from "../support/api.ts";
import { automatically, configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { close, expire, makeActive, proveGone, reopen } from "../support/drive.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

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
  const principals = [
    ...[person("alice"), person("lea"), person("bob", { groups: ["leads"] })],
    ...[person("audrey", { roles: ["auditor"] }), person("otto", { roles: ["operator"] })],
    person("ada", { roles: ["admin"] }),
  ];
  const resources = [directoryResource("orders", world.directoryName, { read: { group: "r" }, fix: { group: "f" } })];
  const policies = [automatically("all-read", { when: 'entitlement.name == "read"' }), needs("leads", ["group:leads"])];
  await world.configure(withTokens(configuration({ principals, resources, policies })));
});

const REASON = "something is the matter";
const urlOf = (grant: string, query = ""): string => `/v1/grants/${grant}/receipt${query}`;
const grantOf = (id: string): GrantId => id as GrantId;

/** Approved by Bob, given more time, expired, and proven gone unless told otherwise. */
async function ended({ isClosed = true } = {}): Promise<GrantId> {
  const asked = { entitlement: "orders:fix", duration: "1h", reason: REASON, ticket: "INC-7" };
  const { id } = (await api.post("alice", "/v1/requests", asked)).body;
  await api.post("bob", `/v1/requests/${id}/reviews`, { verdict: "approve", comment: "go on" });
  const grant = grantOf((await api.get("alice", `/v1/requests/${id}`)).body.grantId);
  await makeActive(world, grant, "a-secret-of-the-target");
  const more = (await api.post("alice", `/v1/grants/${grant}/extend`, { duration: "10m", reason: "ten more" })).body;
  await api.post("bob", `/v1/requests/${more.requestId}/reviews`, { verdict: "approve", comment: "ten more, then" });
  await expire(world, grant);
  if (isClosed) await close(world, grant);
  return grant;
}

function verdictOn(text: string, given = {}): Verdict {
  const verifier = new Verifier(given);
  verifier.push(Buffer.from(text));
  return verifier.end();
}
async function receipt(as: string, grant: string, query = ""): Promise<{ facts: ReceiptFacts; text: string }> {
  const { status, text } = await api.get(as, urlOf(grant, query));
  assert.equal(status, 200, text);
  const verdict = verdictOn(text);
  assert.ok(verdict.ok && verdict.receipt, JSON.stringify(verdict));
  return { facts: verdict.receipt, text };
}

test("it has the whole life of the grant, with requests for more time, who agreed, and the policy; and no secret", async () => {
  const grant = await ended();
  const { facts, text } = await receipt("audrey", grant);
  assert.deepEqual([facts.grant, facts.entitlement, facts.person.handle], [grant, "orders:fix", "alice"]);
  assert.deepEqual(
    facts.agreed.map(({ by }) => by.handle),
    ["bob"],
  );
  assert.deepEqual([facts.rule, facts.asked?.ticket, facts.asked?.reason], ["leads", "INC-7", REASON]);
  assert.equal(facts.configuration[0]?.version, 1);
  assert.equal(facts.ended?.cause, "expired");
  const kinds: string[] = text.match(/(?<=\] \S+Z )[\w.-]+/g) ?? [];
  for (const kind of ["request.submitted", "review.recorded", "request.approved", "grant.created", "grant.active"])
    assert.ok(kinds.includes(kind), `${kind} in ${kinds}`);
  for (const kind of ["grant.extended", "grant.revoking", "grant.revoked", "config.activated", "principal.added"])
    assert.ok(kinds.includes(kind), `${kind} in ${kinds}`);
  assert.match(text, /comment=“ten more, then”/, "what the request for more time says is in it too");
  assert.match(text, /handle=“alice”/);
  assert.doesNotMatch(text, /alice@|a-secret-of-the-target/, "no more of a person than how they are known");
});

test("auditors, operators, admins and whose grant it is get it; to others there is no such grant", async () => {
  const grant = await ended();
  for (const who of ["audrey", "otto", "ada"]) assert.equal((await receipt(who, grant)).facts.person.handle, "alice");
  const { facts, text } = await receipt("alice", grant);
  assert.equal(facts.person.handle, null, "what the log says of people besides is not for them");
  assert.doesNotMatch(text, /principal\.added/);
  for (const who of ["lea", "bob"]) assert.equal((await api.get(who, urlOf(grant))).status, 404, who);
  assert.equal((await api.get("audrey", urlOf("gr_0000000000000000"))).status, 404);
  assert.equal((await api.get(null, urlOf(grant))).status, 401);
});

test("what is not proven gone has no receipt, in whatever state it is, and what a later probe saw again has none any more", async () => {
  const refused = async (grant: string, state: string, accessGone: boolean, why: RegExp): Promise<void> => {
    const { status, body } = await api.get("audrey", urlOf(grant));
    assert.deepEqual([status, body.code, body.state, body.accessGone], [409, "no-receipt", state, accessGone]);
    assert.match(body.detail, why);
  };
  const asked = { entitlement: "orders:read", duration: "1h", reason: REASON };
  const { grantId: scheduled } = (await api.post("alice", "/v1/requests", asked)).body;
  await refused(scheduled, "scheduled", false, /It is scheduled\. There is a receipt once/);
  await api.post("alice", `/v1/grants/${scheduled}/revoke`, { reason: "no" });
  await refused(scheduled, "cancelled", false, /cancelled before anything was made/);
  const { grantId: active } = (await api.post("alice", "/v1/requests", asked)).body;
  await makeActive(world, active);
  await refused(active, "active", false, /It is active\./);
  const grant = await ended({ isClosed: false });
  await refused(grant, "revoking", false, /still live as far as anybody has proven/);
  await proveGone(world, grant);
  await refused(grant, "revoking", true, /access is gone, and what is left is being cleaned up/);
  await close(world, grant);
  const first = await receipt("audrey", grant);
  await reopen(world, grant);
  await refused(grant, "revoking", false, /still live/);
  await close(world, grant);
  const second = await receipt("audrey", grant);
  assert.ok(second.facts.gone.seq > first.facts.gone.seq, "the proof that held");
});

test("texts are left out on demand and after an erasure, and it verifies all the same", async () => {
  const grant = await ended();
  const { text } = await receipt("audrey", grant, "?personal=no");
  assert.doesNotMatch(text, /something is the matter|alice|go on/);
  await world.store.pool.query("delete from audit_personal");
  const erased = await receipt("audrey", grant);
  assert.equal(erased.facts.person.handle, null);
});

test("S18: where somebody changed the store no receipt is given; in quarantine none is signed, nor where another replica's key came after", async () => {
  const grant = await ended();
  await receipt("audrey", grant);
  const client = new pg.Client(world.superuserUrl);
  await client.connect();
  await client.query(
    `set session_replication_role = replica; update audit_entries set leaf = replace(leaf, 'INC-7', 'INC-8')`,
  );
  await client.end();
  const { status, body } = await api.get("audrey", urlOf(grant));
  assert.deepEqual([status, body.code], [503, "unavailable"]);
  assert.match(body.detail, /^The log is not whole: the entry is not as it was written.*tidegate audit verify/);
  const unsigned = createApi(world, { receiptSigner: async () => null });
  const { body: followed } = await unsigned.get("audrey", urlOf(grant));
  assert.equal(followed.code, "unavailable");
  assert.match(followed.detail, /^Nothing is signed here.*another replica signs with another key/);
  const quarantined = "insert into quarantines (since, why, facts) values (now(), 'somebody said so', '{}')";
  await world.store.pool.query(quarantined);
  for (const person of ["audrey", "ada"])
    assert.equal((await unsigned.get(person, urlOf(grant))).body.code, "quarantine", person);
  await world.store.pool.query("update quarantines set left_at = now()");
  await unsigned.close();
});
