import { hashOf } from "../base/hash.ts";
import { hasScim } from "../domain/identity.ts";
import { groupNamesOf, putGroupNames, usersOf } from "../store/scim.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { IDENTITY, regroup } from "./settle-scim.ts";
import { transact } from "./transact.ts";

/** The configuration calls groups of SCIM otherwise: everybody is in the groups that it means now. Nobody has to be told of again. */
export async function renameGroups(context: Context): Promise<void> {
  const catalog = await context.catalog.active(context.ledger);
  for (const { name, issuer, groups } of catalog?.configuration.identity?.providers.filter(hasScim) ?? []) {
    if ((await groupNamesOf(context.db, issuer)) === hashOf(groups)) continue;
    await transact<null, SqlTx>(context, { operation: "rename-groups", actor: IDENTITY }, async (work) => {
      const { tx } = work;
      await tx.haltDecisions();
      const held = (await context.catalog.active(tx))?.configuration;
      const provider = held?.identity?.providers.filter(hasScim).find((one) => one.name === name);
      if (provider === undefined) return null;
      await regroup(work, { context, provider }, await usersOf(tx.sql, provider.issuer), [], await tx.nowMs());
      await putGroupNames(tx.sql, provider.issuer, hashOf(provider.groups));
      return null;
    });
  }
}
