/**
 * The scope of a PostgreSQL entitlement. Two modes: *managed* (`grants:`; the rights hang on a group role that we make
 * and keep equal to the scope) and *adopted* (`role:`; a group role that a DBA made). What would let access outlive its
 * grant is refused here, when the configuration is read.
 */
import { z } from "zod";
import { parseDuration } from "../../base/duration.ts";
import { IDENTIFIER_BYTES_MAX, isIdentifier } from "./quote.ts";

const GRANTS_MAX = 100;
const OBJECTS_MAX = 1_000;
const CONNECTIONS_MAX = 100;
export const CONNECTIONS_DEFAULT = 5;

const TABLE_PRIVILEGES = ["SELECT", "INSERT", "UPDATE", "DELETE"];
const COLUMN_PRIVILEGES = ["SELECT", "INSERT", "UPDATE"];
const SEQUENCE_PRIVILEGES = ["USAGE", "SELECT", "UPDATE"];

/** Why a privilege that PostgreSQL knows is none of ours. */
const BACK_DOORS: Record<string, string> = {
  TRIGGER: "a trigger runs with the rights of whoever writes to the table, after the grant ended too",
  REFERENCES: "a foreign key stays after the grant and blocks the owner's deletes",
  TRUNCATE: "it empties a table past every row-level rule; grant DELETE",
  CREATE: "what a person creates outlives the grant",
  EXECUTE: "a function runs with its owner's rights, which this scope cannot bound",
  MAINTAIN: "it locks tables and runs code of others",
  TEMPORARY: "databases allow it to PUBLIC already or a DBA has decided otherwise",
  CONNECT: "it is given with the database",
  ALL: "name each privilege, so that the approver can read them",
};

export type PostgresGrant = {
  readonly schema: string;
  readonly tables?: readonly string[] | undefined;
  readonly columns?: readonly string[] | undefined;
  readonly sequences?: readonly string[] | undefined;
  readonly privileges: readonly string[];
};

type Settings = {
  readonly database: string;
  /** Sets `default_transaction_read_only`: a convenience that the person can switch off, never a boundary. */
  readonly read_only?: boolean | undefined;
  readonly statement_timeout?: string | undefined;
  readonly idle_in_transaction_timeout?: string | undefined;
  readonly connection_limit?: number | undefined;
};

export type ManagedScope = Settings & { readonly grants: readonly PostgresGrant[]; readonly role?: undefined };
export type AdoptedScope = Settings & { readonly role: string; readonly grants?: undefined };
export type PostgresScope = ManagedScope | AdoptedScope;

export const isManaged = (scope: PostgresScope): scope is ManagedScope => scope.grants !== undefined;

/** `["*"]`: all that exist when the access is given. */
export const isEverything = (names: readonly string[]): boolean => names.length === 1 && names[0] === "*";

const unknownKeys = (known: string) => (issue: { code?: string | undefined; keys?: unknown }) =>
  issue.code === "unrecognized_keys"
    ? `there is no ${list((issue.keys as string[]).map((key) => `"${key}"`))} here; known are ${known}`
    : undefined;

const list = (words: readonly string[]): string => words.join(", ");

const name = (what: string) =>
  z
    .string({ error: `a ${what} is a text` })
    .refine(isIdentifier, { error: `a ${what} has 1 to ${IDENTIFIER_BYTES_MAX} bytes, PostgreSQL keeps no more` });

const oneName = (what: string) =>
  name(what).refine((text) => text !== "*", {
    error: `"*" is no ${what}: name each one, so that new ones need a review`,
  });

const schemaName = oneName("schema").refine((text) => !/^(pg_|information_schema$)/.test(text), {
  error: "the system's own schemas (pg_catalog, information_schema, pg_toast) are not given away",
});

const names = (what: string) =>
  z
    .array(name(what))
    .min(1, { error: `name at least one ${what}, or leave the key out` })
    .max(OBJECTS_MAX, { error: `at most ${OBJECTS_MAX} names` })
    .refine((all) => isEverything(all) || !all.includes("*"), {
      error: `"*" stands alone: it means every ${what} of the schema`,
    });

