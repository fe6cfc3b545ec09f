import type { Role } from "../domain/principal.ts";
import { rolesWith } from "../domain/role-groups.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";

/**
 * What somebody is whom the file does not name and who is in these groups. Until the transaction ends no other
 * configuration becomes active; the one that does then looks at all whom it concerns.
 */
export async function rolesNow({ catalog }: Context, tx: SqlTx, groups: readonly string[]): Promise<Role[]> {
  if (groups.length === 0) return rolesWith(undefined, []);
  return rolesWith((await catalog.held(tx))?.configuration.roles, groups);
}
