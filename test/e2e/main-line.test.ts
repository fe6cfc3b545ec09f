/** The whole, as people use it: a real server process, a real store, a real production database, the real command line. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pg from "pg";
import type { GrantView } from "../../src/contract/access.ts";
import { RunningDemo } from "../support/demo.ts";
import { skipWithout } from "../support/tools.ts";
import { until } from "../support/until.ts";

let demo: RunningDemo;
before(async () => {
  demo = await RunningDemo.start();
});
after(() => demo.stop());

const INCIDENT = { entitlement: "orders-db:read", reason: "checkouts fail", ticket: "INC-42" };

/** Erin is on call: policy grants at once. */
async function granted(duration: string): Promise<GrantView> {
  const erin = demo.client("erin");
  const request = await erin.submitRequest({ ...INCIDENT, duration });
  assert.equal(request.state, "approved");
  return until(
    async () => {
      const grant = await erin.getGrant(request.grantId ?? "");
      return grant.state === "active" ? grant : null;
    },
    { what: "the grant to be active" },
  );
}

async function credentialOf(person: string, grant: string) {
  const taken = await demo.client(person).credential(grant, {});
  assert.ok(taken.delivered && taken.credential.kind === "password");
  return taken.credential;
}

async function signIn(credential: {
  host: string;
  port: number;
  database: string;
  username: string;
  password: string;
}): Promise<pg.Client> {
  const { host, port, database, username: user, password } = credential;
  const client = new pg.Client({ host, port, database, user, password, connectionTimeoutMillis: 30_000 });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

const revoked = (grant: string): Promise<GrantView> =>
  until(
    async () => {
      const now = await demo.client("erin").getGrant(grant);
      return now.state === "revoked" ? now : null;
    },
    { what: "the grant to be revoked" },
  );

const roles = () => demo.production<{ rolname: string }>("select rolname from pg_roles where rolname like 'tg\\_%'");

test("S01, row 8: the server is killed across the end of a grant: after its start access is gone, with a receipt", async () => {
  const grant = await granted("20s");
  const credential = await credentialOf("erin", grant.id);
  const session = await signIn(credential);
  await demo.kill();
  await until(
    async () => {
      const [row] = await demo.production<{ over: boolean }>("select clock_timestamp() > $1::timestamptz as over", [
        grant.expiresAt,
      ]);
      return row?.over;
    },
    { what: "the end to pass while nobody is there" },
  );
  assert.equal(
    (await session.query("select 1")).rowCount,
    1,
    "the session lives on while the server is dead: that is what must be mended",
  );
  await demo.boot();
  const ended = await revoked(grant.id);
  assert.equal(ended.receipt?.evidence.kind, "gone");
  assert.ok((ended.receipt?.auditSeq ?? 0) > 0);
  await assert.rejects(session.query("select 1"));
  await assert.rejects(signIn(credential), /password authentication failed|does not exist|not permitted/);
  assert.deepEqual(await roles(), []);
});

test("S04 a live psql session is cut when the grant ends, and the password opens nothing any more", {
  skip: skipWithout("psql"),
}, async () => {
  const { done } = demo.spawn("erin", [
    "psql",
    "orders-db:read",
    "--for",
    "20s",
    "--ticket",
    "INC-42",
    "--reason",
    "checkouts fail",
    "--",
    "-X",
    "-At",
    "-c",
    "select 'signed in'",
    "-c",
    "select pg_sleep(60)",
  ]);
  const { code, stdout, stderr } = await done;
  assert.match(stdout, /signed in/);
  assert.match(stderr, /terminating connection|server closed the connection/);
  assert.notEqual(code, 0);
  await until(async () => (await roles()).length === 0, { what: "production to be clean" });
});

test("S07, row 33: two overlapping grants to one entitlement: ending the first cuts only its own session", async () => {
  const [first, second] = [await granted("5m"), await granted("5m")];
  const [one, two] = [
    await signIn(await credentialOf("erin", first.id)),
    await signIn(await credentialOf("erin", second.id)),
  ];
  await demo.client("erin").revokeGrant(first.id, { reason: "done" });
  await revoked(first.id);
  await assert.rejects(one.query("select 1"));
  assert.equal((await two.query("select count(*) from orders")).rowCount, 1);
  await two.end();
  await demo.client("erin").revokeGrant(second.id, {});
  await revoked(second.id);
});

test("S08 an extended grant goes on without a gap: the live session is kept", async () => {
  const grant = await granted("20s");
  const session = await signIn(await credentialOf("erin", grant.id));
  const extended = await demo.client("erin").extendGrant(grant.id, { duration: "5m", reason: "not done yet" });
  assert.ok(extended.extended);
  await until(
    async () => {
      const [row] = await demo.production<{ over: boolean }>("select clock_timestamp() > $1::timestamptz as over", [
        grant.expiresAt,
      ]);
      return row?.over;
    },
    { what: "the first end to pass" },
  );
  assert.equal((await session.query("select 1")).rowCount, 1);
  await session.end();
  await demo.client("erin").revokeGrant(grant.id, {});
  await revoked(grant.id);
});

test("a rotated credential is a new one, and the old one is dead", async () => {
  const grant = await granted("5m");
  const old = await credentialOf("erin", grant.id);
  await demo.client("erin").credential(grant.id, { rotate: true });
  const fresh = await until(
    async () => {
      const taken = await demo
        .client("erin")
        .credential(grant.id, {})
        .catch(() => null);
      return taken?.delivered && taken.credential.kind === "password" ? taken.credential : null;
    },
    { what: "the new credential" },
  );
  await assert.rejects(signIn(old), /password authentication failed/);
  await (await signIn(fresh)).end();
  await demo.client("erin").revokeGrant(grant.id, {});
  await revoked(grant.id);
});

test("S24 no secret is in the store, in the server's log, in its output or in any answer but the one that delivers it", async () => {
  const grant = await granted("5m");
  const { password } = await credentialOf("erin", grant.id);
  await demo.client("erin").revokeGrant(grant.id, {});
  await revoked(grant.id);
  const admin = decodeURIComponent(new URL(demo.state.productionAdminUrl).password);
  const secrets = [password, admin, ...Object.values(demo.tokens)];
  const tables = await demo.store<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public'",
  );
  assert.ok(tables.length > 10);
  const places: Record<string, string> = {
    log: await readFile(join(demo.dir, "tidegate.log"), "utf8"),
    output: demo.output,
  };
  for (const { name } of tables) places[name] = JSON.stringify(await demo.store(`select t::text from ${name} as t`));
  const carol = demo.client("carol");
  places["grants"] = JSON.stringify(await carol.listGrants({}));
  places["audit"] = JSON.stringify(await carol.listAudit({ limit: 500 }));
  for (const [place, text] of Object.entries(places))
    for (const secret of secrets) assert.ok(!text.includes(secret), `a secret is in ${place}`);
});

