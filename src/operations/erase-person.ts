import { toTimestamp } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { holdActivations } from "../store/catalog.ts";
import { eraseTexts, everCalled, inTheWay } from "../store/erasure.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { nobodyCalled } from "./find-person.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

export type Erased = {
  readonly principalId: PrincipalId;
  /** RFC 3339: when that was done first. */
  readonly erasedAt: string;
  readonly removed: Readonly<Record<string, number>>;
};

/**
 * Texts by and about somebody who has left, and what they are called, go for good; the log holds commitments, so that every
 * proof stays as it was. One transaction: after a crash it is done with its entry, or not at all. Repeated, it erases what
 * came since, and says nothing in the log where that is nothing.
 */
export function erasePerson(
  context: Context,
  by: Principal,
  person: string,
  idempotency: IdempotencyKey | null = null,
): Promise<Erased | Refusal> {
  const actor = { principal: by.id };
  return transact<Erased, SqlTx>(context, { operation: "erase-person", actor, idempotency }, async ({ tx, apply }) => {
    if (!hasRole(by, "admin")) return refuse("forbidden", "Erasing a person is for admins.");
    // No configuration that names them becomes active, or waits, meanwhile.
    await holdActivations(tx.sql);
    const found = await everCalled(tx.sql, person);
    const [whom, other] = found;
    if (whom === undefined) return nobodyCalled(person);
    if (other !== undefined)
      return refuse(
        "not-erasable",
        `Several people were called ${JSON.stringify(person)}. Say which, by id: ${found.map(({ id }) => id).join(", ")}.`,
      );
    if (whom.active)
      return refuse(
        "not-erasable",
        "They are active. First have them leave: take them out of the file, or have their provider say so.",
      );
    const ways = await inTheWay(tx.sql, whom.id);
    if (ways.length > 0) return refuse("not-erasable", `Not yet: ${ways.join("; ")}.`, { because: ways });
    const nowMs = await tx.nowMs();
    const removed = await eraseTexts(tx.sql, whom.id, nowMs);
    const entry = { kind: "principal.erased" as const, actor, refs: { principal: whom.id }, data: { removed } };
    if (Object.keys(removed).length > 0) await apply({ entries: [entry] }, nowMs);
    return { principalId: whom.id, erasedAt: toTimestamp(whom.erasedMs ?? nowMs), removed };
  });
}
