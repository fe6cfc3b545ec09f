/** Transactions prepared for two-phase commit: they hold locks, and changes that somebody could still commit, long after their session ended. */
import { z } from "zod";
import { TargetError } from "../../connector/connector.ts";
import type { Client } from "./client.ts";
import { identifier, literal } from "./quote.ts";
import { joinRole, type Role } from "./roles.ts";
import type { Session } from "./session.ts";

const shape = z.object({ gid: z.string(), database: z.string() });

/** Those of one owner, by OID: the view pg_prepared_xacts shows no owner once the role is dropped. */
export const preparedBy = (main: Client, ownerOid: number): Promise<{ gid: string; database: string }[]> =>
  main.rows(
    shape,
    `select p.gid, b.datname as database from pg_prepared_xact() p join pg_database b on b.oid = p.dbid
      where p.ownerid = $1 order by p.gid`,
    [ownerOid],
  );

/** Rolls all of them back, each in its own database, as only its owner or a superuser may. */
export async function rollBackPrepared(
  session: Session,
  owner: Role | { readonly oid: number; readonly name: null },
): Promise<void> {
  for (const { gid, database } of await preparedBy(session.main, owner.oid)) {
    const client = await session.inDatabase(database);
    if (session.admin.superuser) {
      await client.run(`rollback prepared ${literal(gid)}`);
      continue;
    }
    if (owner.name === null)
      throw new TargetError(
        "not-permitted",
        `prepared transaction ${gid} in database ${database} outlived its owner; a superuser must run there: ROLLBACK PREPARED ${literal(gid)}`,
      );
    await joinRole(session, client, owner);
    await client.run(`set role ${identifier(owner.name)}`);
    try {
      await client.run(`rollback prepared ${literal(gid)}`);
    } finally {
      await client.run("reset role");
    }
  }
}
