/** Asking for several entitlements as one, from the command line, on a real server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RunningDemo } from "../support/demo.ts";

let demo: RunningDemo;
before(async () => {
  demo = await RunningDemo.start();
});
after(() => demo.stop());

const WHY = ["--for", "1h", "--reason", "INC-42 slow checkouts", "--ticket", "INC-42"];
const BUNDLE = /bn_[0-9a-z]{16}/;

test("a bundle is asked for by its name: a line for each part, and 4 while anything waits", async () => {
  const asked = await demo.run("erin", ["request", "incident-kit", ...WHY]);
  assert.equal(asked.code, 4, asked.stderr);
  assert.match(
    asked.stdout,
    /Bundle incident-kit \(Look into orders and mend them\) of erin, bn_\w+: some of it waits/,
  );
  assert.match(asked.stdout, /orders-db:read for 1h +(being made|active|scheduled) +gr_/);
  assert.match(asked.stdout, /orders-db:fix for 1h +pending +rq_\w+ +waiting for approval by/);
  const [id = ""] = BUNDLE.exec(asked.stdout) ?? [];
  const seen = await demo.run("bob", ["requests", "show", id]);
  assert.match(seen.stdout, new RegExp(`tidegate approve ${id}`));
  const approved = await demo.run("bob", ["approve", id, "--for", "30m", "--comment", "go"]);
  assert.equal(approved.code, 0, approved.stderr);
  assert.match(approved.stdout, /Approved: orders-db:fix\./);
  // Security has not agreed yet: what waits can be taken back, what was granted stays.
  const taken = await demo.run("erin", ["cancel", id]);
  assert.equal(taken.code, 0, taken.stderr);
  assert.match(taken.stdout, /Cancelled: orders-db:fix\.\n.*some of it is granted, some is not/);
});

test("several entitlements are asked for at once; --wait waits for all, and a part that is denied ends it with 3", async () => {
  const names = ["orders-db:read", "orders-db:fix"];
  const waiting = demo.run("alice", ["request", ...names, ...WHY, "--wait", "--json"]);
  const find = async () => {
    const { stdout } = await demo.run("bob", ["requests", "--to-review", "--person", "alice", "--json"]);
    return (JSON.parse(stdout) as { requests: { id: string; entitlement: string; bundle: { id: string } | null }[] })
      .requests;
  };
  let parts = await find();
  while (parts.length < 2) parts = await find();
  assert.equal(new Set(parts.map(({ bundle }) => bundle?.id)).size, 1);
  const fix = parts.find(({ entitlement }) => entitlement === "orders-db:fix");
  const read = parts.find(({ entitlement }) => entitlement === "orders-db:read");
  assert.equal((await demo.run("bob", ["approve", read?.id ?? ""])).code, 0);
  assert.equal((await demo.run("bob", ["deny", fix?.id ?? "", "--comment", "not today"])).code, 0);
  const { code, stdout, stderr } = await waiting;
  assert.equal(code, 3, stderr);
  const bundle = JSON.parse(stdout) as { state: string; requests: { state: string }[]; grants: { state: string }[] };
  assert.equal(bundle.state, "partly-approved");
  assert.deepEqual(bundle.requests.map(({ state }) => state).sort(), ["approved", "denied"]);
  assert.deepEqual(
    bundle.grants.map(({ state }) => state),
    ["active"],
  );
});

test("a bundle that nobody configured, and a resource in place of one, are told as what they are", async () => {
  const misspelt = await demo.run("alice", ["request", "incidentkit", ...WHY]);
  assert.equal(misspelt.code, 1);
  assert.match(misspelt.stderr, /There is no bundle "incidentkit"\. Did you mean incident-kit\?/);
  const resource = await demo.run("alice", ["request", "orders-db", ...WHY]);
  assert.match(resource.stderr, /orders-db is a resource: name what you need on it, such as orders-db:read/);
  const listed = await demo.run("alice", ["resources"]);
  assert.match(listed.stdout, /incident-kit {2}Look into orders and mend them: orders-db:read, orders-db:fix/);
});
