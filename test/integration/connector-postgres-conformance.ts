/** The PostgreSQL connector under the published conformance suite, on real servers. */
import assert from "node:assert/strict";
import type { InstallationId } from "../../src/base/ids.ts";
import { conformance } from "../../src/connector/conformance/conformance.ts";
import type { Access, Fixture, Visit } from "../../src/connector/conformance/fixture.ts";
import type { Order } from "../../src/connector/connector.ts";
import { serverError } from "../../src/connectors/postgres/errors.ts";
import { postgres } from "../../src/connectors/postgres/postgres.ts";
import type { PostgresVersion } from "../support/postgres-server.ts";
import {
  anotherUrl,
  makePlace,
  type Place,
  readOrders,
  signIn,
  sql,
  targetLog,
  urlWith,
  value,
} from "./connector-postgres-support.ts";

export const conform = (version: PostgresVersion, admin: Place["admin"]): void =>
  conformance(postgres, fixtureOn(version, admin));

const fixtureOn = (version: PostgresVersion, admin: Place["admin"]): Fixture => ({
  without: {},
  start: async () => {
    const place = await makePlace(version, admin);
    const here = urlWith(place.superuserUrl, { database: place.database });
    const orders = readOrders(place);
    return {
      connection: { url: place.adminUrl },
      scope: orders,
      refused: [
        {},
        { ...orders, role: "postgres" },
        { ...orders, grant: [] },
        { database: place.database, grants: [] },
      ],
      secrets: [new URL(place.adminUrl).password],
      missing: {
        database: place.database,
        grants: [{ schema: "public", tables: ["invoices"], privileges: ["SELECT"] }],
      },
      another: { url: await anotherUrl(version) },
      enter,
      marked: async (installation: InstallationId) => {
        const like = `'^tgg?_${installation}_'`;
        return String(
          await value(place, `select string_agg(rolname, ',' order by rolname) from pg_roles where rolname ~ ${like}`),
        )
          .split(",")
          .filter((name) => name !== "null");
      },
      byHand: async ({ principal: { handle } }: Order<unknown>) => {
        await sql(here, `create role "${handle}" login`, `grant select on orders to "${handle}"`);
        return {
          stands: async () =>
            (await value(place, `select has_table_privilege('${handle}', 'orders', 'SELECT')`)) === true,
          undo: async () => void (await sql(here, `drop owned by "${handle}"`, `drop role "${handle}"`)),
        };
      },
      outage: () => stopped(place),
      log: () => targetLog(place),
      stop: async () => {},
    };
  },
});

/** With what was delivered, and nothing else. */
async function enter({ delivery, secret }: Access): Promise<Visit | null> {
  assert.ok(delivery.kind === "password" && secret !== null);
  const url = new URL(delivery.uri);
  url.password = encodeURIComponent(secret.reveal());
  try {
    const person = await signIn(url.toString());
    return {
      works: () =>
        person.query("select * from orders").then(
          ({ rowCount }) => rowCount === 2,
          () => false,
        ),
      leave: () => person.end().catch(() => undefined),
    };
  } catch (error) {
    // 28000, 28P01: the server knows why it refuses. Everything else proves nothing.
    if (serverError(error)?.code?.startsWith("28") === true) return null;
    throw error;
  }
}

/** Every process of the server that Tidegate has to do with stands still, and nobody new gets in. */
async function stopped(place: Place): Promise<() => Promise<void>> {
  const postmaster = await value(place, "select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int");
  const ours = await sql(
    place.superuserUrl,
    "select pid from pg_stat_activity where application_name like 'tidegate:%'",
  );
  const pids = [Number(postmaster), ...ours.map(({ pid }) => Number(pid))];
  assert.ok(pids.length > 1 && pids.every((pid) => pid > 1), String(pids));
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  return async () => {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  };
}
