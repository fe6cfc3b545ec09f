/** S17 as people type it: break-glass from the command line, on the demo with its own production. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RequestView } from "../../src/contract/access.ts";
import { RunningDemo } from "../support/demo.ts";

let demo: RunningDemo;
before(async () => {
  demo = await RunningDemo.start();
});
after(() => demo.stop());

const GLASS = ["orders-db:fix", "--emergency", "--for", "30m", "--ticket", "INC-42"];
const REASON = ["--reason", "checkout is down"];

const listed = async (person: string, ...more: string[]): Promise<RequestView[]> => {
  const { stdout } = await demo.run(person, ["emergencies", ...more, "--json"]);
  return (JSON.parse(stdout) as { emergencies: RequestView[] }).emergencies;
};

test("S17 one command leads to production, and says loudly who knows and who looks at it", async () => {
  const opened = await demo.run("erin", ["psql", ...GLASS, ...REASON, "--print"]);
  assert.equal(opened.code, 0, opened.stderr);
  assert.match(opened.stderr, /EMERGENCY ACCESS, without approval, by rule break-glass/);
  assert.match(opened.stderr, /Told just now: bob, carol, frank/);
  assert.match(opened.stderr, /Reviewed afterwards: by carol, until /);
  assert.match(opened.stdout, /postgres/);
});

test("S17 with --json stdout holds the answer alone, and the words go to stderr", async () => {
  const asked = await demo.run("erin", ["request", ...GLASS, ...REASON, "--json"]);
  assert.equal(asked.code, 0, asked.stderr);
  const request = JSON.parse(asked.stdout) as RequestView;
  assert.equal(request.emergencyReview?.state, "open");
  assert.match(asked.stderr, /EMERGENCY ACCESS/);
});

test("S17 without a reason nothing is asked, and without a rule it is denied with the exit code of a denial", async () => {
  const silent = await demo.run("erin", ["request", ...GLASS, "--reason", " "]);
  assert.equal(silent.code, 2, silent.stderr);
  assert.match(silent.stderr, /Missing: --reason/);
  assert.equal((await demo.run("alice", ["request", ...GLASS, ...REASON])).code, 3);
});

test("S17 who reviews it sees it in their situation and in the list, and says once what they found", async () => {
  const [first] = await listed("carol", "--to-review");
  assert.ok(first);
  const situation = await demo.run("carol", ["status"]);
  assert.match(situation.stdout, /Emergencies that nobody has reviewed yet/);
  assert.ok(situation.stdout.includes(first.id));
  assert.deepEqual(await listed("erin", "--to-review"), [], "nobody reviews their own");
  const review = (who: string, ...more: string[]) => demo.run(who, ["emergencies", "review", first.id, ...more]);
  assert.equal((await review("erin", "--verdict", "justified")).code, 3);
  assert.equal((await review("bob", "--verdict", "justified")).code, 3);
  assert.equal((await review("carol", "--verdict", "fine")).code, 2);
  const bare = await review("carol", "--verdict", "unjustified");
  assert.match(bare.stderr, /Say in a comment why/);
  const done = await review("carol", "--verdict", "unjustified", "--comment", "nothing was down");
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /carol found it unjustified: “nothing was down”/);
  const again = await review("carol", "--verdict", "justified");
  assert.equal(again.code, 1);
  assert.match(again.stderr, /was reviewed already/);
  assert.deepEqual(
    (await listed("carol", "list", "--verdict", "unjustified")).map(({ id }) => id),
    [first.id],
  );
  const shown = await demo.run("erin", ["requests", "show", first.id]);
  assert.match(shown.stdout, /asks in an emergency for orders-db:fix for 30m/);
  assert.match(shown.stdout, /found it unjustified/);
});

test("S17 who was passed over sees it and may end it", async () => {
  const [open] = await listed("bob", "--state", "open");
  assert.ok(open?.grantId);
  const ended = await demo.run("bob", ["revoke", open.grantId, "--reason", "not an emergency"]);
  assert.equal(ended.code, 0, ended.stderr);
});
