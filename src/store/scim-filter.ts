/** Filters of SCIM as SQL. What a filter says is a parameter, never text of the statement. */
import { type RawBuilder, sql } from "kysely";
import { parseTimestamp, toTimestamp } from "../base/clock.ts";
import { isRefusal, type Refusal } from "../base/problem.ts";
import type { AttributePath, Filter, Literal, Operator } from "../domain/scim/filter.ts";
import { refuseScim } from "../domain/scim/refuse-scim.ts";

type Sql<T = unknown> = RawBuilder<T>;
/** How an attribute is asked: one value, or several of which one must fit. */
type Column =
  | { readonly is: "text"; readonly value: Sql; readonly exact: boolean }
  | { readonly is: "flag" | "time"; readonly value: Sql }
  | {
      readonly is: "many";
      readonly some: (where: Sql) => Sql<boolean>;
      readonly sub: Readonly<Record<string, Column>>;
    };
type Columns = Readonly<Record<string, Column>>;

const text = (value: Sql, exact = false): Column => ({ is: "text", value, exact });
const said = (...way: string[]): Column => text(sql`u.said #>> ${sql.lit(`{${way.join(",")}}`)}`);

export const USER_COLUMNS: Columns = {
  id: text(sql`u.id`, true),
  externalid: text(sql`u.external_id`, true),
  username: text(sql`u.user_name`),
  active: { is: "flag", value: sql`u.active` },
  displayname: said("displayName"),
  usertype: said("userType"),
  "name.formatted": said("name", "formatted"),
  "name.familyname": said("name", "familyName"),
  "name.givenname": said("name", "givenName"),
  manager: text(sql`u.said #>> '{manager,value}'`, true),
  "manager.value": text(sql`u.said #>> '{manager,value}'`, true),
  "meta.created": { is: "time", value: sql`u.created_at` },
  "meta.lastmodified": { is: "time", value: sql`u.changed_at` },
  emails: {
    is: "many",
    some: (where) =>
      sql`exists (select from jsonb_array_elements(coalesce(u.said -> 'emails', '[]')) as e where ${where})`,
    sub: {
      value: text(sql`e ->> 'value'`),
      type: text(sql`e ->> 'type'`),
      primary: { is: "flag", value: sql`(e ->> 'primary')::boolean` },
    },
  },
  groups: {
    is: "many",
    some: (where) => sql`exists (select from scim_members m where m.user_id = u.id and ${where})`,
    sub: { value: text(sql`m.group_id`, true) },
  },
};

export const GROUP_COLUMNS: Columns = {
  id: text(sql`g.id`, true),
  externalid: text(sql`g.external_id`, true),
  displayname: text(sql`g.display_name`),
  "meta.created": { is: "time", value: sql`g.created_at` },
  "meta.lastmodified": { is: "time", value: sql`g.changed_at` },
  members: {
    is: "many",
    some: (where) => sql`exists (select from scim_members m where m.group_id = g.id and ${where})`,
    sub: { value: text(sql`m.user_id`, true) },
  },
};

/** The filter as a condition, or why it cannot be asked. */
export function conditionOf(filter: Filter, columns: Columns): Sql<boolean> | Refusal {
  switch (filter.kind) {
    case "and":
    case "or": {
      const [left, right] = filter.of.map((one) => conditionOf(one, columns));
      if (left === undefined || right === undefined || isRefusal(left)) return left as Refusal;
      if (isRefusal(right)) return right;
      return filter.kind === "and" ? sql`(${left} and ${right})` : sql`(${left} or ${right})`;
    }
    case "not": {
      const inner = conditionOf(filter.of, columns);
      return isRefusal(inner) ? inner : sql`not coalesce(${inner}, false)`;
    }
    case "some": {
      const column = columns[filter.path.name];
      if (column?.is !== "many" || filter.path.sub !== null) return unknown(filter.path);
      const inner = conditionOf(filter.where, column.sub);
      return isRefusal(inner) ? inner : column.some(inner);
    }
    case "present":
    case "compare":
      return leaf(filter, columns);
  }
}

