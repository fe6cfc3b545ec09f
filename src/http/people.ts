import { defined } from "../base/assert.ts";
import { principalId } from "../base/ids.ts";
import type { Person } from "../contract/values.ts";
import type { Principal } from "../domain/principal.ts";
import type { Db } from "../store/db.ts";

/** People by id, those who have left included. */
export async function peopleOf(db: Db, ids: readonly string[]): Promise<(id: string) => Person> {
  const wanted = [...new Set(ids)];
  const rows =
    wanted.length === 0
      ? []
      : await db.selectFrom("principals").select(["id", "handle", "name"]).where("id", "in", wanted).execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
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
