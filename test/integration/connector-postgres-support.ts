/** What the tests of the PostgreSQL connector share: a server of every version, the two kinds of admin, and orders. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe } from "node:test";
import pg from "pg";
import { z } from "zod";
import type { JsonObject } from "../../src/base/canonical.ts";
import { hashOf } from "../../src/base/hash.ts";
import { type GrantId, grantId, type InstallationId, newInstallationId } from "../../src/base/ids.ts";
import { Secret } from "../../src/base/secret.ts";
import { type Order, type Target, TargetError } from "../../src/connector/connector.ts";
import { postgres } from "../../src/connectors/postgres/postgres.ts";
import type { PostgresScope } from "../../src/connectors/postgres/scope.ts";
import {
  availablePostgresVersions,
  type PostgresVersion,
  startTestPostgres,
  type TestPostgres,
} from "../support/postgres-server.ts";
import { until } from "../support/until.ts";

export type Place = {
  readonly version: PostgresVersion;
  readonly admin: "superuser" | "createrole";
  readonly installation: InstallationId;
  readonly superuserUrl: string;
  /** What Tidegate is configured with. */
  readonly adminUrl: string;
  /** Database of this place alone: tables orders (id, item, note), customers (id, name, card), sequence tickets; schema workshop. */
  readonly database: string;
  /** A second one. */
  readonly archive: string;
  /** A role that may create in schema workshop of both. */
  readonly makers: string;
};

/** The server writes every statement to a log that can be read through SQL. */
const SETTINGS = {
  fsync: "off",
  max_prepared_transactions: "20",
  log_statement: "all",
  log_min_duration_statement: "0",
  log_transaction_sample_rate: "1",
  logging_collector: "on",
  log_directory: "log",
  log_filename: "all.log",
  log_rotation_size: "0",
  autovacuum: "off",
  // Fifty claims at once, each with a connection to two databases.
  max_connections: "250",
};

const servers = new Map<PostgresVersion, Promise<TestPostgres>>();

/**
 * Defines the tests of that kind of admin for every version: superuser everywhere, CREATEROLE from 16 on, where it is not
 * next to superuser. Versions run side by side; what shares a server runs in turn.
 */
export function onEveryServer(admin: Place["admin"], define: (version: PostgresVersion) => void): void {
  const versions = availablePostgresVersions().filter((version) => admin === "superuser" || version >= 16);
  before(() => assert.notEqual(versions.length, 0, "no version of PostgreSQL is installed"));
  for (const version of versions) servers.set(version, startTestPostgres(version, SETTINGS));
  after(async () => {
    await Promise.all([...servers.values()].map(async (server) => (await server).stop()));
  });
  describe(`PostgreSQL with a ${admin} admin`, { concurrency: true }, () => {
    for (const version of versions) describe(String(version), { concurrency: 1 }, () => define(version));
  });
}

/**
 * Whether what takes long is worth its time here: in the long run everywhere; else on the newest server, as the admin that is
 * recommended there, and on the oldest.
 */
export function isWorthWhile(version: PostgresVersion, admin: Place["admin"]): boolean {
  if (process.env["TIDEGATE_LONG"] !== undefined) return true;
  const versions = availablePostgresVersions();
  if (version === versions.at(-1)) return admin === (version >= 16 ? "createrole" : "superuser");
  return version === versions.at(0);
}

/** A server that is not this one; its superuser's URL. */
export async function anotherUrl(version: PostgresVersion): Promise<string> {
  const [, other] = [...servers].find(([one]) => one !== version) ?? assert.fail("there is one server only");
  return (await other).superuserUrl;
}

export const urlWith = (url: string, change: { user?: string; password?: string; database?: string }): string => {
  const changed = new URL(url);
  if (change.user !== undefined) changed.username = change.user;
  if (change.password !== undefined) changed.password = change.password;
  if (change.database !== undefined) changed.pathname = `/${change.database}`;
  return changed.toString();
};

/** Makes the databases and, for CREATEROLE, an admin with exactly the rights that the documentation asks for. */
export async function makePlace(version: PostgresVersion, admin: Place["admin"]): Promise<Place> {
  const { superuserUrl } = await (servers.get(version) ?? assert.fail(`no server ${version}`));
  return placeOn(superuserUrl, version, admin);
}

export async function placeOn(superuserUrl: string, version: PostgresVersion, admin: Place["admin"]): Promise<Place> {
  const tail = randomBytes(4).toString("hex");
  const [database, archive, login, makers] = [`orders_${tail}`, `archive_${tail}`, `broker_${tail}`, `makers_${tail}`];
  const rights = admin === "createrole";
  await sql(superuserUrl, `create database ${database}`, `create database ${archive}`, `create role ${makers}`);
  if (rights)
    await sql(
      superuserUrl,
      `create role ${login} login createrole password 'pw-${tail}'`,
      `grant connect on database ${database} to ${login} with grant option`,
    );
  for (const name of [database, archive])
    await sql(
      urlWith(superuserUrl, { database: name }),
      "revoke create on schema public from public",
      "create schema workshop",
      `grant usage, create on schema workshop to ${makers}`,
      "create table orders (id int primary key, item text, note text)",
      "insert into orders values (1, 'boat', 'leaks'), (2, 'rope', null)",
      "create table customers (id int primary key, name text, card text)",
      "insert into customers values (1, 'ada', '4111')",
      "create sequence tickets",
      ...(rights
        ? [
            `grant usage on schema public to ${login} with grant option`,
            `grant select, insert, update, delete on orders, customers to ${login} with grant option`,
            `grant usage, select, update on sequence tickets to ${login} with grant option`,
          ]
        : []),
    );
  const adminUrl = rights ? urlWith(superuserUrl, { user: login, password: `pw-${tail}` }) : superuserUrl;
  return { version, admin, installation: newInstallationId(), superuserUrl, adminUrl, database, archive, makers };
}

