/**
 * A group role that a DBA made. We never change it, so everything about it that would let access outlive a grant is a
 * reason to refuse: what can hand rights on, act outside the database, or leave things behind under the role's name.
 */
import { z } from "zod";
import { TargetError } from "../../connector/connector.ts";
import type { Client } from "./client.ts";
import { identifier } from "./quote.ts";
import { findRole, type Role } from "./roles.ts";
import type { AdoptedScope } from "./scope.ts";
import type { Session } from "./session.ts";

/** Roles of PostgreSQL's own that reach past the data: files, programs, other people's sessions, other servers, other people's code. */
const PREDEFINED_REFUSED = [
  "pg_read_server_files",
  "pg_write_server_files",
  "pg_execute_server_program",
  "pg_signal_backend",
  "pg_create_subscription",
  "pg_maintain",
];

const reasonShape = z.object({ why: z.string() });

/** Whatever the role is or may become by membership, however far. */
const REACHABLE = `with recursive reachable(oid) as (
    select $1::oid union select m.roleid from pg_auth_members m join reachable r on m.member = r.oid
  )`;

export async function checkAdopted(client: Client, scope: AdoptedScope): Promise<Role> {
  const role = await findRole(client, scope.role);
  if (role === null) throw new TargetError("no-such-object", `there is no role ${scope.role} on ${client.where}`);
  const rows = await client.rows(
    reasonShape,
    `${REACHABLE}, here as (select r.* from pg_roles r join reachable using (oid))
     select rolname || ' is a superuser' as why from here where rolsuper
     union all select rolname || ' may create roles' from here where rolcreaterole
     union all select rolname || ' may create databases' from here where rolcreatedb
     union all select rolname || ' may replicate, which reads everything' from here where rolreplication
     union all select rolname || ' bypasses row-level security' from here where rolbypassrls
     union all select rolname || ' is the admin login of Tidegate' from here where rolname = session_user
     union all select 'it is a member of ' || rolname from here where rolname = any($2)
     union all select g.rolname || ' may hand out role ' || t.rolname from pg_auth_members m
       join here g on g.oid = m.member join pg_roles t on t.oid = m.roleid where m.admin_option
     union all select h.rolname || ' owns ' || pg_describe_object(d.classid, d.objid, d.objsubid) ||
               ', so what it gives to others would stay' from pg_shdepend d join here h on h.oid = d.refobjid
      where d.refclassid = 'pg_authid'::regclass and d.deptype = 'o'
        and d.dbid in (0, (select oid from pg_database where datname = current_database()))
     union all select h.rolname || ' may pass on ' || a.privilege_type || ' on ' || c.oid::regclass from pg_shdepend d
       join here h on h.oid = d.refobjid
       join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid
       left join pg_attribute t on d.objsubid > 0 and t.attrelid = c.oid and t.attnum = d.objsubid,
       lateral aclexplode(case when d.objsubid > 0 then t.attacl else c.relacl end) a
      where d.refclassid = 'pg_authid'::regclass and d.deptype = 'a' and a.grantee = h.oid and a.is_grantable
        and d.dbid = (select oid from pg_database where datname = current_database())
     order by 1 limit 5`,
    [role.oid, PREDEFINED_REFUSED],
  );
  if (rows.length > 0)
    throw new TargetError(
      "not-permitted",
      `role ${scope.role} is not fit to be given for a time: ${rows.map((row) => row.why).join("; ")}. Let a DBA make a role that only holds the rights to give`,
      { permanent: true },
    );
  await checkConnect(client, role, scope);
  return role;
}

const mayShape = z.object({ may: z.boolean() });

async function checkConnect(client: Client, role: Role, scope: AdoptedScope): Promise<void> {
  const [row] = await client.rows(
    mayShape,
    "select has_database_privilege($1::oid, current_database(), 'CONNECT') as may",
    [role.oid],
  );
  if (row?.may === true) return;
  throw new TargetError(
    "not-permitted",
    `role ${scope.role} may not connect to database ${scope.database}: GRANT CONNECT ON DATABASE ${identifier(scope.database)} TO ${identifier(scope.role)}`,
  );
}

const placeShape = z.object({ place: z.string(), everybody: z.boolean() });

/**
 * Before PostgreSQL 16 a member of a group can always SET ROLE to it, and what it makes then belongs to the group and
 * survives the grant (a SECURITY DEFINER function, say, that keeps the group's rights). So there the group must not be
 * able to make anything, neither by itself nor through PUBLIC.
 */
export async function refuseCreators(session: Session, client: Client, group: Role): Promise<void> {
  if (session.version >= 16) return;
  const places = await client.rows(
    placeShape,
    `select 'SCHEMA ' || quote_ident(nspname) as place,
            exists (select from aclexplode(coalesce(nspacl, acldefault('n', nspowner))) where grantee = 0 and privilege_type = 'CREATE') as everybody
       from pg_namespace
      where has_schema_privilege($1::oid, oid, 'CREATE') and not starts_with(nspname, 'pg_temp_') and not starts_with(nspname, 'pg_toast')
     union all
     select 'DATABASE ' || quote_ident(datname),
            exists (select from aclexplode(coalesce(datacl, acldefault('d', datdba))) where grantee = 0 and privilege_type = 'CREATE')
       from pg_database where datname = current_database() and has_database_privilege($1::oid, oid, 'CREATE')
      order by 1`,
    [group.oid],
  );
  if (places.length === 0) return;
  const run = places.map(
    ({ place, everybody }) => `REVOKE CREATE ON ${place} FROM ${everybody ? "PUBLIC" : identifier(group.name)}`,
  );
  throw new TargetError(
    "not-supported",
    `PostgreSQL ${session.version} cannot keep people from acting as ${group.name} (16 can), and as it they could make things in database ${client.database} that outlive the grant. Run there: ${run.join("; ")}`,
  );
}
