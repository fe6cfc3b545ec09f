import type { PanicId } from "../base/ids.ts";
import { inForce, type Panic } from "../domain/panic.ts";
import { findPanic, notePanicGrant, notYetUnder, panicsInForce } from "../store/panics.ts";
import type { Context } from "./context.ts";
import { endGrant } from "./revoke-grant.ts";
import { transact } from "./transact.ts";

/** So many grants are ended in one transaction: the first of them are on their way while the last are still being found. */
const BATCH = 50;

/**
 * Ends what every panic in force covers. Level-triggered: it looks at what is there now, so it may die anywhere and be
 * repeated, and whatever slipped in as the button was pressed is found as well.
 */
export async function enforcePanics(context: Context): Promise<void> {
  for (const panic of await panicsInForce(context.db)) await enforce(context, panic);
}

export async function enforcePanic(context: Context, id: PanicId): Promise<void> {
  const panic = await findPanic(context.db, id);
  if (panic !== null && inForce(panic)) await enforce(context, panic);
}

async function enforce(context: Context, panic: Panic): Promise<void> {
  const actor = { principal: panic.startedBy };
  const ending = { cause: "panic" as const, by: panic.startedBy, reason: panic.reason };
  for (;;) {
    const ids = await notYetUnder(context.db, panic, BATCH);
    if (ids.length === 0) return;
    await transact(context, { operation: "enforce-panic", actor }, async (work) => {
      for (const id of ids) {
        await endGrant(work, id, ending, actor);
        await notePanicGrant(work.tx.sql, panic.id, id);
      }
      return null;
    });
  }
}
