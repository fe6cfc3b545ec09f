import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Client, createClient } from "../../src/contract/client.ts";
import { ProblemError } from "../../src/contract/client-errors.ts";
import type { EventView } from "../../src/contract/events.ts";
import { type Api, createApi, tokenOf } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;
let url: string;

before(async () => {
  world = await createWorld();
  await world.configure(organisation(world.directoryName));
  api = createApi(world);
  url = await api.app.listen({ host: "127.0.0.1", port: 0 });
});
after(async () => {
  await api.close();
  await world.stop();
});

const clientOf = (who: string): Client => createClient({ url, token: tokenOf(who) });
const kindsOf = async (who: string) =>
  (await clientOf(who).listMessages({ person: "me" })).messages.map((it) => it.kind);

describe("messages", () => {
  let request: string;
  before(async () => {
    const asked = { entitlement: "orders:read", duration: "1h", reason: "a look", ticket: "OPS-7" };
    request = (await clientOf("alice").submitRequest(asked)).id;
  });

  test("an approver is told who asks for what and why, and what to type", async () => {
    const { messages } = await clientOf("bob").listMessages();
    const [message, ...more] = messages;
    assert.deepEqual(more, []);
    assert.equal(message?.kind, "request.needs-approval");
    assert.match(message.text, /^alice asks for orders:read for 1h: a look \(OPS-7\)\. It needs 1 of /);
    assert.equal(message.next, `tidegate approve ${request}`);
    assert.equal(message.requestId, request);
    assert.equal(message.deliveries, null);
    assert.deepEqual(await clientOf("bob").getMessage(message.id), message);
  });

  test("a message is for whom it is to, and for those who see everything; for others it is not there", async () => {
    const [message] = (await clientOf("bob").listMessages()).messages;
    assert.ok(message !== undefined);
    for (const who of ["alice", "erin", "carol", "stranger", "robot"]) {
      assert.deepEqual((await clientOf(who).listMessages()).messages, [], who);
      assert.deepEqual((await clientOf(who).listMessages({ person: "bob" })).messages, [], who);
      await assert.rejects(
        clientOf(who).getMessage(message.id),
        (error) => error instanceof ProblemError && error.code === "not-found",
      );
    }
    for (const who of ["audrey", "ada", "otto"]) {
      const { messages } = await clientOf(who).listMessages({ person: "bob", kind: "request.needs-approval" });
      assert.deepEqual(
        messages.map(({ id, deliveries }) => [id, deliveries]),
        [[message.id, []]],
        who,
      );
      const own = (await clientOf(who).listMessages({ person: "me" })).messages;
      assert.equal(own.length, who === "ada" ? 1 : 0, `${who}, of whom ada is one of the owners`);
    }
  });

  test("the requester is told by whom it was approved, once, also when the call is repeated", async () => {
    const approve = () =>
      clientOf("bob").reviewRequest(request, { verdict: "approve", duration: "30m" }, { idempotencyKey: "the-same" });
    await approve();
    await approve();
    const { messages } = await clientOf("alice").listMessages();
    assert.deepEqual(
      messages.map(({ kind, text }) => [kind, text]),
      [["request.approved", "You may have orders:read for 30m, approved by bob; you had asked for orders:read for 1h"]],
    );
  });

  test("a request that meets another transaction, and goes again, tells once", async () => {
    const before = (await kindsOf("bob")).length;
    const asked = { entitlement: "orders:read", duration: "1h", reason: "a look" };
    await Promise.all(["alice", "alice", "alice", "alice"].map((who) => clientOf(who).submitRequest(asked)));
    assert.equal((await kindsOf("bob")).length, before + 4);
  });

  test("pages go on where they ended, either way", async () => {
    const all = (await clientOf("bob").listMessages()).messages.map(({ id }) => id);
    for (const order of ["newest", "oldest"] as const) {
      const seen: string[] = [];
      for (let cursor: string | undefined; ; ) {
        const at = cursor === undefined ? {} : { cursor };
        const page = await clientOf("bob").listMessages({ order, limit: 2, ...at });
        seen.push(...page.messages.map(({ id }) => id));
        if (page.next === null) break;
        cursor = page.next;
      }
      assert.deepEqual(seen, order === "newest" ? all : all.toReversed());
    }
  });

  test("the stream of events brings a message before what it tells of, to whom it is to", async () => {
    const from = (await api.get("audrey", "/v1/audit?order=newest&limit=1")).body.entries[0].seq;
    const asked = { entitlement: "orders:read", duration: "1h", reason: "a private matter" };
    const { id } = await clientOf("alice").submitRequest(asked);
    const ending = new AbortController();
    const seen: EventView[] = [];
    const follow = async (who: string) => {
      for await (const event of clientOf(who).events({ after: from, signal: ending.signal })) seen.push(event);
    };
    const done = follow("bob").catch(() => undefined);
    try {
      await until(() => seen.length >= 2, { what: "bob to hear of it" });
    } finally {
      ending.abort();
      await done;
    }
    assert.deepEqual(
      seen.map(({ about, kind, requestId }) => [about, kind, requestId]),
      [
        ["message", "request.needs-approval", id],
        ["request", "request.submitted", id],
      ],
    );
    assert.doesNotMatch(JSON.stringify(seen), /private/);
    const message = await clientOf("bob").getMessage(seen[0]?.messageId ?? "");
    assert.match(message.text, /a private matter/);
  });
});
