import assert from "node:assert/strict";
import { test } from "node:test";
import { describe } from "./describe.ts";
import { includes } from "./includes.ts";
import { type PostgresScope, scopeSchema } from "./scope.ts";

const refusal = (scope: unknown): string => {
  const parsed = scopeSchema.safeParse(scope);
  assert.equal(parsed.success, false, JSON.stringify(scope));
  return parsed.error?.issues.map((issue) => issue.message).join("; ") ?? "";
};
const grant = { schema: "public", tables: ["orders"], privileges: ["SELECT"] };
const managed = (...grants: unknown[]) => ({ database: "orders", grants });

test("a scope parses to itself, so that what was hashed and stored stays what it was", () => {
  for (const scope of [
    managed(grant, { schema: "public", tables: ["customers"], columns: ["id", "name"], privileges: ["SELECT"] }),
    managed(
      { schema: "app", tables: ["*"], privileges: ["SELECT", "DELETE"] },
      { schema: "app", sequences: ["*"], privileges: ["USAGE"] },
    ),
    {
      ...managed(grant),
      read_only: true,
      statement_timeout: "30s",
      idle_in_transaction_timeout: "5m",
      connection_limit: 1,
    },
    { database: "orders", role: "orders_reader" },
  ]) {
    const parsed = scopeSchema.parse(scope);
    assert.deepEqual(parsed, scope);
    assert.deepEqual(scopeSchema.parse(parsed), parsed);
  }
});

test("a privilege that would outlive the grant is refused, and why is said", () => {
  for (const privilege of [
    "TRIGGER",
    "REFERENCES",
    "TRUNCATE",
    "CREATE",
    "EXECUTE",
    "MAINTAIN",
    "ALL",
    "ALL PRIVILEGES",
    "create",
  ])
    assert.match(
      refusal(managed({ ...grant, privileges: [privilege] })),
      /is not given \(.+\); possible are SELECT, INSERT, UPDATE, DELETE/,
    );
  assert.match(refusal(managed({ ...grant, privileges: ["select"] })), /write SELECT in capitals/);
  assert.match(
    refusal(managed({ ...grant, columns: ["id"], privileges: ["DELETE"] })),
    /DELETE on columns is not given; possible are SELECT, INSERT, UPDATE$/,
  );
  assert.match(
    refusal(managed({ schema: "public", sequences: ["s"], privileges: ["INSERT"] })),
    /possible are USAGE, SELECT, UPDATE/,
  );
});

test("system schemas, wildcards for schemas and other people's or our own roles are refused", () => {
  for (const schema of ["pg_catalog", "information_schema", "pg_toast", "pg_temp_3"])
    assert.match(refusal(managed({ ...grant, schema })), /system's own schemas/);
  assert.match(refusal(managed({ ...grant, schema: "*" })), /"\*" is no schema/);
  for (const role of ["pg_write_server_files", "tg_abc", "tgg_abc", "tgx_abc", "public", "PG_monitor"])
    assert.match(refusal({ database: "orders", role }), /adopt a role that a DBA made/);
});

test("columns need exactly named tables, and an entry is about tables or sequences", () => {
  assert.match(refusal(managed({ ...grant, tables: ["*"], columns: ["id"] })), /columns need their tables named/);
  assert.match(
    refusal(managed({ schema: "public", columns: ["id"], sequences: ["s"], privileges: ["SELECT"] })),
    /columns need/,
  );
  assert.match(refusal(managed({ ...grant, sequences: ["s"] })), /either tables or sequences/);
  assert.match(refusal(managed({ schema: "public", privileges: ["SELECT"] })), /either tables or sequences/);
  assert.match(refusal(managed({ ...grant, tables: ["*", "orders"] })), /"\*" stands alone/);
});

test("unknown keys, empty lists and names that PostgreSQL would cut are refused in words that help", () => {
  assert.match(
    refusal({ ...managed(grant), superuser: true }),
    /there is no "superuser" here; known are database, grants/,
  );
  assert.match(refusal(managed({ ...grant, table: "x" })), /there is no "table" here; known are schema, tables/);
  assert.match(refusal(managed()), /grants must give something/);
  assert.match(refusal({ database: "orders" }), /either grants .* or role/);
  assert.match(refusal({ ...managed(grant), role: "reader" }), /either grants .* or role/);
  assert.match(refusal(managed({ ...grant, tables: ["x".repeat(64)] })), /63 bytes/);
  assert.match(refusal({ ...managed(grant), statement_timeout: "soon" }), /"30s" or "5m"/);
  assert.match(refusal({ ...managed(grant), connection_limit: 0 }), /at least 1/);
});

test("what the approver reads names objects, columns and what is left open", () => {
  const text = describe(
    scopeSchema.parse(
      managed(grant, { schema: "public", tables: ["customers"], columns: ["id", "name"], privileges: ["SELECT"] }),
    ),
  ).join("\n");
  assert.match(text, /SELECT on the table public\.orders/);
  assert.match(text, /SELECT only on the columns id, name of the table public\.customers/);
  assert.match(text, /at most 5 connections/);
  assert.match(text, /leaves open .*PUBLIC/);
  assert.match(describe({ database: "orders", role: "reader" }).join("\n"), /everything that the role reader may do/);
});

test("a scope includes another only where the texts prove it", () => {
  const scope = (...grants: unknown[]): PostgresScope => scopeSchema.parse(managed(...grants));
  const both = scope({ ...grant, tables: ["orders", "customers"], privileges: ["SELECT", "UPDATE"] });
  const columns = scope({ ...grant, columns: ["id"] });
  assert.equal(includes(both, scope(grant)), true);
  assert.equal(includes(both, columns), true);
  assert.equal(includes(both, both), true);
  assert.equal(includes(scope(grant), both), false);
  assert.equal(includes(columns, scope(grant)), false);
  assert.equal(
    includes(scope({ ...grant, tables: ["*"] }), scope(grant)),
    false,
    "orders may be a view, which * does not give",
  );
  assert.equal(includes(scope({ ...grant, tables: ["*"] }), scope({ ...grant, tables: ["*"] })), true);
  assert.equal(includes(both, { ...scope(grant), database: "other" }), false);
  assert.equal(includes(both, { ...scope(grant), connection_limit: 6 }), false);
  assert.equal(includes({ ...both, statement_timeout: "10s" }, scope(grant)), false);
  assert.equal(includes({ ...both, statement_timeout: "10s" }, { ...scope(grant), statement_timeout: "5s" }), true);
  assert.equal(includes({ ...both, read_only: true }, scope(grant)), false);
  const reader: PostgresScope = { database: "orders", role: "reader" };
  assert.equal(includes(reader, reader), true);
  assert.equal(includes(reader, { database: "orders", role: "writer" }), false);
  assert.equal(includes(reader, scope(grant)), false);
  assert.equal(includes(both, reader), false);
});
