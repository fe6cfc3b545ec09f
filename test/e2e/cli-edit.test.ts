/** Changing a request that waits, from the command line, on a real server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RunningDemo } from "../support/demo.ts";

let demo: RunningDemo;
before(async () => {
  demo = await RunningDemo.start();
});
after(() => demo.stop());

const WHY = ["--for", "2h", "--reason", "INC-42 slow checkouts", "--ticket", "INC-42", "--json"];

test("a request is changed, and approved by who has read what it became", async () => {
  const made = await demo.run("alice", ["request", "orders-db:read", ...WHY]);
  const { id } = JSON.parse(made.stdout) as { id: string };
  const nothing = await demo.run("alice", ["edit", id]);
  assert.deepEqual([nothing.code, nothing.stdout], [2, ""]);
  assert.match(nothing.stderr, /Say what is to be different/);
  const edited = await demo.run("alice", ["edit", id, "--for", "30m", "--ticket", "", "--start", "now"]);
  assert.equal(edited.code, 0, edited.stderr);
  assert.match(edited.stdout, /^Changed: you ask for orders-db:read \(.+\) for 30m\.\nWaiting for approval/);
  const inbox = await demo.run("bob", ["inbox"]);
  assert.match(
    inbox.stdout,
    /alice changed the request for orders-db:read: duration 30m instead of 2h, ticket none instead of INC-42/,
  );
  const blind = await demo.run("bob", ["approve", id]);
  assert.equal(blind.code, 1);
  assert.match(blind.stderr, /Its requester changed this request at .+\n.*tidegate requests show ID/);
  const shown = await demo.run("bob", ["requests", "show", id]);
  const [, version = ""] = new RegExp(`tidegate approve ${id} --seen (\\w+)`).exec(shown.stdout) ?? [];
  assert.match(shown.stdout, /alice changes the request: duration 30m instead of 2h/);
  assert.equal((await demo.run("alice", ["edit", id, "--for", "4h"])).code, 0);
  const stale = await demo.run("bob", ["approve", id, "--seen", version, "--json"]);
  assert.equal(stale.code, 1);
  const problem = JSON.parse(stale.stdout) as { code: string; version: string };
  assert.equal(problem.code, "request-changed");
  const approved = await demo.run("bob", ["approve", id, "--seen", problem.version]);
  assert.equal(approved.code, 0, approved.stderr);
  const late = await demo.run("alice", ["edit", id, "--for", "5m"]);
  assert.equal(late.code, 1);
  assert.match(late.stderr, /already approved: there is nothing to change/);
});
