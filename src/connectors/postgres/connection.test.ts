import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { connectionSchema } from "./connection.ts";

const refusal = (connection: unknown): string => {
  const parsed = connectionSchema.safeParse(connection);
  assert.equal(parsed.success, false, JSON.stringify(connection));
  return parsed.error?.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ") ?? "";
};
const adminOf = (connection: unknown) => connectionSchema.parse(connection).admin;

test("a URL says where, who and which database; the password never shows", () => {
  const parsed = connectionSchema.parse({
    url: "postgresql://ad%40min:s%25cret@db.example.com:6432/orders",
    public_host: "db",
    public_port: 5433,
  });
  const { host, port, user, database, password } = parsed.admin;
  assert.deepEqual(
    { host, port, user, database, password: password.reveal() },
    { host: "db.example.com", port: 6432, user: "ad@min", database: "orders", password: "s%cret" },
  );
  assert.deepEqual([parsed.publicHost, parsed.publicPort], ["db", 5433]);
  assert.doesNotMatch(JSON.stringify(parsed) + inspect(parsed, { depth: 9 }), /s%cret|s%25cret/);
});

test("sockets are written as a folder, in the host or as a parameter", () => {
  assert.equal(adminOf({ url: "postgres://admin:x@%2Frun%2Fpg/orders" }).host, "/run/pg");
  const { host, port, database, tls } = adminOf({ url: "postgres://admin:x@/orders?host=/run/pg" });
  assert.deepEqual(
    { host, port, database, tls },
    { host: "/run/pg", port: 5432, database: "orders", tls: { mode: "disable" } },
  );
});

test("TLS is verified unless the server is on this machine or somebody wrote disable; a CA never switches it off", () => {
  const mode = (url: string, tls?: object) => adminOf(tls === undefined ? { url } : { url, tls }).tls.mode;
  const ca = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
  assert.equal(mode("postgres://a:b@db.example.com/x"), "verify-full");
  assert.equal(mode("postgres://a:b@10.0.0.7/x"), "verify-full");
  assert.equal(mode("postgres://a:b@localhost.example.com/x"), "verify-full");
  for (const sslmode of ["require", "verify-ca", "verify-full"])
    assert.equal(mode(`postgres://a:b@127.0.0.1/x?sslmode=${sslmode}`), "verify-full");
  for (const host of ["127.0.0.1", "localhost", "[::1]"]) assert.equal(mode(`postgres://a:b@${host}/x`), "disable");
  assert.equal(mode("postgres://a:b@db.example.com/x?sslmode=disable"), "disable");
  assert.equal(mode("postgres://a:b@db.example.com/x", { mode: "disable" }), "disable");
  assert.equal(mode("postgres://a:b@127.0.0.1/x", { ca }), "verify-full");
  assert.equal(mode("postgres://a:b@db.example.com/x", { ca }), "verify-full");
  for (const sslmode of ["prefer", "allow", "no-verify"])
    assert.match(refusal({ url: `postgres://a:b@db/x?sslmode=${sslmode}` }), /sslmode is require/);
  assert.match(refusal({ url: "postgres://a:b@db/x", tls: { ca: "/etc/ca.pem" } }), /certificate in PEM/);
});

test("other endpoints sign in as the main one does where they do not say otherwise", () => {
  const { others } = connectionSchema.parse({
    url: "postgres://admin:secret@one.example.com/orders",
    endpoints: ["postgres://two.example.com:5433", "postgres://reader:other@three.example.com/y"],
  });
  assert.deepEqual(
    others.map(({ host, port, user, database, password }) => [host, port, user, database, password.reveal()]),
    [
      ["two.example.com", 5433, "admin", "orders", "secret"],
      ["three.example.com", 5432, "reader", "y", "other"],
    ],
  );
});

test("what is wrong with a URL is said without repeating it", () => {
  for (const url of [
    "mysql://a:hush-hush@db/x",
    "hush-hush",
    "postgres://a:hush-hush@db/x?ssl=hush-hush",
    "postgres://a:%hush-hush@db/x",
    "postgres://:hush-hush@db/x",
    "postgres://a:hush-hush@/x",
  ]) {
    const why = refusal({ url });
    assert.match(why, /^url: /);
    assert.doesNotMatch(why, /hush-hush/, why);
  }
  assert.match(refusal({ url: "postgres://a@db/x", endpoints: ["nonsense"] }), /^endpoints\.0: /);
  assert.match(refusal({ url: "postgres://a@db/x", pool: 3 }), /pool/);
});
