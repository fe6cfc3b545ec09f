import { defined } from "../base/assert.ts";
import { principalId } from "../base/ids.ts";
import type { Person } from "../contract/values.ts";
import type { Principal } from "../domain/principal.ts";
import type { Db } from "../store/db.ts";

/**
 * People by id, those who have left included. Whoever looks was read for this very call: a page of nothing but their own,
 * which is what most people ask for, needs no other look.
 */
export async function peopleOf(db: Db, me: Principal, ids: readonly string[]): Promise<(id: string) => Person> {
  const wanted = [...new Set(ids)].filter((id) => id !== me.id);
  const rows =
    wanted.length === 0
      ? []
      : await db.selectFrom("principals").select(["id", "handle", "name"]).where("id", "in", wanted).execute();
  const byId = new Map<string, Person>([[me.id, toPerson(me)], ...rows.map((row) => [row.id, row] as const)]);
  return (id) => defined(byId.get(id), `principal ${id}`);
}

export const toPerson = ({ id, handle, name }: Principal): Person => ({ id, handle, name });

/** Everybody who is or was known by this handle, or the one with this id. */
export async function idsOf(db: Db, person: string, me: Principal): Promise<string[]> {
  if (person === "me") return [me.id];
  if (principalId.parse(person) !== null) return [person];
  const rows = await db.selectFrom("principals").select("id").where("handle", "=", person).execute();
  return rows.map((row) => row.id);
}