const unknown = ({ name, sub }: AttributePath): Refusal =>
  refuseScim(
    "invalidFilter",
    `The filter asks for ${sub === null ? name : `${name}.${sub}`}, which is not known here.`,
  );

type Leaf = Extract<Filter, { kind: "present" | "compare" }>;

function leaf(filter: Leaf, columns: Columns): Sql<boolean> | Refusal {
  const { path } = filter;
  const of = (table: Columns, key: string): Column | undefined => (Object.hasOwn(table, key) ? table[key] : undefined);
  const whole = of(columns, path.sub === null ? path.name : `${path.name}.${path.sub}`) ?? of(columns, path.name);
  if (whole === undefined) return unknown(path);
  if (whole.is !== "many")
    return path.sub !== null && whole === of(columns, path.name) ? unknown(path) : asked(filter, whole);
  const inner = of(whole.sub, path.sub ?? "value");
  if (inner === undefined || inner.is === "many") return unknown(path);
  const condition = asked(filter, inner);
  return isRefusal(condition) ? condition : whole.some(condition);
}

function asked(filter: Leaf, column: Exclude<Column, { is: "many" }>): Sql<boolean> | Refusal {
  if (filter.kind === "present")
    return column.is === "text" ? sql`${column.value} <> ''` : sql`${column.value} is not null`;
  const { operator, value, path } = filter;
  const cannot = (): Refusal =>
    refuseScim("invalidFilter", `${path.name} cannot be compared with this value by ${operator}.`);
  if (value === null) {
    if (operator === "eq") return sql`${column.value} is null`;
    return operator === "ne" ? sql`${column.value} is not null` : cannot();
  }
  switch (column.is) {
    case "text":
      return typeof value === "string" ? ofText(column.value, column.exact, operator, value) : cannot();
    case "flag":
      return ofFlag(column.value, operator, value) ?? cannot();
    case "time":
      return ofTime(column.value, operator, value) ?? cannot();
  }
}

const ORDER = { gt: sql`>`, ge: sql`>=`, lt: sql`<`, le: sql`<=` } as const;

function ofText(column: Sql, exact: boolean, operator: Operator, value: string): Sql<boolean> {
  // A zero byte can be in no text of the store.
  if (value.includes("\u0000")) return sql`false`;
  const [a, b] = exact ? [column, sql`${value}::text`] : [sql`lower(${column})`, sql`lower(${value}::text)`];
  switch (operator) {
    case "eq":
      return sql`${a} = ${b}`;
    case "ne":
      return sql`${a} is distinct from ${b}`;
    case "co":
      return sql`strpos(${a}, ${b}) > 0`;
    case "sw":
      return sql`starts_with(${a}, ${b})`;
    case "ew":
      return sql`right(${a}, length(${b})) = ${b}`;
    case "gt":
    case "ge":
    case "lt":
    case "le":
      return sql`${a} collate "C" ${ORDER[operator]} ${b}`;
  }
}

function ofFlag(column: Sql, operator: Operator, value: Literal): Sql<boolean> | null {
  const word = String(value).toLowerCase();
  if (word !== "true" && word !== "false") return null;
  if (operator === "eq") return sql`coalesce(${column}, false) = ${word === "true"}`;
  return operator === "ne" ? sql`coalesce(${column}, false) <> ${word === "true"}` : null;
}

function ofTime(column: Sql, operator: Operator, value: Literal): Sql<boolean> | null {
  const ms = typeof value === "string" ? parseTimestamp(value) : null;
  if (ms === null || ms < 0) return null;
  const time = sql`${toTimestamp(ms)}::timestamptz`;
  // Times are shown in milliseconds, and kept in microseconds.
  const shown = sql`date_trunc('milliseconds', ${column})`;
  if (operator === "eq") return sql`${shown} = ${time}`;
  if (operator === "ne") return sql`${shown} <> ${time}`;
  return operator in ORDER ? sql`${shown} ${ORDER[operator as keyof typeof ORDER]} ${time}` : null;
}
