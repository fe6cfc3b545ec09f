import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PrincipalId } from "../base/ids.ts";
import { isRefusal, type Refusal } from "../base/problem.ts";
import type { Changes } from "./changes.ts";
import { cancel, type Decided, expire, review, submit, type Verdict } from "./decide-request.ts";
import { END_CAUSES } from "./end-cause.ts";
import { revokeGrant } from "./grant.ts";
import { activeGrant, HOUR_MS, NOW_MS } from "./grant-fixture.ts";
import { inWords, MESSAGES, type MessageDraft, type MessageKind, telling } from "./message.ts";
import type { Panic } from "./panic.ts";
import { reevaluate } from "./reevaluate-request.ts";
import { entitlement, needing, principal, request, subject } from "./request-fixture.ts";
import { tellPanic } from "./tell.ts";

const alice = principal("alice");
const bob = principal("bob", { groups: ["owners"] });
const carol = principal("carol", { groups: ["security"], roles: ["admin"] });
const frank = principal("frank", { groups: ["owners", "security"] });
const robot = principal("robot", { groups: ["owners"], kind: "service" });
const EVERYBODY = [alice, bob, carol, frank, robot];
const OWNERS = needing({ by: ["owners"], count: 1 });
const OWNER_AND_SECURITY = needing({ by: ["owners"], count: 1 }, { by: ["group:security"], count: 1 });
const APPROVE: Verdict = { verdict: "approve", comment: "", durationMs: null, instead: null };

function told(changes: Changes | undefined): MessageDraft[] {
  const entries = [...(changes?.entries ?? []), ...(changes?.grants ?? []).map(({ entry }) => entry)];
  return entries.flatMap(({ tells }) => tells ?? []);
}
function toldBy(answer: Decided | Refusal | null): MessageDraft[] {
  assert.ok(answer !== null && !isRefusal(answer), isRefusal(answer) ? answer.detail : "something was decided");
  return told(answer.changes);
}
const names = (to: readonly PrincipalId[]) => to.map((id) => EVERYBODY.find((it) => it.id === id)?.handle).sort();
const brief = (messages: readonly MessageDraft[]) => messages.map(({ kind, to }) => [kind, ...names(to)]);

test("who may approve a request is told of it: neither its requester nor a machine", () => {
  const asked = request(bob.id, OWNER_AND_SECURITY, { reason: "the queue is stuck", ticket: "INC-7" });
  const [message, ...more] = toldBy(submit(asked, subject(EVERYBODY), NOW_MS));
  assert.deepEqual(more, []);
  assert.ok(message?.kind === "request.needs-approval");
  assert.deepEqual(names(message.to), ["carol", "frank"]);
  assert.deepEqual(message.data, {
    requester: bob.id,
    entitlement: "dir:admins",
    duration: "4h",
    reason: "the queue is stuck",
    ticket: "INC-7",
    extends: null,
    needs: ["1 of owners (group:owners)", "1 of group:security"],
    expiresAt: new Date(NOW_MS + 24 * HOUR_MS).toISOString(),
  });
});

test("what is decided while its requester waits for the answer is not told besides", () => {
  const automatic = { ...OWNERS, outcome: "automatic", steps: [] } as const;
  const denied = { ...OWNERS, outcome: "denied", steps: [] } as const;
  for (const decision of [automatic, denied])
    assert.deepEqual(toldBy(submit(request(alice.id, decision), subject(EVERYBODY), NOW_MS)), []);
});

test("S12 where nobody can approve, the admins are told with the requester", () => {
  const nobody = needing({ by: ["group:gone"], count: 1 });
  assert.deepEqual(brief(toldBy(submit(request(alice.id, nobody), subject(EVERYBODY), NOW_MS))), [
    ["request.no-approvers", "alice", "carol"],
  ]);
  const pending = request(alice.id, OWNERS);
  assert.deepEqual(brief(toldBy(reevaluate(pending, [], nobody, 2, subject(EVERYBODY), NOW_MS))), [
    ["request.no-approvers", "alice", "carol"],
  ]);
});

test("the requester is told who approved, and where it is less than was asked for", () => {
  const asked = request(alice.id, OWNERS);
  const [message] = toldBy(review(asked, [], bob, { ...APPROVE, durationMs: HOUR_MS }, subject(EVERYBODY), NOW_MS));
  assert.ok(message?.kind === "request.approved");
  assert.deepEqual(message.to, [alice.id]);
  const less = { asked: { entitlement: "dir:admins", duration: "4h" }, duration: "1h" };
  assert.deepEqual(message.data, { entitlement: "dir:admins", ...less, extends: null, by: [bob.id] });
});

test("one approval of several tells nobody; a narrower offer asks everybody else anew", () => {
  const asked = request(alice.id, OWNER_AND_SECURITY);
  assert.deepEqual(toldBy(review(asked, [], bob, APPROVE, subject(EVERYBODY), NOW_MS)), []);
  const readers = entitlement("readers", { maxDurationMs: 2 * HOUR_MS });
  const offered = toldBy(review(asked, [], bob, { ...APPROVE, instead: readers }, subject(EVERYBODY), NOW_MS));
  assert.deepEqual(brief(offered), [["request.needs-approval", "carol", "frank"]]);
  assert.deepEqual(
    offered.map(({ data }) => "entitlement" in data && data.entitlement),
    ["dir:readers"],
  );
});

