/**
 * Who can sign in and has, without a mark of ours, what the scopes give: because it was granted to them or to a role that
 * they are in or may become, because they own it, are superuser, or because everybody has it. PostgreSQL keeps who granted
 * a privilege or a membership (from 16 on reliably), never when.
 */
import { z } from "zod";
import { type NamedScope, TargetError } from "../../connector/connector.ts";
import type { OtherAccess } from "../../domain/observed.ts";
import type { Client } from "./client.ts";
import { type Privilege, resolveScope, showPrivilege } from "./privileges.ts";
import { isManaged, type ManagedScope, type PostgresScope } from "./scope.ts";
import type { Session } from "./session.ts";

/** More is not an answer that somebody reads; what is left out is told by a line of its own. */
const OTHERS_MAX = 1_000;
const SHOWN_MAX = 6;
const EVERYBODY = "everybody (PUBLIC)";

const wayShape = z.object({ who: z.string(), how: z.string(), by: z.string().nullable(), number: z.number() });
const sessionShape = z.object({ who: z.string(), sessions: z.number(), lastActivity: z.string().nullable() });
type Way = z.infer<typeof wayShape>;

export async function others(
  session: Session,
  scopes: readonly NamedScope<PostgresScope>[],
): Promise<readonly OtherAccess[]> {
  const found: Omit<OtherAccess, "sessions" | "lastActivity">[] = [];
  for (const { entitlement, scope } of scopes) {
    const client = await session.inDatabase(scope.database);
    const ways = isManaged(scope)
      ? await managedWays(session, client, scope)
      : (await memberWays(session, client, scope.role)).map((way) => ({
          ...way,
          access: `all that ${scope.role} may`,
        }));
    found.push(...ways.map(({ who, how, by, access }) => ({ who, entitlement, access, how, since: null, by })));
  }
  const active = await sessionsNow(session.main);
  return found.slice(0, OTHERS_MAX).map((one) => {
    const now = active.get(one.who);
    const sessions = one.who === EVERYBODY ? null : (now?.sessions ?? 0);
    return { ...one, sessions, lastActivity: now?.lastActivity ?? null };
  });
}

/** Logins that carry no mark of ours. Who may become a role by SET ROLE has what the role has. */
const logins = (session: Session): string => `
  select r.oid, r.rolname, r.rolsuper from pg_roles r
    left join pg_shdescription d on d.classoid = 'pg_authid'::regclass and d.objoid = r.oid
   where r.rolcanlogin and has_database_privilege(r.oid, current_database(), 'CONNECT')
     and not starts_with(coalesce(d.description, ''), 'tidegate:${session.actor.installation}:')`;
const is = (session: Session, role: string): string =>
  `(pg_has_role(l.oid, ${role}, 'USAGE') or pg_has_role(l.oid, ${role}, '${session.version >= 16 ? "SET" : "MEMBER"}'))`;

async function managedWays(
  session: Session,
  client: Client,
  scope: ManagedScope,
): Promise<(Way & { readonly access: string })[]> {
  // To connect and to look into a schema is not yet to read anything.
  const privileges = (await resolveScope(client, scope)).filter(({ kind }) => kind === "table" || kind === "sequence");
  const rows = await client.rows(
    wayShape,
    `with l as (${logins(session)}), wanted as (
       select * from unnest($1::int[], $2::oid[], $3::int[], $4::text[]) as w(number, oid, col, word)
     ), acls as (
       select w.number, w.word, c.relowner, a.grantee, a.grantor from wanted w join pg_class c on c.oid = w.oid
         left join pg_attribute t on w.col > 0 and t.attrelid = w.oid and t.attnum = w.col
         cross join lateral (
           select * from aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)))
           union all select * from aclexplode(t.attacl)
         ) a where a.privilege_type = w.word
     )
     select l.rolname as who, 'superuser' as how, null as by, w.number from l, wanted w where l.rolsuper
     union select l.rolname, case when c.relowner = l.oid then 'owns it' else 'is in ' || pg_get_userbyid(c.relowner) || ', which owns it' end,
            null, w.number
       from wanted w join pg_class c on c.oid = w.oid join l on not l.rolsuper and ${is(session, "c.relowner")}
     union select l.rolname, case when a.grantee = l.oid then 'directly' else 'is in ' || pg_get_userbyid(a.grantee) end,
            pg_get_userbyid(a.grantor), a.number
       from acls a join l on not l.rolsuper and a.grantee <> 0 and a.grantee <> a.relowner and ${is(session, "a.grantee")}
     union select l.rolname, 'is in ' || p.rolname, null, w.number
       from wanted w join pg_roles p on p.rolname = case w.word when 'SELECT' then 'pg_read_all_data' else 'pg_write_all_data' end
         join l on not l.rolsuper and ${is(session, "p.oid")} where w.word in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
     union select '${EVERYBODY}', 'granted to everybody', pg_get_userbyid(a.grantor), a.number from acls a where a.grantee = 0
     order by 1, 2, 3, 4`,
    [
      privileges.map((_, number) => number),
      privileges.map(({ oid }) => oid),
      privileges.map(({ column }) => column?.number ?? 0),
      privileges.map(({ word }) => word),
    ],
  );
  return inLines(rows, privileges);
}

/** What somebody has in one way is one line. */
function inLines(rows: readonly Way[], privileges: readonly Privilege[]): (Way & { readonly access: string })[] {
  const lines = Map.groupBy(rows, ({ who, how, by }) => JSON.stringify([who, how, by]));
  return [...lines.values()].flatMap((same) => {
    const [first] = same;
    const shown = same.flatMap(({ number }) => {
      const privilege = privileges[number];
      return privilege === undefined ? [] : showPrivilege(privilege);
    });
    const more = shown.length - SHOWN_MAX;
    const access = `${shown.slice(0, SHOWN_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
    return first === undefined ? [] : [{ ...first, access }];
  });
}

/** Of a role that a DBA made: who is in it. */
async function memberWays(session: Session, client: Client, role: string): Promise<Way[]> {
  const rows = await client.rows(
    wayShape,
    `with l as (${logins(session)})
     select l.rolname as who,
            case when l.rolsuper then 'superuser' when l.oid = g.oid then 'signs in as it' when m.by is not null then 'directly' else 'through another role' end as how,
            m.by, 0 as number
       from pg_roles g join l on (l.rolsuper or ${is(session, "g.oid")})
       left join lateral (select string_agg(distinct pg_get_userbyid(grantor), ', ') as by from pg_auth_members
                           where roleid = g.oid and member = l.oid) m on true
      where g.rolname = $1 order by 1`,
    [role],
  );
  if (rows.length > 0) return rows;
  throw new TargetError("no-such-object", `there is no role ${role} on ${client.where}`);
}

/** Who is connected now, and when they last did something, where the admin may see that (pg_read_all_stats). */
async function sessionsNow(main: Client): Promise<Map<string, z.infer<typeof sessionShape>>> {
  const rows = await main.rows(
    sessionShape,
    `select usename::text as who, count(*)::int as sessions,
            to_char(max(greatest(state_change, query_start)) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "lastActivity"
       from pg_stat_activity where usename is not null and pid <> pg_backend_pid() group by 1`,
  );
  return new Map(rows.map((row) => [row.who, row]));
}
