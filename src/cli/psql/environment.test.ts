import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { psqlEnvironment, shellExports } from "./environment.ts";

const CREDENTIAL = {
  host: "db.example.test",
  port: 6432,
  database: "orders",
  username: "tg_x",
  password: "p'w $HOME `id`",
  uri: "postgres://tg_x:secret@db.example.test:6432/orders?sslmode=verify-full&sslrootcert=/ca.pem&options=-crole%3Dx",
};

test("psql is told everything by variables that it reads", () => {
  const env = psqlEnvironment({ HOME: "/home/erin", PSQLRC: "/x" }, CREDENTIAL);
  assert.deepEqual(env, {
    HOME: "/home/erin",
    PSQLRC: "/x",
    PGHOST: "db.example.test",
    PGPORT: "6432",
    PGDATABASE: "orders",
    PGUSER: "tg_x",
    PGPASSWORD: CREDENTIAL.password,
    PGAPPNAME: "tidegate",
    PGSSLMODE: "verify-full",
    PGSSLROOTCERT: "/ca.pem",
  });
});

test("what the person has set for other databases cannot send psql elsewhere", () => {
  const own = { PGSERVICE: "other", PGHOSTADDR: "10.0.0.9", PGPASSFILE: "/x", PGHOST: "other", PGSSLMODE: "disable" };
  const env = psqlEnvironment(own, CREDENTIAL);
  assert.equal(env["PGHOST"], "db.example.test");
  assert.equal(env["PGSSLMODE"], "verify-full");
  for (const gone of ["PGSERVICE", "PGHOSTADDR", "PGPASSFILE"]) assert.ok(!(gone in env), gone);
});

test("export lines give a shell the values exactly, whatever they hold", () => {
  const script = `${shellExports({ PGPASSWORD: CREDENTIAL.password }).join("\n")}\nprintf %s "$PGPASSWORD"`;
  assert.equal(execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" }), CREDENTIAL.password);
});
