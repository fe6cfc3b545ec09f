/** Entries as events of OCSF, held against what the schema demands of each class. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ocsfEvent } from "../../src/cli/words/ocsf.ts";
import type { AuditEntry } from "../../src/contract/audit.ts";
import { ENTRY_KINDS } from "../../src/domain/audit.ts";
import { cli, type StubServer, startStub } from "./cli-harness.ts";

/** Of OCSF 1.8.0; `privileges` is demanded by 1.0 to 1.2. Activities by their ids, 99 aside. */
const BASE = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"];
const IAM_RECOMMENDED = ["actor", "message", "status_id", "status"];
const CLASSES: Readonly<Record<number, { required: string[]; oneOf: string[]; activities: string[] }>> = {
  3001: {
    required: ["user"],
    oneOf: ["user"],
    activities: [
      ...["", "Create", "Enable", "Password Change", "Password Reset", "Disable", "Delete", "Attach Policy"],
      ...["Detach Policy", "Lock", "MFA Factor Enable", "MFA Factor Disable", "Unlock"],
    ],
  },
  3002: { required: ["user"], oneOf: ["service", "dst_endpoint"], activities: ["", "Logon", "Logoff"] },
  3005: {
    required: ["user", "privileges"],
    oneOf: ["user"],
    activities: ["", "Assign Privileges", "Revoke Privileges", "Assign Role", "Remove Role"],
  },
};
const SEVERITIES = ["Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal"];

const entryOf = (kind: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  ...{ seq: 19, leafHash: "b51f", v: 1, id: "en_qvye0h2n4k628vy5", at: "2026-01-31T12:00:24.806Z", kind },
  ...{ installation: "w50mjhaz", actor: { system: "reconciler" }, who: "reconciler" },
  refs: { grant: "gr_0123456789abcdef", principal: "pr_0a2c4e6g8j1k3m5n" },
  data: { entitlement: "orders-db:read", session: "se_1", odd: { kept: true } },
  personal: { handle: "alice", email: "alice@example.com", reason: "said" },
  ...more,
});
// biome-ignore lint/suspicious/noExplicitAny: whatever the event holds is held against the schema
const eventOf = (entry: AuditEntry): any => ocsfEvent(entry);

test("whatever kind of entry it is: an event has what its class demands, and an activity that the class has, or 99 with a name", () => {
  const seen = new Set<number>();
  for (const kind of ENTRY_KINDS) {
    const event = eventOf(entryOf(kind));
    if (event === null) continue;
    const { required, oneOf, activities } = CLASSES[event.class_uid] ?? assert.fail(`${kind}: ${event.class_uid}`);
    for (const name of [...BASE, ...IAM_RECOMMENDED, ...required])
      assert.ok(event[name] !== undefined, `${kind}: ${name}`);
    assert.ok(
      oneOf.some((name) => event[name] !== undefined),
      kind,
    );
    assert.equal(event.category_uid, 3);
    assert.equal(event.type_uid, event.class_uid * 100 + event.activity_id);
    assert.ok(
      event.activity_id === 99 ? event.activity_name : activities[event.activity_id] === event.activity_name,
      kind,
    );
    assert.equal(SEVERITIES[event.severity_id], event.severity);
    assert.equal({ 1: "Success", 2: "Failure" }[event.status_id as 1 | 2], event.status);
    assert.deepEqual([event.time, event.metadata.version], [Date.parse("2026-01-31T12:00:24.806Z"), "1.8.0"]);
    assert.ok(event.metadata.product.name && event.metadata.product.version && event.metadata.uid);
    assert.ok(event.user.uid || event.user.name, "at least one of them");
    assert.deepEqual(event.unmapped.data.odd, { kept: true }, "nothing is lost");
    seen.add(event.class_uid);
  }
  assert.deepEqual([...seen].sort(), [3001, 3002, 3005]);
});

test("access is assigned when it is there, and revoked when it is proven gone and not before", () => {
  const typeOf = (kind: string): number => eventOf(entryOf(kind)).type_uid;
  assert.deepEqual(
    ["grant.active", "grant.revoked", "grant.revoking", "grant.created"].map(typeOf),
    [300501, 300502, 300599, 300599],
  );
  assert.equal(eventOf(entryOf("grant.failed")).status, "Failure");
  assert.equal(eventOf(entryOf("grant.still-live")).severity, "High");
  assert.equal(eventOf(entryOf("request.approved", { data: { emergency: true } })).severity, "Medium");
  assert.deepEqual(eventOf(entryOf("grant.active")).resources, [{ name: "orders-db" }]);
});

test("privileges are not revoked where other grants hold the right or it was there before", () => {
  const typeOf = (kind: string): number =>
    eventOf(entryOf("grant.revoked", { data: { evidence: { kind, observations: [] } } })).type_uid;
  assert.deepEqual(["gone", "covered", "standing"].map(typeOf), [300502, 300599, 300599]);
});

test("whoever is erased is deleted; of whom a provider lists no more, the account changed", () => {
  const typesOf = ["principal.erased", "scim.removed"].map((kind) => eventOf(entryOf(kind)).type_uid);
  assert.deepEqual(typesOf, [300106, 300199]);
  assert.equal(eventOf(entryOf("scim.removed", { refs: {} })), null, "of a group, or of nobody whom we know");
});

test("who did it and to whom are told apart; what happens to nobody is no event", () => {
  const actor = { principal: "pr_5d7f9h1k3m5p7r9t" };
  const by = eventOf(entryOf("grant.revoking", { actor, who: "bob", personal: {} }));
  assert.deepEqual(by.actor, { user: { uid: actor.principal, name: "bob" } });
  assert.deepEqual(by.user, { uid: "pr_0a2c4e6g8j1k3m5n" });
  assert.deepEqual(eventOf(entryOf("principal.added")).user, {
    ...{ uid: "pr_0a2c4e6g8j1k3m5n", name: "alice", email_addr: "alice@example.com" },
  });
  for (const kind of ["config.activated", "key.added", "drift.found"]) assert.equal(eventOf(entryOf(kind)), null, kind);
  assert.equal(eventOf(entryOf("grant.trouble", { refs: {} })), null);
});

let stub: StubServer;
before(async () => {
  const pages = new Map([
    ["0", { entries: [entryOf("grant.active"), entryOf("config.activated")], next: 20 }],
    ["20", { entries: [entryOf("grant.revoked")], next: null }],
  ]);
  stub = await startStub({ "GET /v1/audit": ({ query }) => ({ body: pages.get(query.get("after") ?? "0") ?? {} }) });
});
after(() => stub.close());

test("a log of any length is written page after page, one event in a line, and what is left out is counted", async () => {
  const { code, stdout, stderr } = await cli(["audit", "list", "--ocsf"], { TIDEGATE_URL: stub.url });
  assert.equal(code, 0, stderr);
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { type_uid: number });
  assert.deepEqual(
    events.map(({ type_uid }) => type_uid),
    [300501, 300502],
  );
  assert.match(stderr, /2 events of 3 entries/);
  assert.equal(stub.calls[0]?.query.get("limit"), "1000");
});
