/**
 * What a managed scope means on a real database, and what a group role really has there.
 *
 * One privilege is one line: class, object, column, word. A group is right when the lines of its ACLs are exactly those
 * of the scope; a GRANT is believed only when the line can be read back, because a GRANT without grant option merely
 * warns.
 */
import { z } from "zod";
import { TargetError } from "../../connector/connector.ts";
import type { Client } from "./client.ts";
import { identifier, qualified } from "./quote.ts";
import { isEverything, type ManagedScope, type PostgresGrant } from "./scope.ts";

type ObjectKind = "database" | "schema" | "table" | "sequence";

export type Privilege = {
  readonly kind: ObjectKind;
  readonly oid: number;
  /** Quoted, as a GRANT writes it. */
  readonly object: string;
  /** Number and name of one column, or null for the whole object. */
  readonly column: { readonly number: number; readonly name: string } | null;
  readonly word: string;
};

const CATALOG: Record<ObjectKind, string> = {
  database: "pg_database",
  schema: "pg_namespace",
  table: "pg_class",
  sequence: "pg_class",
};

/** The line by which a privilege is compared with what the ACLs hold. */
const lineOf = (privilege: Privilege): string =>
  `${CATALOG[privilege.kind]}/${privilege.oid}/${privilege.column?.number ?? 0}/${privilege.word}`;

export const showPrivilege = (privilege: Privilege): string =>
  `${privilege.word}${privilege.column === null ? "" : ` (${identifier(privilege.column.name)})`} ON ${privilege.kind.toUpperCase()} ${privilege.object}`;

const namedShape = z.object({ oid: z.number(), name: z.string() });
const relationShape = z.object({ oid: z.number(), name: z.string(), kind: z.string() });
const columnShape = z.object({ number: z.number(), name: z.string() });

/** Looks every name of the scope up. One that is missing is a permanent error that names it, and all others missing too. */
export async function resolveScope(client: Client, scope: ManagedScope): Promise<Privilege[]> {
  const missing: string[] = [];
  const found = new Map<string, Privilege>();
  const add = (privilege: Privilege): void => void found.set(lineOf(privilege), privilege);

  const [database] = await client.rows(
    namedShape,
    "select oid, datname as name from pg_database where datname = current_database()",
  );
  if (database === undefined) throw new TargetError("failed", `${client.where} does not know its own database`);
  add({ kind: "database", oid: database.oid, object: identifier(database.name), column: null, word: "CONNECT" });

  for (const grant of scope.grants) {
    const [schema] = await client.rows(namedShape, "select oid, nspname as name from pg_namespace where nspname = $1", [
      grant.schema,
    ]);
    if (schema === undefined) {
      missing.push(`schema ${grant.schema}`);
      continue;
    }
    add({ kind: "schema", oid: schema.oid, object: identifier(schema.name), column: null, word: "USAGE" });
    const kind = grant.sequences === undefined ? "table" : "sequence";
    for (const relation of await resolveRelations(client, schema.oid, grant, missing)) {
      const columns = await resolveColumns(client, relation, grant, missing);
      for (const column of columns)
        for (const word of grant.privileges)
          add({ kind, oid: relation.oid, object: qualified(grant.schema, relation.name), column, word });
    }
  }
  if (missing.length > 0)
    throw new TargetError("no-such-object", `not in database ${scope.database}: ${[...new Set(missing)].join(", ")}`);
  return [...found.values()];
}

type Relation = z.infer<typeof relationShape>;

/** Views, materialised views and foreign tables are given only by name: they read more than the schema shows. */
const KINDS = { table: ["r", "p", "v", "m", "f"], everyTable: ["r", "p"], sequence: ["S"] } as const;

async function resolveRelations(
  client: Client,
  schemaOid: number,
  grant: PostgresGrant,
  missing: string[],
): Promise<Relation[]> {
  const [what, names, kinds] =
    grant.sequences === undefined
      ? (["table", grant.tables ?? [], KINDS.table] as const)
      : (["sequence", grant.sequences, KINDS.sequence] as const);
  const select = "select oid, relname as name, relkind::text as kind from pg_class where relnamespace = $1";
  if (isEverything(names))
    return client.rows(relationShape, `${select} and relkind = any($2::"char"[]) order by relname`, [
      schemaOid,
      what === "table" ? KINDS.everyTable : kinds,
    ]);
  const relations = await client.rows(relationShape, `${select} and relname = any($2) order by relname`, [
    schemaOid,
    names,
  ]);
  for (const name of names) {
    const relation = relations.find((one) => one.name === name);
    if (relation === undefined) missing.push(`${what} ${grant.schema}.${name}`);
    else if (!kinds.some((kind) => kind === relation.kind))
      missing.push(`${what} ${grant.schema}.${name} (what has that name is no ${what})`);
  }
  return relations;
}

