/** Comments on requests, questions to the requester, and the timeline: as operations on a real store, and over HTTP. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RequestId } from "../../src/base/ids.ts";
import { isRefusal } from "../../src/base/problem.ts";
import { unanswered } from "../../src/domain/comment.ts";
import { commentOnRequest } from "../../src/operations/comment-on-request.ts";
import { commentsOf } from "../../src/store/comments.ts";
import { type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { directoryResource } from "../support/configuration.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;
before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
});
after(async () => {
  await api.close();
  await world.stop();
});

const ASKED = { entitlement: "orders:read", duration: "1h", reason: "checking slow checkouts", ticket: "OPS-7" };

async function submit(as = "alice", more: object = {}): Promise<string> {
  const { status, body, text } = await api.post(as, "/v1/requests", { ...ASKED, ...more });
  assert.equal(status, 201, text);
  return body.id;
}

const say = (as: string, id: string, text: string, asks = false, more = {}) =>
  api.post(as, `/v1/requests/${id}/comments`, { text, asks }, more);

const read = async (as: string, id: string) => (await api.get(as, `/v1/requests/${id}`)).body;

type Line = { kind: string; by: { handle: string } | null; what: string; text: string };
const told = (timeline: Line[]): string[] =>
  timeline.map(({ by, what, text }) => `${by?.handle ?? "Tidegate"} ${what}${text === "" ? "" : `: ${text}`}`);

test("an approver asks, the requester answers, and all of it is on the timeline in order", async () => {
  const id = await submit();
  const asked = await say("bob", id, "Which customer?", true);
  assert.equal(asked.status, 200, asked.text);
  const seen = await read("alice", id);
  assert.deepEqual(
    seen.questions.map((one: { by: { handle: string }; text: string }) => [one.by.handle, one.text]),
    [["bob", "Which customer?"]],
  );
  const listed = await api.get("frank", "/v1/requests?role=approver&state=pending");
  const inList = listed.body.requests.find((one: { id: string }) => one.id === id);
  assert.equal(inList.questions.length, 1, "approvers see in the list that it waits for an answer");
  assert.equal("timeline" in inList, false);
  assert.deepEqual((await say("alice", id, "Customer 4711")).body.questions, []);
  await say("frank", id, "fine with me");
  await api.post("frank", `/v1/requests/${id}/reviews`, { verdict: "approve", comment: "go", duration: "30m" });
  const { timeline, questions } = await read("alice", id);
  assert.deepEqual(questions, []);
  assert.deepEqual(told(timeline), [
    "alice asks for orders:read for 1h: checking slow checkouts",
    "bob asks: Which customer?",
    "alice answers: Customer 4711",
    "frank comments: fine with me",
    "frank approves orders:read for 30m: go",
    "frank approved for 30m",
  ]);
});

test("the timeline goes on with the grant, up to the proof that its access is gone", async () => {
  const id = await submit("erin", { ticket: "INC-1" });
  const { grantId } = await read("erin", id);
  world.directory.members.set("readers", new Set());
  const reconciler = world.reconciler();
  await world.grantWhen(grantId, ({ state }) => state === "active", "active");
  await api.post("erin", `/v1/grants/${grantId}/revoke`, { reason: "done" });
  await world.grantWhen(grantId, ({ state }) => state === "revoked", "revoked");
  await reconciler.stop(0);
  assert.deepEqual(told((await read("erin", id)).timeline), [
    "erin asks for orders:read for 1h: granted at once (rule on-call-reads): checking slow checkouts",
    "Tidegate the access is there",
    "erin the access is taken away: withdrawn: done",
    "Tidegate the access is proven gone",
  ]);
});

test("what policy denies, what is taken back and what a new configuration changes are on the timeline, too", async () => {
  const denied = await api.post("dave", "/v1/requests", ASKED);
  assert.deepEqual(told((await read("dave", denied.body.requestId)).timeline), [
    "dave asks for orders:read for 1h: denied, rule no-contractors: checking slow checkouts",
  ]);
  const id = await submit();
  await api.post("alice", `/v1/requests/${id}/cancel`, {});
  assert.deepEqual(told((await read("alice", id)).timeline).at(-1), "alice cancelled: taken back");
});

test("who asked, approvers, operators and admins write; auditors and former approvers read; others see nothing", async () => {
  const id = await submit();
  for (const who of ["alice", "bob", "otto", "ada"]) assert.equal((await say(who, id, "x")).status, 200, who);
  const auditor = await say("audrey", id, "x");
  assert.equal(auditor.body.code, "forbidden");
  const seen = await read("audrey", id);
  assert.equal(seen.timeline.length, 5);
  assert.equal(seen.canComment, false);
  for (const who of ["dave", "stranger", "carol", "robot"])
    assert.equal((await say(who, id, "x")).body.code, "not-found", who);
  const reviewed = await submit("alice", { entitlement: "vault:open", reason: "the vault is stuck" });
  await api.post("sam", `/v1/requests/${reviewed}/reviews`, { verdict: "approve" });
  assert.equal((await say("sam", reviewed, "still here")).status, 200);
});

test("texts have bounds, asks is for those who are pending, and nobody asks themselves", async () => {
  const id = await submit();
  const codes = async (as: string, body: object) => (await api.post(as, `/v1/requests/${id}/comments`, body)).body.code;
  assert.equal(await codes("bob", { text: "" }), "invalid-input");
  assert.equal(await codes("bob", { text: "   " }), "invalid-input");
  assert.equal(await codes("bob", { text: "x".repeat(4_001) }), "invalid-input");
  assert.equal(await codes("bob", { text: "a\u001b[2Jb" }), "invalid-input");
  assert.equal(await codes("bob", {}), "invalid-input");
  assert.equal(await codes("alice", { text: "what?", asks: true }), "invalid-input");
  await api.post("bob", `/v1/requests/${id}/reviews`, { verdict: "deny", comment: "no" });
  assert.equal(await codes("bob", { text: "why?", asks: true }), "request-decided");
  assert.equal((await say("alice", id, "I see")).status, 200, "what is decided can be talked about");
  assert.deepEqual((await read("alice", id)).questions, []);
});

test("a question that nobody answered is none any more once the request is decided", async () => {
  const id = await submit();
  await say("bob", id, "why?", true);
  await api.post("frank", `/v1/requests/${id}/reviews`, { verdict: "approve" });
  assert.deepEqual((await read("alice", id)).questions, []);
});

test("a look that waits is answered by a comment, and the same key writes it once", async () => {
  const id = await submit();
  const held = api.get("alice", `/v1/requests/${id}?wait=60&while=pending`);
  const key = { headers: { "idempotency-key": "ask-once" } };
  const twice = await Promise.all([say("bob", id, "why?", true, key), say("bob", id, "why?", true, key)]);
  assert.deepEqual(
    twice.map(({ status }) => status),
    [200, 200],
  );
  assert.equal((await held).body.questions.length, 1);
  assert.equal((await commentsOf(world.store.db, id as RequestId)).length, 1);
  assert.equal((await say("bob", id, "other", true, key)).body.code, "idempotency-mismatch");
});

test("the stream of events tells both sides, without the text", async () => {
  const id = await submit();
  const from = (await world.entries()).at(-1)?.seq ?? 0;
  await say("bob", id, "secret words", true);
  await say("alice", id, "more words");
  const address = await api.app.listen({ port: 0, host: "127.0.0.1" });
  for (const who of ["alice", "bob"]) {
    const stop = new AbortController();
    const response = await fetch(`${address}/v1/events?after=${from}`, {
      headers: { authorization: `Bearer tgt_test-token-of-${who}` },
      signal: stop.signal,
    });
    let heard = "";
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    await until(
      async () => {
        heard += (await reader?.read())?.value ?? "";
        return heard.includes("request.answered");
      },
      { what: `the events of ${who}` },
    );
    stop.abort();
    assert.match(heard, /event: request\ndata: .*"kind":"request.asked-back","requestId":"rq_\w+"/);
    assert.doesNotMatch(heard, /words/);
  }
});

test("every comment has one entry in the log, its text outside of it and erasable", async () => {
  const id = await submit();
  await say("bob", id, "remember this", true);
  const entry = (await world.entries()).findLast(({ leaf }) => leaf.kind === "request.asked-back");
  assert.equal(entry?.leaf.refs.request, id);
  assert.equal(entry?.personal["text"], "remember this");
  assert.doesNotMatch(JSON.stringify(entry?.leaf), /remember/);
  await world.store.db
    .deleteFrom("audit_personal")
    .where("entry_id", "=", entry?.leaf.id ?? "")
    .execute();
  assert.deepEqual(told((await read("alice", id)).timeline).at(-1), "bob asks");
});

test("questions and answers at the same moment are written one after another: none is lost, an answer answers what came before it", async () => {
  const id = (await submit()) as RequestId;
  const [alice, bob, frank] = await Promise.all(["alice", "bob", "frank"].map((who) => world.principal(who)));
  const write = (who: typeof alice, text: string, asks: boolean) =>
    commentOnRequest(world.context, (who ?? assert.fail()).id, id, { text, asks });
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      i % 3 === 0 ? write(alice, `answer ${i}`, false) : write(i % 3 === 1 ? bob : frank, `question ${i}`, true),
    ),
  );
  assert.equal(answers.filter(isRefusal).length, 0);
  const all = await commentsOf(world.store.db, id);
  assert.equal(all.length, 12);
  const lastAnswer = all.findLastIndex(({ authorId }) => authorId === alice?.id);
  assert.deepEqual(
    unanswered(all).map((one) => one.id),
    all.slice(lastAnswer + 1).map((one) => one.id),
  );
  for (const [i, one] of all.entries()) {
    const next = all.slice(i + 1).find(({ authorId }) => authorId === alice?.id);
    if (one.asks) assert.equal(one.answeredBy, next?.id ?? null, one.text);
  }
});

test("a refused comment changes nothing and is on record", async () => {
  const id = (await submit()) as RequestId;
  const audrey = await world.principal("audrey");
  const refused = await commentOnRequest(world.context, audrey.id, id, { text: "x", asks: false });
  assert.ok(isRefusal(refused));
  assert.deepEqual(await commentsOf(world.store.db, id), []);
  const entry = (await world.entries()).at(-1);
  assert.equal(entry?.leaf.kind, "operation.refused");
  assert.deepEqual(entry?.leaf.data, { operation: "comment-on-request", code: "forbidden" });
});

test("a review that counts no more says so on the timeline, and why it is asked for again", async () => {
  const id = await submit("alice", { entitlement: "vault:open", reason: "the vault is stuck" });
  await api.post("carol", `/v1/requests/${id}/reviews`, { verdict: "approve", comment: "fine" });
  const before = organisation(world.directoryName);
  const vault = directoryResource("vault", world.directoryName, { open: { group: "others" } });
  await world.configure({ ...before, resources: { ...before.resources, vault } });
  assert.deepEqual(told((await read("carol", id)).timeline).slice(1), [
    "carol approves vault:open (counts no more: what is asked for has changed): fine",
    "Tidegate a new configuration asks for something else (rule two-of-them)",
  ]);
});
