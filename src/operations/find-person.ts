import { principalId } from "../base/ids.ts";
import { refuse } from "../base/problem.ts";
import type { Principal } from "../domain/principal.ts";
import { findByHandle } from "../store/principals.ts";
import type { SqlTx } from "../store/sql-tx.ts";

/** By id, whoever that is; or by the handle of somebody active. */
export function findPerson(tx: SqlTx, person: string): Promise<Principal | null> {
  const id = principalId.parse(person);
  return id === null ? findByHandle(tx.sql, person) : tx.findPrincipal(id);
}

export const nobodyCalled = (person: string) =>
  refuse("not-found", `There is nobody called ${JSON.stringify(person)}. Name them by handle, or by id.`);