test("Ctrl-C while waiting for approval takes the request back and leaves nothing", async () => {
  const { child, done, seen } = demo.spawn("alice", [
    "psql",
    "orders-db:read",
    "--for",
    "5m",
    "--reason",
    "checking slow checkouts",
  ]);
  const request = await until(async () => (await demo.client("alice").listRequests({ state: "pending" })).requests[0], {
    what: "the request",
  });
  await until(() => seen().length > 0, { what: "the waiting line" });
  child.kill("SIGINT");
  const { code } = await done;
  assert.equal(code, 130);
  assert.equal((await demo.client("alice").getRequest(request.id)).state, "cancelled");
  assert.deepEqual(await roles(), []);
});

test("an entitlement that names a missing table fails with the reason, and nothing is left on production", async () => {
  await demo.production("alter table payment_cards rename to cards");
  await demo.production("alter table orders rename to orders_away");
  try {
    const erin = demo.client("erin");
    const request = await erin.submitRequest({ ...INCIDENT, duration: "5m" });
    const grant = await until(
      async () => {
        const now = await erin.getGrant(request.grantId ?? "");
        return now.state === "failed" || now.state === "cancelled" ? now : null;
      },
      { what: "the grant to fail" },
    );
    assert.match(JSON.stringify(grant), /orders/);
    assert.deepEqual(await roles(), []);
  } finally {
    await demo.production("alter table orders_away rename to orders");
    await demo.production("alter table cards rename to payment_cards");
  }
});
