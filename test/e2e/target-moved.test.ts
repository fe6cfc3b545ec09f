/** A target that was moved: what is absent on another server proves nothing, until somebody who knows says so. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { ask, Served } from "../support/served.ts";
import { until } from "../support/until.ts";

let served: Served;
let other: TestPostgres;
beforeEach(async () => {
  served = await Served.prepare();
  other = await startTestPostgres(18, { fsync: "off" });
});
afterEach(async () => {
  await served.stop();
  await other.stop();
});

/** The server's admin goes to the other server from now on, and the first is gone. */
async function move(): Promise<void> {
  await ask(other.superuserUrl, "create database orders");
  const url = new URL(other.superuserUrl);
  url.pathname = "/orders";
  await ask(
    url.href,
    "create table orders (id int, customer_id int); create table customers (id int, name text, email text)",
  );
  writeFileSync(join(served.dir, "production-admin.url"), url.href);
  await served.target.stop();
}

const accept = (...more: string[]) =>
  served.local("target", "accept", "orders-db", "--config", join(served.dir, "tidegate.yaml"), ...more);

test("row 22: after a move nothing is gone by being absent elsewhere; once the move is accepted, with a reason, it is", async () => {
  await served.boot();
  const grant = await served.granted("1h");
  const nothing = await accept();
  assert.equal(nothing.code, 0, nothing.stderr);
  assert.match(nothing.stdout, /^orders-db answers as postgres:\d+, at \d+\.\nNothing is to be accepted\.$/m);

  await move();
  await served.client("erin").revokeGrant(grant, {});
  const lost = await until(
    async () => {
      const now = await served.client("erin").getGrant(grant);
      return now.trouble?.lastError.code === "moved" ? now : null;
    },
    { what: "the move to be seen", timeoutMs: 60_000 },
  );
  assert.equal(lost.state, "revoking");
  assert.match(lost.trouble?.lastError.message ?? "", /another server now \(postgres:\d+\).*tidegate target accept/);

  const looked = await accept();
  assert.equal(looked.code, 1);
  assert.match(looked.stderr, new RegExp(`answers as postgres:\\d+.*${grant}  revoking +postgres:\\d+, at \\d+`, "s"));
  assert.equal((await accept("--reason", "short")).code, 1);
  assert.equal((await served.client("erin").getGrant(grant)).state, "revoking", "to look changes nothing");

  const done = await accept("--reason", "dumped and restored on the new machine");
  assert.equal(done.code, 0, done.stderr);
  const ended = await served.grantIs(grant, "revoked");
  assert.equal(ended.receipt?.evidence.kind, "gone");
  const { entries } = await served.client("carol").listAudit({ limit: 1000 });
  const accepted = entries.find(({ kind }) => kind === "target.accepted");
  assert.equal(accepted?.personal?.["reason"], "dumped and restored on the new machine");
  const rebound = entries.find(({ kind, refs }) => kind === "lease.rebound" && refs.grant === grant);
  assert.notDeepEqual(rebound?.data["from"], rebound?.data["to"]);
  assert.match((await accept()).stdout, /Nothing is to be accepted/);
  const again = await served.granted("5m");
  await served.client("erin").revokeGrant(again, {});
  await served.grantIs(again, "revoked");
});