const grantShape = z
  .strictObject(
    {
      schema: schemaName.meta({ description: "the schema", examples: ["public"] }),
      tables: names("table")
        .optional()
        .meta({
          description: 'tables by name; ["*"]: all that exist when the access is given',
          examples: [["orders", "customers"]],
        }),
      columns: z
        .array(oneName("column"))
        .min(1, { error: "name at least one column, or leave the key out for whole tables" })
        .max(OBJECTS_MAX)
        .optional()
        .meta({ description: "only these columns of the tables", examples: [["id", "name"]] }),
      sequences: names("sequence").optional().meta({ description: "sequences instead of tables" }),
      privileges: z
        .array(z.string({ error: "a privilege is a word such as SELECT" }))
        .min(1, { error: "name at least one privilege" })
        .max(10)
        .meta({
          description: `on tables ${list(TABLE_PRIVILEGES)}; on columns ${list(COLUMN_PRIVILEGES)}; on sequences ${list(SEQUENCE_PRIVILEGES)}`,
          examples: [["SELECT"]],
        }),
    },
    { error: unknownKeys("schema, tables, columns, sequences, privileges") },
  )
  .superRefine((grant, context) => {
    for (const why of grantProblems(grant)) context.addIssue({ code: "custom", message: why });
  });

function grantProblems(grant: PostgresGrant): string[] {
  if ((grant.tables === undefined) === (grant.sequences === undefined))
    return ["each entry names either tables or sequences; write two entries for both"];
  if (grant.columns !== undefined && (grant.tables === undefined || isEverything(grant.tables)))
    return ['columns need their tables named exactly, not "*"'];
  const [what, allowed] =
    grant.columns !== undefined
      ? ["columns", COLUMN_PRIVILEGES]
      : grant.tables !== undefined
        ? ["tables", TABLE_PRIVILEGES]
        : ["sequences", SEQUENCE_PRIVILEGES];
  return grant.privileges
    .filter((privilege) => !allowed.includes(privilege))
    .map((privilege) => {
      const upper = privilege.toUpperCase();
      if (allowed.includes(upper)) return `write ${upper} in capitals`;
      const why = BACK_DOORS[upper.replace(/^ALL PRIVILEGES$/, "ALL").replace(/^TEMP$/, "TEMPORARY")];
      return `${privilege} on ${what} is not given${why === undefined ? "" : ` (${why})`}; possible are ${list(allowed)}`;
    });
}

const duration = z
  .string({ error: 'a time is a text such as "30s"' })
  .refine((text) => parseDuration(text).ok, { error: 'write a time such as "30s" or "5m"' });

const adoptedRole = name("role").refine((text) => !/^(pg_|tg_|tgg_|tgx_|public$|none$)/i.test(text), {
  error:
    "adopt a role that a DBA made for this purpose; pg_… is PostgreSQL's own, tg… is Tidegate's, public is everybody",
});

const scopeShape = z
  .strictObject(
    {
      database: oneName("database").meta({ description: "the database", examples: ["orders"] }),
      grants: z
        .array(grantShape)
        .min(1, { error: "grants must give something" })
        .max(GRANTS_MAX, { error: `at most ${GRANTS_MAX} entries` })
        .optional()
        .meta({ description: "what it gives, on a role that Tidegate makes and keeps so" }),
      role: adoptedRole
        .optional()
        .meta({ description: "instead of grants: a role that a DBA made", examples: ["orders_reader"] }),
      read_only: z.boolean({ error: "read_only is true or false" }).optional().meta({
        description: "sessions start read-only: a help against mistakes, no boundary",
      }),
      statement_timeout: duration.optional().meta({ description: "with which sessions start", examples: ["30s"] }),
      idle_in_transaction_timeout: duration
        .optional()
        .meta({ description: "with which sessions start", examples: ["5m"] }),
      connection_limit: z
        .int({ error: "connection_limit is a whole number" })
        .min(1, { error: "connection_limit is at least 1" })
        .max(CONNECTIONS_MAX, { error: `connection_limit is at most ${CONNECTIONS_MAX}` })
        .optional()
        .meta({ description: `connections at once (left out: ${CONNECTIONS_DEFAULT})` }),
    },
    {
      error: unknownKeys(
        "database, grants, role, read_only, statement_timeout, idle_in_transaction_timeout, connection_limit",
      ),
    },
  )
  .superRefine((scope, context) => {
    if ((scope.grants === undefined) === (scope.role === undefined))
      context.addIssue({
        code: "custom",
        message: "a scope has either grants (Tidegate makes the role) or role (a role that a DBA made)",
      });
  });

/** Parsing changes nothing: what was hashed and stored parses to itself for ever. */
export const scopeSchema: z.ZodType<PostgresScope> = scopeShape as unknown as z.ZodType<PostgresScope>;