test("the requester is told how their request ended, but for what they did themselves", () => {
  const asked = request(alice.id, OWNERS);
  const deny: Verdict = { ...APPROVE, verdict: "deny", comment: "use the replica" };
  const [denied] = toldBy(review(asked, [], bob, deny, subject(EVERYBODY), NOW_MS));
  assert.deepEqual(denied?.data, { entitlement: "dir:admins", by: bob.id, reason: "use the replica" });
  assert.deepEqual(brief(toldBy(expire(asked, NOW_MS))), [["request.expired", "alice"]]);
  assert.deepEqual(brief(toldBy(cancel(asked, carol.id, NOW_MS))), [["request.cancelled", "alice"]]);
  assert.deepEqual(toldBy(cancel(asked, alice.id, NOW_MS)), []);
});

test("under new rules those are asked who may approve now; under the same nobody is", () => {
  const asked = request(alice.id, OWNERS);
  assert.equal(reevaluate(asked, [], OWNERS, 2, subject(EVERYBODY), NOW_MS), null);
  assert.deepEqual(brief(toldBy(reevaluate(asked, [], OWNER_AND_SECURITY, 2, subject(EVERYBODY), NOW_MS))), [
    ["request.needs-approval", "bob", "carol", "frank"],
  ]);
  const automatic = { ...OWNERS, outcome: "automatic", steps: [] } as const;
  assert.deepEqual(brief(toldBy(reevaluate(asked, [], automatic, 2, subject(EVERYBODY), NOW_MS))), [
    ["request.approved", "alice"],
  ]);
});

test("whose access ends sooner than agreed is told why; a panic's reason stays with those who operate", () => {
  const grant = activeGrant();
  for (const cause of END_CAUSES) {
    const ending = { cause, by: bob.id, reason: "looks wrong" };
    const change = revokeGrant(grant, ending, { principal: bob.id }, { leaseWritten: true });
    const [message] = change?.entry.tells ?? [];
    const foreseen = ["expired", "withdrawn", "deactivated"].includes(cause);
    assert.equal(message === undefined, foreseen, cause);
    if (message !== undefined) assert.deepEqual(message.to, [grant.principalId]);
    if (cause === "panic") assert.doesNotMatch(JSON.stringify(message), /looks wrong/);
  }
});

test("a panic is told to operators and admins, and never to the one it is about", () => {
  const dora = principal("dora", { roles: ["operator"] });
  const scope = { on: "principal", principalId: dora.id } as const;
  const panic = { id: "pn_1", scope, startedBy: carol.id, startedMs: NOW_MS, reason: "stolen laptop", lifted: null };
  const message = tellPanic("panic.started", panic as Panic, carol.id, "stolen laptop", [...EVERYBODY, dora]);
  assert.deepEqual(names(message.to), ["carol"]);
});

test("a message to nobody is not written", () => {
  const entry = { kind: "request.denied", actor: { system: "config" }, refs: {}, data: {} } as const;
  const data = { entitlement: "dir:admins", by: null, reason: "" };
  assert.equal(telling(entry, { kind: "request.denied", to: [], data }), entry);
});

const stored = { id: "ms_1", entryId: "en_1", atMs: NOW_MS, requestId: "rq_1", grantId: null, to: [alice.id] } as never;

test("words name people by their handles and say what to type", () => {
  const [draft] = toldBy(submit(request(alice.id, OWNERS), subject(EVERYBODY), NOW_MS));
  const who = (id: string) => EVERYBODY.find((it) => it.id === id)?.handle ?? id;
  assert.deepEqual(inWords({ ...(stored as object), ...draft } as never, who), {
    text: `alice asks for dir:admins for 4h: because. It needs 1 of owners (group:owners), until ${new Date(NOW_MS + 24 * HOUR_MS).toISOString()}`,
    next: "tidegate approve rq_1",
  });
});

test("a kind of another version is shown by its name", () => {
  const foreign = { ...(stored as object), kind: "moon.full", data: { anything: 1 } } as never;
  assert.deepEqual(inWords(foreign, String), { text: "moon.full", next: null });
  assert.deepEqual(inWords({ ...(foreign as object), kind: "toString" } as never, String).text, "toString");
});

test("every kind of end has words that hold its reason", () => {
  const kinds = Object.keys(MESSAGES).filter((it) => /^request\.(denied|cancelled|expired)$|^grant\.ended$/.test(it));
  fc.assert(
    fc.property(fc.constantFrom(...(kinds as MessageKind[])), fc.string(), (kind, reason) => {
      const data = { entitlement: "dir:admins", by: bob.id, reason, cause: "revoked" };
      const { text } = inWords({ ...(stored as object), kind, data } as never, () => "bob");
      assert.ok(text.includes("dir:admins") && text.includes("by bob") && text.includes(reason));
    }),
  );
});
