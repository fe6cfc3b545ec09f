import { z } from "zod";
import type { Client } from "./client.ts";
import { identifier } from "./quote.ts";
import type { Session } from "./session.ts";

const grantorShape = z.object({ grantor: z.string() });

/**
 * Takes one role out of another, whoever put it there: from 16 on a membership belongs to whoever gave it, and a REVOKE that
 * does not name them only warns. Whom the member let in in turn goes as well.
 */
export async function revokeMembership(session: Session, client: Client, group: string, member: string): Promise<void> {
  const revoke = `revoke ${identifier(group)} from ${identifier(member)}`;
  if (session.version < 16) return client.run(`${revoke} cascade`);
  const grantors = await client.rows(
    grantorShape,
    `select b.rolname as grantor from pg_auth_members m
       join pg_roles g on g.oid = m.roleid join pg_roles r on r.oid = m.member join pg_roles b on b.oid = m.grantor
      where g.rolname = $1 and r.rolname = $2`,
    [group, member],
  );
  for (const { grantor } of grantors) await client.run(`${revoke} granted by ${identifier(grantor)} cascade`);
}

/** Whether it is in it, by whatever grant. */
export async function isMember(client: Client, group: string, member: string): Promise<boolean> {
  const [row] = await client.rows(
    z.object({ there: z.boolean() }),
    `select exists (select from pg_auth_members m join pg_roles g on g.oid = m.roleid join pg_roles r on r.oid = m.member
      where g.rolname = $1 and r.rolname = $2) as there`,
    [group, member],
  );
  return row?.there === true;
}
