/** What somebody made under a role of ours that lends its rights to others, and so may outlive a grant. */
import { z } from "zod";
import { TargetError } from "../../connector/connector.ts";
import type { Observed } from "../../domain/observed.ts";
import type { Client } from "./client.ts";
import type { SeenRole, Trace } from "./marked-roles.ts";
import { grantOfMark, scopeHashOfMark } from "./names.ts";
import type { Session } from "./session.ts";

const lentShape = z.object({ owner: z.number(), name: z.string(), what: z.string() });

/**
 * Functions that run with their owner's rights, event triggers, and views that others may read. Only where a role of ours
 * owns anything is looked. Of a database that cannot be looked into, that is told.
 */
export async function made(
  session: Session,
  roles: readonly SeenRole[],
  traces: readonly Trace[],
): Promise<Observed[]> {
  const owning = traces.filter(({ owns, database }) => owns && database !== null);
  const databases = [...new Set(owning.map(({ database }) => String(database)))];
  const found: Observed[] = [];
  for (const database of databases) {
    const owners = roles.filter(({ oid }) => owning.some((one) => one.role === oid && one.database === database));
    const lent = await session
      .inDatabase(database)
      .then((client) =>
        lentBy(
          client,
          owners.map(({ oid }) => oid),
        ),
      )
      .catch((error: unknown) => {
        if (!(error instanceof TargetError) || session.signal.aborted || error.code === "unreachable") throw error;
        const [owner] = owners;
        return owner === undefined
          ? []
          : [{ owner: owner.oid, name: "something", what: `that cannot be looked at: ${error.message}` }];
      });
    for (const { owner, name, what } of lent) {
      const role = owners.find(({ oid }) => oid === owner);
      if (role !== undefined)
        found.push(observed(role, `${name} in database ${database}`, `${what}, owned by ${role.name}`));
    }
  }
  return found;
}

const observed = (role: SeenRole, name: string, what: string): Observed => ({
  as: "made",
  name,
  what,
  grant: grantOfMark(role.mark),
  scopeHash: scopeHashOfMark(role.mark),
  since: null,
  by: role.name,
  remainingMs: null,
  more: [],
  less: [],
});

/** Temporary things go with their session. */
const lentBy = (client: Client, owners: readonly number[]): Promise<z.infer<typeof lentShape>[]> =>
  client.rows(
    lentShape,
    `select proowner as owner, 'routine ' || p.oid::regprocedure::text as name, 'runs with the rights of its owner (SECURITY DEFINER)' as what
       from pg_proc p where proowner = any($1::oid[]) and prosecdef and pronamespace <> pg_my_temp_schema()
     union all
     select evtowner, 'event trigger ' || quote_ident(evtname), 'runs whenever somebody changes the schema'
       from pg_event_trigger where evtowner = any($1::oid[])
     union all
     select relowner, 'view ' || c.oid::regclass::text, 'shows others what its owner may read'
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where relowner = any($1::oid[]) and relkind in ('v', 'm') and not starts_with(n.nspname, 'pg_temp_')
        and not coalesce('security_invoker=true' = any(reloptions) or 'security_invoker=on' = any(reloptions), false)
        and exists (select from aclexplode(relacl) a where a.grantee <> relowner)
     order by 2`,
    [owners],
  );
