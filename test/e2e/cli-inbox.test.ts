/** What somebody was told, at the command line. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { MESSAGE_EXAMPLES } from "../../src/contract/message-examples.ts";
import type { MessageView } from "../../src/contract/messages.ts";
import { cli, onlyJson, type StubServer, startStub } from "./cli-harness.ts";

const message = MESSAGE_EXAMPLES.get.answers[0]?.body as MessageView;
let stub: StubServer;
before(async () => {
  stub = await startStub({
    "GET /v1/messages": ({ query }) => ({
      body: {
        messages: query.get("person") === "me" ? [{ ...message, deliveries: null }] : [message],
        next: "7",
      },
    }),
  });
});
after(() => stub.close());
beforeEach(() => {
  stub.calls.length = 0;
});

const run = (...args: string[]) => cli(["inbox", ...args], { TIDEGATE_URL: stub.url, TZ: "UTC" });

test("it is one's own, with what to type next, and says how to go on", async () => {
  const { code, stdout, stderr } = await run("--order", "oldest", "--limit", "1");
  assert.equal(code, 0, stderr);
  assert.deepEqual(Object.fromEntries(stub.calls[0]?.query ?? []), { person: "me", order: "oldest", limit: "1" });
  const [first = "", next] = stdout.split("\n");
  assert.ok(first.endsWith(message.text), first);
  assert.equal(next, `  ${message.next}`);
  assert.match(stderr, /--cursor 7/);
});

test("those who see everything see how each went out", async () => {
  const { stdout } = await run("--everybody");
  assert.equal(stub.calls[0]?.query.get("person"), null);
  assert.match(stdout, /to bob; ops: delivered/);
});

test("for programs it is the answer of the server, and nothing else", async () => {
  const { messages } = onlyJson(await run("--json", "--everybody"));
  assert.deepEqual(messages, [message]);
});
