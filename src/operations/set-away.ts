import type { PrincipalId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { comeBack, goAway, maySetAway } from "../domain/absence.ts";
import { type Principal, sourcesOf } from "../domain/principal.ts";
import { absenceOf, endAbsence, putAbsence } from "../store/absences.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { findPerson, nobodyCalled } from "./find-person.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

type AwayAnswer = { readonly principalId: PrincipalId };

const FOR_ADMINS = refuse("forbidden", "You say it for yourself; for somebody else an admin does.");

/** Somebody is away until then, and who decides in their place. What waits for them is looked at again. */
export function setAway(
  context: Context,
  by: Principal,
  person: string,
  wanted: { readonly untilMs: number; readonly delegate: string | null },
  idempotency: IdempotencyKey | null = null,
): Promise<AwayAnswer | Refusal> {
  const acting = { operation: "set-away", actor: { principal: by.id }, idempotency };
  return transact<AwayAnswer, SqlTx>(context, acting, async ({ tx, apply }) => {
    const whom = await findPerson(tx, person);
    if (whom === null) return nobodyCalled(person);
    if (!maySetAway(by, whom.id)) return FOR_ADMINS;
    const named = wanted.delegate === null ? null : await findPerson(tx, wanted.delegate);
    if (wanted.delegate !== null && named === null) return nobodyCalled(wanted.delegate);
    // Whoever is deciding by who is here has decided then, and what came of it is looked at again with all else.
    await tx.haltDecisions();
    // Both are held, in one order: neither leaves meanwhile.
    const held = new Map<PrincipalId, Principal | null>();
    for (const id of [whom.id, ...(named === null ? [] : [named.id])].toSorted())
      held.set(id, await tx.lockPrincipal(id));
    const away = held.get(whom.id) ?? null;
    if (away?.active !== true) return nobodyCalled(person);
    const delegate = named === null ? null : (held.get(named.id) ?? null);
    const nowMs = await tx.nowMs();
    const decided = goAway(away, await absenceOf(tx.sql, away.id), { untilMs: wanted.untilMs, delegate }, by.id, nowMs);
    if (isRefusal(decided)) return decided;
    if (decided === null) return { principalId: away.id };
    await putAbsence(tx.sql, away.id, decided.absence, nowMs);
    await lookAgainWithout(tx, away);
    await apply({ entries: [decided.entry] }, nowMs);
    return { principalId: away.id };
  });
}

/** They are back. Repeated, it changes nothing. */
export function setBack(
  context: Context,
  by: Principal,
  person: string,
  idempotency: IdempotencyKey | null = null,
): Promise<AwayAnswer | Refusal> {
  const acting = { operation: "set-back", actor: { principal: by.id }, idempotency };
  return transact<AwayAnswer, SqlTx>(context, acting, async ({ tx, apply }) => {
    const found = await findPerson(tx, person);
    if (found === null) return nobodyCalled(person);
    if (!maySetAway(by, found.id)) return FOR_ADMINS;
    await tx.haltDecisions();
    const back = (await tx.lockPrincipal(found.id)) ?? found;
    const before = await absenceOf(tx.sql, back.id);
    await endAbsence(tx.sql, back.id);
    if (before === null) return { principalId: back.id };
    // Who stood in may do so no more: there may be too few without them.
    await lookAgainWithout(tx, back);
    await apply({ entries: [comeBack(back.id, before, by.id)] }, await tx.nowMs());
    return { principalId: back.id };
  });
}

/** At what waits for them, and for those who named them to decide in their place. */
async function lookAgainWithout(tx: SqlTx, person: Principal): Promise<void> {
  const missed = [person, ...(await tx.whoNamed(person.id))];
  await tx.lookAgainAt(["owners", ...new Set(missed.flatMap(sourcesOf))]);
}
