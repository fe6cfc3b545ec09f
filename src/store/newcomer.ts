import { sql } from "kysely";
import type { Principal } from "../domain/principal.ts";
import type { ScimUser } from "../domain/scim/user.ts";
import { appending, type NewEntry } from "./audit.ts";
import { type Db, json } from "./db.ts";
import { mayGoAgain } from "./go-again.ts";
import { addingPrincipal, isKnown, type NewIdentity } from "./principals.ts";

export type Newcomer = {
  readonly issuer: string;
  readonly user: ScimUser;
  readonly principal: Principal;
  readonly identity: NewIdentity;
  readonly entries: readonly NewEntry[];
};

/**
 * Somebody whom a provider tells of for the first time and nobody here knows: user, person and entries in one statement,
 * which is the whole transaction. False: there is more to it, and nothing was written.
 */
export async function addNewcomer(db: Db, { issuer, user, principal, identity, entries }: Newcomer): Promise<boolean> {
  const { id, externalId, userName, said, createdMs } = user;
  const isNew = sql<boolean>`not ${isKnown(identity)}
    and not exists (select from scim_users where issuer = ${issuer} and external_id = ${externalId})
    and not exists (select from scim_users where issuer = ${issuer} and lower(user_name) = lower(${userName}))`;
  const written = appending(entries, sql`exists (select from added)`);
  try {
    const { rows } = await sql<{ added: boolean }>`
      with ${addingPrincipal(principal, identity, createdMs, isNew)},
      users as (
        insert into scim_users (id, issuer, external_id, user_name, active, said, version, created_at, changed_at)
        select ${id}, ${issuer}, ${externalId}, ${userName}, true, ${json(said)}, 1, created_at, created_at from added
      ),
      ${sql.join([...written.parts, sql`unsequenced as (${written.last})`])}
      select exists (select from added) as added`.execute(db);
    return rows[0]?.added === true;
  } catch (error) {
    if (mayGoAgain(error)) return false;
    throw error;
  }
}