/** Runs statements one by one on a connection of their own; the rows of the last one. */
export async function sql(url: string, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const client = await signIn(url);
  try {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) ({ rows } = await client.query<Record<string, unknown>>(statement));
    return rows;
  } finally {
    await client.end();
  }
}

/** One value, as the superuser sees it. */
export async function value(place: Place, statement: string, database = place.database): Promise<unknown> {
  const [row] = await sql(urlWith(place.superuserUrl, { database }), statement);
  return row === undefined ? undefined : Object.values(row)[0];
}

let readings = 0;

/** All that the target has logged until now, by whoever it was: a process of its own writes that, some time later. */
export function targetLog(place: Place): Promise<string> {
  readings += 1;
  const mark = `-- reading ${readings}, as the log has it itself`;
  return until(
    async () => {
      const log = String(await value(place, `select pg_read_file(pg_current_logfile()) ${mark}`));
      return log.includes(mark) ? log : null;
    },
    { what: "the target's log to be written" },
  );
}

export async function signIn(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, ssl: false });
  // Ended by the server: the query that waits is told, and the next one.
  client.on("error", () => {});
  await client.connect();
  return client;
}

export const readOrders = (place: Place): PostgresScope => ({
  database: place.database,
  grants: [{ schema: "public", tables: ["orders"], privileges: ["SELECT"] }],
});

export type TestOrder = Order<PostgresScope> & { readonly secret: Secret };

export function newOrder(place: Place, scope: PostgresScope, grant: GrantId = grantId.make()): TestOrder {
  const intent = {
    installation: place.installation,
    grant,
    scope: postgres.scope.parse(scope),
    scopeHash: hashOf(scope),
    principal: { handle: "alice", email: null },
  };
  const details: JsonObject = {};
  return {
    ...intent,
    names: postgres.intend(intent).names,
    details,
    remember: async (more) => void Object.assign(details, more),
    secret: new Secret(randomBytes(18).toString("base64url")),
  };
}

let fence = 0;

/** One claim: opens the target, works, closes. */
export async function claim<T>(
  place: Place,
  order: TestOrder,
  work: (target: Target<PostgresScope>) => Promise<T>,
): Promise<T> {
  const target = await openTarget(place, order.grant, ++fence);
  try {
    return await work(target);
  } finally {
    await target.close();
  }
}

export const openTarget = (
  place: Place,
  grant: GrantId | null,
  fence: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<Target<PostgresScope>> =>
  postgres.open(postgres.connection.parse({ url: place.adminUrl }), {
    signal,
    actor: { installation: place.installation, grant, fence },
  });

export const HOUR_MS = 3_600_000;

export async function provision(place: Place, order: TestOrder): Promise<void> {
  await claim(place, order, async (target) => {
    const { details } = await target.provision(order, { secret: order.secret, remainingMs: HOUR_MS });
    await order.remember(details);
  });
}

export const revoke = (place: Place, order: TestOrder): Promise<void> =>
  claim(place, order, (target) => target.revoke(order, { keep: false }));

export const probe = (place: Place, order: TestOrder) => claim(place, order, (target) => target.probe(order));

export const roleOf = (order: TestOrder): string => z.string().parse(order.names["role"]);
export const groupOf = (order: TestOrder): string => z.string().parse(order.names["group"]);

/** Where the person signs in. */
export const personUrl = (place: Place, order: TestOrder, database = place.database): string =>
  urlWith(place.superuserUrl, { user: roleOf(order), password: order.secret.reveal(), database });

export const isRole = async (place: Place, name: string): Promise<boolean> =>
  (await value(place, `select count(*)::int from pg_roles where rolname = '${name}'`)) === 1;

/** Revoked, and proven: what a closed grant must look like. */
export async function assertGone(place: Place, order: TestOrder): Promise<void> {
  const seen = await probe(place, order);
  assert.deepEqual(
    { own: seen.own, right: seen.right, remains: seen.remains },
    { own: "gone", right: "gone", remains: [] },
    JSON.stringify(seen),
  );
  assert.equal(await isRole(place, roleOf(order)), false);
}

export const isTargetError =
  (code: TargetError["code"], message: RegExp = /./, permanent?: boolean) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof TargetError, `not a TargetError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    if (permanent !== undefined) assert.equal(error.permanent, permanent);
    return true;
  };
