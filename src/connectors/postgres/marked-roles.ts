/** The roles of one installation as the catalogs show them, in a few statements however many there are. */
import { z } from "zod";
import type { InstallationId } from "../../base/ids.ts";
import type { Client } from "./client.ts";

const roleShape = z.object({
  oid: z.number(),
  name: z.string(),
  mark: z.string(),
  login: z.boolean(),
  /** -1: as many as there is room for. */
  connections: z.number(),
  powers: z.array(z.string()),
  remainingMs: z.number().nullable(),
});

/** A role, what it may, and how long it lets in by password; a null means for ever. */
export type SeenRole = z.infer<typeof roleShape>;

/** What a role may beyond its privileges, as ALTER ROLE writes it. */
const POWERS = `array_remove(array[
    case when r.rolsuper then 'SUPERUSER' end, case when r.rolcreaterole then 'CREATEROLE' end,
    case when r.rolcreatedb then 'CREATEDB' end, case when r.rolreplication then 'REPLICATION' end,
    case when r.rolbypassrls then 'BYPASSRLS' end], null)`;

/** Those that carry the installation's mark, whatever they are called now, and those of these OIDs. */
export const markedRoles = (
  main: Client,
  installation: InstallationId,
  oids: readonly number[] = [],
): Promise<SeenRole[]> =>
  main.rows(
    roleShape,
    `select r.oid, r.rolname as name, coalesce(d.description, '') as mark, r.rolcanlogin as login, r.rolconnlimit as connections,
            ${POWERS} as powers,
            case when r.rolvaliduntil is null or r.rolvaliduntil = 'infinity' then null
                 when not isfinite(r.rolvaliduntil) then 0
                 else extract(epoch from r.rolvaliduntil - clock_timestamp()) * 1000 end::float8 as "remainingMs"
       from pg_roles r left join pg_shdescription d on d.classoid = 'pg_authid'::regclass and d.objoid = r.oid
      where starts_with(d.description, $1) or r.oid = any($2::oid[])
      order by r.rolname`,
    [`tidegate:${installation}:`, oids],
  );

const edgeShape = z.object({
  group: z.number(),
  groupName: z.string(),
  member: z.number(),
  memberName: z.string(),
  admin: z.boolean(),
  inherit: z.boolean().nullable(),
  set: z.boolean().nullable(),
  by: z.string().nullable(),
});

/** One role in another; the options are null before 16, which has none. */
export type Membership = z.infer<typeof edgeShape>;

/** Who is a member of these roles, and of what they are members. */
export const membershipsOf = (main: Client, oids: readonly number[]): Promise<Membership[]> =>
  main.rows(
    edgeShape,
    `select m.roleid as "group", g.rolname as "groupName", m.member, r.rolname as "memberName",
            bool_or(m.admin_option) as admin, bool_or((to_jsonb(m) ->> 'inherit_option')::bool) as inherit,
            bool_or((to_jsonb(m) ->> 'set_option')::bool) as set, string_agg(distinct b.rolname, ', ') as by
       from pg_auth_members m
       join pg_roles g on g.oid = m.roleid
       join pg_roles r on r.oid = m.member
       left join pg_roles b on b.oid = m.grantor
      where m.roleid = any($1::oid[]) or m.member = any($1::oid[])
      group by 1, 2, 3, 4 order by 2, 4`,
    [oids],
  );

const traceShape = z.object({ role: z.number(), database: z.string().nullable(), owns: z.boolean(), has: z.boolean() });

/** In which databases a role owns something or has privileges; null: shared by all of them, as a database itself is. */
export type Trace = z.infer<typeof traceShape>;

export const tracesOf = (main: Client, oids: readonly number[]): Promise<Trace[]> =>
  main.rows(
    traceShape,
    `select d.refobjid as role, b.datname as database, bool_or(d.deptype = 'o') as owns, bool_or(d.deptype = 'a') as has
       from pg_shdepend d left join pg_database b on b.oid = d.dbid
      where d.refclassid = 'pg_authid'::regclass and d.refobjid = any($1::oid[])
      group by 1, 2 order by 2`,
    [oids],
  );
