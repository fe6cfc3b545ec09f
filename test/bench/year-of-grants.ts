/**
 * A year of grants that have ended, made by SQL from a few that a server made: their rows and their entries again and again, at
 * other times, of other people and resources, and the tree of the log over them. No server may run on the store meanwhile.
 */
import pg from "pg";
import type { GrantId } from "../../src/base/ids.ts";
import { headPosition, sequenceAll } from "../../src/store/audit.ts";
import { openStore } from "../../src/store/db.ts";

/** `models`: of twenty grants sixteen are like the first, three like the second, one like the third. All of one person. */
export type Year = { readonly models: readonly [GrantId, GrantId, GrantId]; readonly grants: number };

export const PERSON = "somebody-7";
export const RESOURCE = "db-7";
const PEOPLE = 500;
const RESOURCES = 20;

/** Each row under other names, with all its times moved. */
const again = (table: string, on: string, changed: string): string => `
  insert into ${table} overriding system value
  select made.* from year y join ${table} r on ${on}
    cross join lateral jsonb_populate_record(null::${table}, pg_temp.moved(to_jsonb(r), y.by) || jsonb_build_object(${changed})) made`;

const madeOf = (grants: number): string[] => [
  `create function pg_temp.moved(one jsonb, by interval) returns jsonb language sql as $$
     select one || jsonb_object_agg(key, (value #>> '{}')::timestamptz + by)
       from jsonb_each(one) where key like '%\\_at' and jsonb_typeof(value) = 'string' $$`,
  `create temp table year as
     select i, m.*, lpad(i::text, 16, '0') as bare, 'pr_' || lpad((i % ${PEOPLE})::text, 16, '0') as person,
       'db-' || i % ${RESOURCES} as resource,
       clock_timestamp() - interval '1 day' - interval '1 year' * (1 - i::float8 / ${grants}) - m.created_at as by
     from generate_series(1, ${grants}) i
       join models m on m.place = case when i % 20 = 0 then 3 when i % 20 < 4 then 2 else 1 end`,
  "analyze year",
  `insert into principals select made.* from generate_series(0, ${PEOPLE - 1}) n, principals p,
     jsonb_populate_record(p, jsonb_build_object('id', 'pr_' || lpad(n::text, 16, '0'), 'handle', 'somebody-' || n,
       'active', false, 'deactivated_at', clock_timestamp())) made
     where p.id = (select principal_id from models limit 1)`,
  again(
    "requests",
    "r.id = y.request_id",
    `'id', 'rq_' || bare, 'grant_id', 'gr_' || bare, 'requester_id', person, 'resource', y.resource,
     'entitlement', y.resource || ':read', 'seq', 1000 + i`,
  ),
  again(
    "grants",
    "r.id = y.grant_id",
    `'id', 'gr_' || bare, 'request_id', 'rq_' || bare, 'principal_id', person, 'resource', y.resource,
     'entitlement', y.resource || ':read', 'due_at', null, 'confirm_at', null, 'seq', 1000 + i`,
  ),
  again(
    "leases",
    "r.grant_id = y.grant_id",
    "'id', 'le_' || bare, 'grant_id', 'gr_' || bare, 'right_key', r.right_key || bare, 'secret_id', null",
  ),
  again(
    "reviews",
    "r.request_id = y.request_id",
    "'id', 'rv_' || bare, 'request_id', 'rq_' || bare, 'entitlement', y.resource || ':read'",
  ),
  // What the log told of the model it tells of each, in the order of time.
  `create temp table told as
     select 'en_' || lpad((y.i * 100 + m.n)::text, 16, '0') as id, m.id as model, m.at, m.leaf,
       row_number() over (order by y.i, m.n) as n, y.request_id, y.grant_id, y.principal_id, y.bare, y.person, y.by
     from year y join (
       select o.place, e.id, e.leaf, e.leaf::jsonb ->> 'at' as at, row_number() over (partition by o.place order by p.seq) as n
       from models o, audit_positions p join audit_entries e on e.id = p.entry_id
       where e.leaf::jsonb -> 'refs' ->> 'request' = o.request_id or e.leaf::jsonb -> 'refs' ->> 'grant' = o.grant_id
     ) m on m.place = y.place`,
  `insert into audit_entries select id,
     replace(replace(replace(replace(replace(leaf, model, id), request_id, 'rq_' || bare), grant_id, 'gr_' || bare),
       principal_id, person), '"at":"' || at || '"',
       '"at":"' || to_char((at::timestamptz + by) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"')
     from told order by n`,
  "insert into audit_personal select t.id, p.field, p.salt, p.value from told t join audit_personal p on p.entry_id = t.model",
  "insert into audit_unsequenced (entry_id) select id from told order by n",
  "select setval(pg_get_serial_sequence('grants', 'seq'), max(seq)), setval(pg_get_serial_sequence('requests', 'seq'), max(seq)) from grants",
];

/** Answers how many entries the log has then. */
export async function makeYear(storeUrl: string, superuserUrl: string, { models, grants }: Year): Promise<number> {
  const store = openStore(storeUrl, { connections: 1 });
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    await sequenceAll(store.db);
    // Neither foreign keys nor guards are asked: only a superuser may do that.
    await client.query(
      "set session_replication_role = replica; set work_mem = '256MB'; set maintenance_work_mem = '512MB'; set timezone = 'UTC'",
    );
    await client.query(
      `create temp table models as select place, g.id as grant_id, g.request_id, g.principal_id, g.created_at
         from unnest($1::text[]) with ordinality as m (id, place) join grants g using (id)`,
      [models],
    );
    const indexes = await client.query<{ name: string; definition: string }>(
      `select indexname as name, indexdef as definition from pg_indexes where tablename = 'audit_lookup' and indexname not like '%pkey'`,
    );
    for (const { name } of indexes.rows) await client.query(`drop index ${name}`);
    for (const statement of madeOf(grants)) await client.query(statement);
    await sequenceAll(store.db);
    for (const { definition } of indexes.rows) await client.query(definition);
    await client.query("vacuum (analyze)");
    return await headPosition(store.db);
  } finally {
    await client.end();
    await store.close();
  }
}
