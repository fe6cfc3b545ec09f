/** Passkeys: their public halves. A removed one stays as a row, so that the log can be read and nobody adds it again. */
import { type Selectable, type SqlBool, sql } from "kysely";
import { hashOf } from "../base/hash.ts";
import type { PasskeyId, PrincipalId, SessionId, StepUpId } from "../base/ids.ts";
import { type Db, json, type Tables, type Tx } from "./db.ts";

export type Passkey = {
  readonly id: PasskeyId;
  readonly principalId: PrincipalId;
  readonly name: string;
  readonly credentialId: string;
  readonly publicKey: Buffer;
  readonly counter: number;
  readonly transports: readonly string[];
  readonly createdMs: number;
  readonly usedMs: number | null;
};
export type NewPasskey = Omit<Passkey, "id" | "principalId" | "createdMs" | "usedMs">;

const good = (db: Db | Tx) => db.selectFrom("passkeys").selectAll().where("removed_at", "is", null);

export async function passkeysOf(db: Db | Tx, id: PrincipalId): Promise<Passkey[]> {
  return (await good(db).where("principal_id", "=", id).orderBy("created_at").execute()).map(toPasskey);
}

export async function findPasskey(db: Db | Tx, id: PasskeyId): Promise<Passkey | null> {
  const row = await good(db).where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : toPasskey(row);
}

export async function passkeyByCredential(db: Db | Tx, credentialId: string): Promise<Passkey | null> {
  const row = await good(db).where("credential_id", "=", credentialId).executeTakeFirst();
  return row === undefined ? null : toPasskey(row);
}

/** False where somebody has it, or had it. */
export async function putPasskey(tx: Tx, id: PasskeyId, of: PrincipalId, made: NewPasskey): Promise<boolean> {
  const { numInsertedOrUpdatedRows = 0n } = await tx
    .insertInto("passkeys")
    .values({
      ...{ id, principal_id: of, name: made.name, credential_id: made.credentialId },
      ...{ public_key: made.publicKey, counter: made.counter, transports: json(made.transports) },
      created_at: sql`clock_timestamp()`,
    })
    .onConflict((conflict) => conflict.column("credential_id").doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows > 0n;
}

/** Whether it counted on. Of two that say the same number only one does; where it never counts, both zero, it is taken as it is. */
export async function usePasskey(tx: Tx, id: PasskeyId, counter: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("passkeys")
    .set({ counter, used_at: sql`clock_timestamp()` })
    .where("id", "=", id)
    .where("removed_at", "is", null)
    .where(sql<SqlBool>`(counter < ${counter} or (counter = 0 and ${counter} = 0))`)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Whether it was this call that removed it. */
export async function removePasskeyRow(tx: Tx, id: PasskeyId): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("passkeys")
    .set({ removed_at: sql`clock_timestamp()` })
    .where("id", "=", id)
    .where("removed_at", "is", null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

type For = { readonly session: SessionId; readonly stepUp: StepUpId | null };

/** What has long been over is forgotten on the way. */
export async function putChallenge(db: Db, challenge: string, { session, stepUp }: For, keptMs: number): Promise<void> {
  await db.deleteFrom("passkey_challenges").where("expires_at", "<", sql<number>`clock_timestamp()`).execute();
  await db
    .insertInto("passkey_challenges")
    .values({
      ...{ hash: hashOf(challenge), session, step_up: stepUp },
      expires_at: sql`clock_timestamp() + ${keptMs} * interval '1 millisecond'`,
    })
    .execute();
}

/** True the first time, in time, for what it was made for: false ever after. */
export async function useChallenge(db: Db, challenge: string, { session, stepUp }: For): Promise<boolean> {
  const row = await db
    .deleteFrom("passkey_challenges")
    .where("hash", "=", hashOf(challenge))
    .where("session", "=", session)
    .where("step_up", stepUp === null ? "is" : "=", stepUp)
    .returning(sql<boolean>`expires_at > clock_timestamp()`.as("in_time"))
    .executeTakeFirst();
  return row?.in_time === true;
}

type Row = Omit<Selectable<Tables["passkeys"]>, "removed_at">;

const toPasskey = (row: Row): Passkey => ({
  id: row.id as PasskeyId,
  principalId: row.principal_id as PrincipalId,
  name: row.name,
  credentialId: row.credential_id,
  publicKey: row.public_key,
  counter: Number(row.counter),
  transports: row.transports,
  createdMs: row.created_at,
  usedMs: row.used_at,
});
