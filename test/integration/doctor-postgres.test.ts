/** What `diagnose` of the PostgreSQL connector finds: on the oldest and the newest server, as superuser and as CREATEROLE, with each right taken away in turn. */
import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Finding } from "../../src/base/finding.ts";
import { postgres } from "../../src/connectors/postgres/postgres.ts";
import type { PostgresScope } from "../../src/connectors/postgres/scope.ts";
import { type PostgresVersion, startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { type Place, placeOn, sql, urlWith } from "./connector-postgres-support.ts";

const scopeOf = (place: Place): PostgresScope => ({
  database: place.database,
  grants: [
    { schema: "public", tables: ["orders"], privileges: ["SELECT", "UPDATE"] },
    { schema: "public", tables: ["customers"], columns: ["id", "name"], privileges: ["SELECT"] },
    { schema: "public", sequences: ["tickets"], privileges: ["USAGE"] },
  ],
});

async function look(place: Place, scope = scopeOf(place), url = place.adminUrl): Promise<readonly Finding[]> {
  const findings = await postgres.diagnose?.(
    postgres.connection.parse({ url }),
    [{ entitlement: "orders-db:read", scope }],
    {
      signal: AbortSignal.timeout(30_000),
      actor: { installation: place.installation, grant: null, fence: 0 },
    },
  );
  return findings ?? assert.fail("the connector cannot diagnose");
}

const about = (findings: readonly Finding[], check: RegExp | string): Finding =>
  findings.find((one) => (typeof check === "string" ? one.check === check : check.test(one.check))) ??
  assert.fail(`nothing about ${String(check)}: ${JSON.stringify(findings, null, 1)}`);

const wrongs = (findings: readonly Finding[]): string[] =>
  findings.filter(({ ok }) => ok === false).map(({ check, saw }) => `${check}: ${saw}`);

const loginOf = (place: Place): string => new URL(place.adminUrl).username;

/** Runs what a finding says, as the superuser, in the database that it names; lines of prose are left out. */
async function heal(place: Place, { fix }: Finding): Promise<void> {
  const statements = (fix ?? "").split("\n").filter((line) => /^(GRANT|REVOKE|ALTER) .*;$/.test(line));
  assert.notEqual(statements.length, 0, fix ?? "no fix");
  const database = /in database (\w+):/i.exec(fix ?? "")?.[1] ?? place.database;
  await sql(urlWith(place.superuserUrl, { database }), ...statements);
}

const GIVES = "can give orders-db:read";

for (const version of [14, 18] as PostgresVersion[])
  describe(`doctor on PostgreSQL ${version}`, { concurrency: 1 }, () => {
    let server: TestPostgres;
    before(async () => {
      server = await startTestPostgres(version, { fsync: "off" });
    });
    after(() => server.stop());

    const asSuperuser = (statement: string) => sql(server.superuserUrl, statement);

    test("with a superuser nothing is wrong", async () => {
      const findings = await look(await placeOn(server.superuserUrl, version, "superuser"));
      assert.deepEqual(wrongs(findings), []);
      assert.equal(about(findings, "version").saw, `PostgreSQL ${version}, which is supported`);
      assert.equal(about(findings, "may make roles").ok, true);
      assert.match(about(findings, GIVES).saw, /^all \d+ rights in orders_\w+ are there/);
      assert.equal(about(findings, /pg_hba/).ok, true);
      assert.equal(about(findings, /verifiers/).ok, true);
      assert.equal(about(findings, "free connections").ok, true);
    });

    test("each right that a CREATEROLE admin lacks is told with the statement that gives it, and the statement heals it", async () => {
      const place = await placeOn(server.superuserUrl, version, "createrole");
      const login = loginOf(place);
      const inOrders = (statement: string) =>
        sql(urlWith(server.superuserUrl, { database: place.database }), statement);

      const signal = about(await look(place), "may end sessions of others");
      assert.equal(signal.ok, false);
      assert.equal(signal.fix, `GRANT pg_signal_backend TO "${login}";`);
      await heal(place, signal);
      assert.deepEqual(wrongs(await look(place)), []);

      await asSuperuser(`alter role ${login} nocreaterole`);
      const createrole = about(await look(place), "may make roles");
      assert.equal(createrole.fix, `ALTER ROLE "${login}" CREATEROLE;`);
      await heal(place, createrole);

      await asSuperuser("revoke execute on function pg_control_system() from public");
      const identity = about(await look(place), "may tell which server this is");
      assert.equal(identity.ok, false);
      await asSuperuser("grant execute on function pg_control_system() to public");

      for (const [taken, given] of [
        [`revoke grant option for update on orders from ${login}`, 'GRANT UPDATE ON TABLE "public"."orders"'],
        [
          `revoke select on customers from ${login}`,
          'GRANT SELECT ("id"), SELECT ("name") ON TABLE "public"."customers"',
        ],
        [
          `revoke grant option for usage on sequence tickets from ${login}`,
          'GRANT USAGE ON SEQUENCE "public"."tickets"',
        ],
      ] as const) {
        await inOrders(taken);
        const missing = about(await look(place), GIVES);
        assert.equal(missing.ok, false, taken);
        assert.match(missing.fix ?? "", new RegExp(`${escaped(given)} TO "${login}" WITH GRANT OPTION;`));
        await heal(place, missing);
        assert.deepEqual(wrongs(await look(place)), [], taken);
      }
      // What everybody has need not be passed on.
      await inOrders(`revoke grant option for usage on schema public from ${login}`);
      assert.equal(about(await look(place), GIVES).ok, true);
    });

    test("an object that is not there, and a login that is refused, are told as such", async () => {
      const place = await placeOn(server.superuserUrl, version, "superuser");
      const gone = about(
        await look(place, {
          database: place.database,
          grants: [{ schema: "public", tables: ["ordres"], privileges: ["SELECT"] }],
        }),
        GIVES,
      );
      assert.equal(gone.ok, false);
      assert.match(gone.saw, /table public\.ordres/);
      const refused = await look(place, undefined, urlWith(place.adminUrl, { password: "wr0ng-secret" }));
      assert.deepEqual(
        refused.map(({ check, ok }) => [check, ok]),
        [["admin signs in", false]],
      );
      assert.ok(!JSON.stringify(refused).includes("wr0ng-secret"));
    });

    test("an adopted role must be fit to be given for a time, and the admin must be allowed to hand it out", async () => {
      const place = await placeOn(server.superuserUrl, version, "createrole");
      await sql(
        urlWith(server.superuserUrl, { database: place.database }),
        `create role readers_${place.database}`,
        `grant select on orders to readers_${place.database}`,
      );
      const scope = { database: place.database, role: `readers_${place.database}` };
      const may = about(await look(place, scope), GIVES);
      if (version >= 16) {
        assert.match(may.fix ?? "", /GRANT "readers_\w+" TO "broker_\w+" WITH ADMIN OPTION;/);
        await heal(place, may);
      }
      assert.equal(about(await look(place, scope), GIVES).ok, true);
      await asSuperuser(`alter role readers_${place.database} createdb`);
      const unfit = about(await look(place, scope), GIVES);
      assert.equal(unfit.ok, false);
      assert.match(unfit.saw, /may create databases/);
    });

    test("each endpoint is tried: one that does not answer is wrong, another way in to the same server is well", async () => {
      const place = await placeOn(server.superuserUrl, version, "superuser");
      const endpoints = [place.adminUrl.replace("127.0.0.1", "localhost"), "postgres://127.0.0.1:1/postgres"];
      const connection = postgres.connection.parse({ url: place.adminUrl, endpoints });
      const findings = await postgres.diagnose?.(connection, [], {
        signal: AbortSignal.timeout(30_000),
        actor: { installation: place.installation, grant: null, fence: 0 },
      });
      assert.ok(findings);
      assert.equal(about(findings, /^endpoint localhost/).saw, "another way in to the main server");
      assert.equal(about(findings, "endpoint 127.0.0.1:1").ok, false);
    });

    test("what PUBLIC allows is told with the REVOKE to run, and Tidegate runs none", async () => {
      const place = await placeOn(server.superuserUrl, version, "superuser");
      const before = await look(place);
      const temporary = about(before, "PUBLIC may not make temporary tables");
      assert.equal(temporary.fix, `REVOKE TEMPORARY ON DATABASE "${place.database}" FROM PUBLIC;`);
      assert.match(
        about(before, "PUBLIC may connect only where grants lead").fix ?? "",
        new RegExp(`REVOKE CONNECT ON DATABASE "${place.archive}" FROM PUBLIC;`),
      );
      const objects = about(before, /large objects/);
      assert.equal(objects.ok, "warning");
      assert.equal(about(await look(place), "PUBLIC may not make temporary tables").ok, "warning");
      await heal(place, temporary);
      await heal(place, objects);
      const after = await look(place);
      assert.equal(about(after, "PUBLIC may not make temporary tables").ok, true);
      assert.equal(about(after, /large objects/).ok, true);

      await sql(urlWith(place.superuserUrl, { database: place.database }), "grant create on schema public to public");
      const create = about(await look(place), /^PUBLIC may not create/);
      assert.equal(create.ok, version < 16 ? false : "warning");
      assert.match(create.fix ?? "", /REVOKE CREATE ON SCHEMA public FROM PUBLIC;/);
    });

    test("lines of pg_hba.conf that ask for no password are told, unless an earlier line decides", async () => {
      const place = await placeOn(server.superuserUrl, version, "superuser");
      const [row] = await sql(server.superuserUrl, "show hba_file");
      const file = String(row?.["hba_file"]);
      const kept = readFileSync(file, "utf8");
      const hba = (await look(place)).filter(({ check }) => check.startsWith("pg_hba"));
      assert.deepEqual(
        hba.map(({ ok }) => ok),
        [true],
      );
      try {
        // The file is looked at as it stands; the server goes on with what it has loaded.
        appendFileSync(
          file,
          "host all all 10.0.0.0/8 trust\nhost other all 10.1.0.0/16 trust\nhost all all 10.0.0.0/8 cert\nhost all all 0.0.0.0/0 reject\nhostssl all all 10.2.0.0/16 trust\n",
        );
        const told = (await look(place)).filter(({ check, ok }) => check.startsWith("pg_hba") && ok !== true);
        assert.equal(told.length, 1, JSON.stringify(told));
        assert.equal(told[0]?.ok, false);
        assert.match(told[0]?.saw ?? "", /host all all 10\.0\.0\.0 255\.0\.0\.0 trust lets anybody in/);
      } finally {
        writeFileSync(file, kept);
      }
      const plain = await placeOn(server.superuserUrl, version, "createrole");
      const blind = about(await look(plain), /pg_hba/);
      assert.equal(blind.ok, "unknown");
      await heal(plain, blind);
      assert.equal(about(await look(plain), /pg_hba/).ok, true);
    });

    test("settings that write verifiers into the server's log are told to an admin who may not switch them off", async () => {
      const place = await placeOn(server.superuserUrl, version, "createrole");
      const verifiers = about(await look(place), /verifiers/);
      assert.equal(verifiers.ok, "warning");
      assert.match(verifiers.saw, /log_min_error_statement = error/);
      if (version < 15) return;
      await heal(place, verifiers);
      assert.equal(about(await look(place), /verifiers/).ok, true);
    });
  });

const escaped = (text: string): string => text.replaceAll(/[.()]/g, "\\$&");