async function resolveColumns(
  client: Client,
  relation: Relation,
  grant: PostgresGrant,
  missing: string[],
): Promise<readonly Privilege["column"][]> {
  if (grant.columns === undefined) return [null];
  const columns = await client.rows(
    columnShape,
    "select attnum as number, attname as name from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped and attname = any($2)",
    [relation.oid, grant.columns],
  );
  for (const name of grant.columns)
    if (!columns.some((column) => column.name === name))
      missing.push(`column ${grant.schema}.${relation.name}.${name}`);
  return columns;
}

const lineShape = z.object({ line: z.string() });

/**
 * The lines of a role's ACLs in this database and on shared objects. pg_shdepend knows every object whose ACL names the
 * role, so nothing else is searched; a line in a class or with a grant option that we never give shows as such.
 */
export async function linesOf(client: Client, roleOid: number): Promise<Set<string>> {
  const rows = await client.rows(
    lineShape,
    `select distinct d.classid::regclass::text || '/' || d.objid || '/' || d.objsubid || '/' ||
            coalesce(a.privilege_type, 'something') || case when a.is_grantable then ' WITH GRANT OPTION' else '' end as line
       from pg_shdepend d
       left join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid
       left join pg_attribute t on d.classid = 'pg_class'::regclass and d.objsubid > 0 and t.attrelid = d.objid and t.attnum = d.objsubid
       left join pg_namespace n on d.classid = 'pg_namespace'::regclass and n.oid = d.objid
       left join pg_database b on d.classid = 'pg_database'::regclass and b.oid = d.objid
       left join lateral aclexplode(case when d.objsubid > 0 then t.attacl else coalesce(c.relacl, n.nspacl, b.datacl) end) a
              on a.grantee = d.refobjid
      where d.refclassid = 'pg_authid'::regclass and d.refobjid = $1 and d.deptype = 'a'
        and d.dbid in (0, (select oid from pg_database where datname = current_database()))`,
    [roleOid],
  );
  return new Set(rows.map((row) => row.line));
}

const wordsShape = z.object({ words: z.string() });

/** Lines in words, as `DELETE on table public.orders`. */
export async function showLines(client: Client, lines: readonly string[]): Promise<string[]> {
  const rows = await client.rows(
    wordsShape,
    `select split_part(l, '/', 4) || ' on ' || coalesce(pg_describe_object(split_part(l, '/', 1)::regclass,
              split_part(l, '/', 2)::oid, split_part(l, '/', 3)::int), 'something that is gone') as words
       from unnest($1::text[]) as given(l) order by 1`,
    [lines],
  );
  return rows.map(({ words }) => words);
}

/** What of `wanted` is not among the lines, and which lines nobody wants. */
export function compare(
  wanted: readonly Privilege[],
  lines: ReadonlySet<string>,
): { missing: Privilege[]; extra: string[] } {
  const wantedLines = new Set(wanted.map(lineOf));
  return {
    missing: wanted.filter((privilege) => !lines.has(lineOf(privilege))),
    extra: [...lines].filter((line) => !wantedLines.has(line)),
  };
}

/** One GRANT per object. */
export function grantStatements(privileges: readonly Privilege[], group: string): string[] {
  const byObject = new Map<string, Privilege[]>();
  for (const privilege of privileges) {
    const key = `${privilege.kind} ${privilege.object}`;
    byObject.set(key, [...(byObject.get(key) ?? []), privilege]);
  }
  return [...byObject.values()].map((all) => {
    const words = all.map(({ word, column }) => (column === null ? word : `${word} (${identifier(column.name)})`));
    const [first] = all;
    return first === undefined
      ? ""
      : `grant ${words.join(", ")} on ${first.kind} ${first.object} to ${identifier(group)}`;
  });
}

const heldShape = z.object({ held: z.boolean() });

/** Whether the role has it all the same, through PUBLIC: then that nobody could grant it to the role is no harm. */
export async function isHeld(client: Client, roleOid: number, privilege: Privilege): Promise<boolean> {
  const [call, values] =
    privilege.column === null
      ? [`has_${privilege.kind}_privilege($1::oid, $2::oid, $3)`, [roleOid, privilege.oid, privilege.word]]
      : [
          "has_column_privilege($1::oid, $2::oid, $4::int2, $3)",
          [roleOid, privilege.oid, privilege.word, privilege.column.number],
        ];
  const [row] = await client.rows(heldShape, `select ${call} as held`, values);
  return row?.held === true;
}
