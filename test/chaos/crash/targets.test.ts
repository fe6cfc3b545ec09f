/** Targets that are down, hang, or no longer let us in, and a person who changes their own login; real servers everywhere. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type pg from "pg";
import type { GrantView } from "../../../src/contract/access.ts";
import { startTestPostgres, type TestPostgres } from "../../support/postgres-server.ts";
import { ask, Served, TABLES } from "../../support/served.ts";
import { until } from "../../support/until.ts";
import { leftOnTarget } from "./oracle.ts";
import { signIn } from "./place.ts";
import { cannotStopServers, stopServer } from "./processes.ts";

const GRANTS = 3;
const TIMEOUT_MS = 60_000;

/** The way that the server has to its target: it can be cut, as by a cable. */
class Way {
  readonly #sockets = new Set<Socket>();
  readonly #to: number;
  #server: Server | null = null;
  port = 0;

  constructor(to: number) {
    this.#to = to;
  }

  async up(): Promise<void> {
    const server = createServer((near) => {
      const far = connect(this.#to, "127.0.0.1");
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => this.#sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((listening) => server.listen(this.port, "127.0.0.1", listening));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  down(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

let served: Served;
let second: TestPostgres;
let way: Way;
const urlFile = (): string => join(served.dir, "production-admin.url");
const adminUrl = (password: string): string => `postgres://tgadmin:${password}@127.0.0.1:${way.port}/orders`;

before(async () => {
  served = await Served.prepare();
  second = await startTestPostgres(18, { fsync: "off" });
  await ask(second.superuserUrl, "create database orders");
  const other = new URL(second.superuserUrl);
  other.pathname = "/orders";
  await ask(other.href, TABLES);
  await served.onTarget("create role tgadmin superuser login password 'first-password'");
  way = new Way(served.target.port);
  await way.up();
  writeFileSync(urlFile(), adminUrl("first-password"));
  writeFileSync(join(served.dir, "second-admin.url"), other.href);
  const file = join(served.dir, "tidegate.yaml");
  const text = readFileSync(file, "utf8");
  const block = /\n {2}orders-db:\n[\s\S]*?\n(?=\n\w+:)/.exec(text)?.[0] ?? assert.fail("the resource");
  const twin = block.replace("orders-db:", "second-db:").replace("production-admin.url", "second-admin.url");
  writeFileSync(file, text.replace(block, block + twin.slice(1)));
  await served.boot();
});
after(async () => {
  way.down();
  await served.stop();
  await second.stop();
});

type Used = { id: string; session: pg.Client };

async function inUse(resource: "orders-db" | "second-db"): Promise<Used> {
  const incident = { reason: "checkouts fail", ticket: "INC-42", duration: "1h" };
  const { grantId } = await served.client("erin").submitRequest({ entitlement: `${resource}:read`, ...incident });
  const id = grantId ?? assert.fail("policy grants at once");
  await becomes(id, ({ state }) => state === "active", "active");
  const { port } = resource === "orders-db" ? served.target : second;
  return { id, session: await signIn({ ...(await served.credential(id)), port }) };
}

const becomes = (id: string, holds: (grant: GrantView) => boolean, what: string): Promise<GrantView> =>
  until(
    async () => {
      const grant = await served.client("erin").getGrant(id);
      return holds(grant) ? grant : null;
    },
    { what: `grant ${id}: ${what}`, timeoutMs: TIMEOUT_MS },
  );

const end = (id: string) => served.client("erin").revokeGrant(id, {});
const troubled = (id: string, attempts: number) =>
  becomes(id, ({ trouble }) => (trouble?.attempts ?? 0) >= attempts, `tried ${attempts} times`);

/** It is over, with proof, and the session is cut. */
async function proveGone({ id, session }: Used): Promise<void> {
  const grant = await becomes(id, ({ state }) => state === "revoked", "revoked");
  assert.equal(grant.receipt?.evidence.kind, "gone");
  await assert.rejects(session.query("select 1"));
}

const stillLive = async ({ id, session }: Used): Promise<void> => {
  const grant = await served.client("erin").getGrant(id);
  assert.deepEqual([grant.state, grant.accessGone, grant.receipt], ["revoking", false, null]);
  await session.query("select 1").catch(() => undefined);
};

test("S02, row 18: a target that is down when grants end is tried again and again, loudly; once it is back all of them end without anybody", async () => {
  const used = [];
  for (let i = 0; i < GRANTS; i += 1) used.push(await inUse("orders-db"));
  way.down();
  for (const { id } of used) await end(id);
  for (const one of used) {
    const { trouble } = await troubled(one.id, 3);
    assert.equal(trouble?.lastError.code, "unreachable");
    await stillLive(one);
    assert.equal((await one.session.query("select 1")).rowCount, 1, "nobody claims that it is gone");
  }
  await until(() => served.output.includes("access-still-live"), { what: "the server to say so" });
  await way.up();
  for (const one of used) await proveGone(one);
  assert.deepEqual(await leftOnTarget(served), []);
});

test("15, row 19: a target that hangs keeps only its own grants waiting; it goes on where it was", {
  skip: cannotStopServers,
}, async (t) => {
  const hung = [];
  for (let i = 0; i < GRANTS; i += 1) hung.push(await inUse("orders-db"));
  const goOn = await stopServer(served.target.superuserUrl);
  t.after(goOn);
  for (const { id } of hung) await end(id);
  // Whole lives on the other target, one after another, while this one hangs.
  for (let i = 0; i < GRANTS; i += 1) {
    const used = await inUse("second-db");
    await end(used.id);
    await proveGone(used);
  }
  for (const { id } of hung) {
    const { state, accessGone } = await served.client("erin").getGrant(id);
    assert.deepEqual([state, accessGone], ["revoking", false]);
  }
  const { trouble } = await troubled(hung[0]?.id ?? "", 1);
  assert.equal(trouble?.lastError.code, "unreachable", "it was given up at the deadline");
  goOn();
  for (const used of hung) await proveGone(used);
  assert.deepEqual(await leftOnTarget(served), []);
});

test("row 20: the admin's password was changed on the target: that is said, nothing is called gone, and it goes on once the new one is given", async () => {
  const used = await inUse("orders-db");
  await served.onTarget("alter role tgadmin password 'second-password'");
  await end(used.id);
  const { trouble } = await troubled(used.id, 2);
  assert.equal(trouble?.lastError.code, "cannot-sign-in");
  assert.doesNotMatch(JSON.stringify(trouble), /first-password/);
  await stillLive(used);
  writeFileSync(urlFile(), adminUrl("second-password"));
  await proveGone(used);
});

test("row 44: a person who changes their own password changes nothing about the proof, and has no way back in", async () => {
  const used = await inUse("orders-db");
  const { rows } = await used.session.query<{ me: string }>("select current_user as me");
  const username = rows[0]?.me ?? assert.fail("no user");
  await used.session.query("set default_transaction_read_only = off");
  await used.session.query("alter role current_user password 'mine alone'");
  const mine = { host: "127.0.0.1", port: served.target.port, database: "orders", username, password: "mine alone" };
  const again = await signIn(mine);
  await end(used.id);
  await proveGone(used);
  await assert.rejects(again.query("select 1"));
  await assert.rejects(signIn(mine), /password authentication failed|does not exist|not permitted/);
  assert.deepEqual(await leftOnTarget(served), []);
});
