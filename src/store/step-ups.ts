/** Acts for which somebody is to show anew who they are: each of one session, for one call, for a while. */
import { sql } from "kysely";
import type { PrincipalId, SessionId, StepUpId } from "../base/ids.ts";
import type { Authentication, Demand } from "../domain/authentication.ts";
import { type Db, json, type Tx } from "./db.ts";
import { inForce } from "./sign-in-sessions.ts";

export type StepUp = {
  readonly id: StepUpId;
  readonly session: SessionId;
  readonly principalId: PrincipalId;
  /** Hash of the call. */
  readonly act: string;
  /** In words: `ask for orders-db:fix for 1h`. */
  readonly what: string;
  readonly demand: Demand;
  readonly expiresMs: number;
};

/** What the session knows, for this call; null where it is over. */
export async function authenticationOf(db: Db, session: SessionId, act: string): Promise<Authentication | null> {
  const row = await inForce(db)
    .select(["s.authenticated_at", "s.acr", "s.amr"])
    .select((of) =>
      of
        .selectFrom("step_ups as u")
        .select((one) => one.fn.max("u.passkey_at").as("at"))
        .whereRef("u.session", "=", "s.id")
        .where("u.act", "=", act)
        .as("passkey_at"),
    )
    .where("s.id", "=", session)
    .executeTakeFirst();
  return row === undefined
    ? null
    : { atMs: row.authenticated_at, acr: row.acr, amr: row.amr, passkeyMs: row.passkey_at };
}

type Wanted = Pick<StepUp, "id" | "session" | "act" | "what" | "demand"> & { readonly keptMs: number };

/** Answers until when it can be done. What has long been over is forgotten on the way. */
export async function putStepUp(db: Db, { id, session, act, what, demand, keptMs }: Wanted): Promise<number> {
  await db
    .deleteFrom("step_ups")
    .where("expires_at", "<", sql<number>`clock_timestamp() - interval '1 hour'`)
    .execute();
  const row = await db
    .insertInto("step_ups")
    .values({
      ...{ id, session, act, what },
      demand: json(demand),
      created_at: sql`clock_timestamp()`,
      expires_at: sql`clock_timestamp() + ${keptMs} * interval '1 millisecond'`,
    })
    .returning("expires_at")
    .executeTakeFirstOrThrow();
  return row.expires_at;
}

/** Null: there is none, its time is over, or its session is. */
export async function findStepUp(db: Db | Tx, id: StepUpId): Promise<StepUp | null> {
  const row = await inForce(db)
    .innerJoin("step_ups as u", "u.session", "s.id")
    .innerJoin("principals as p", "p.id", "s.principal_id")
    .select(["u.id", "u.session", "u.act", "u.what", "u.demand", "u.expires_at", "s.principal_id"])
    .where("u.id", "=", id)
    .where("u.expires_at", ">", sql<number>`clock_timestamp()`)
    .where("p.active", "=", true)
    .executeTakeFirst();
  return row === undefined
    ? null
    : {
        id: row.id as StepUpId,
        session: row.session as SessionId,
        principalId: row.principal_id as PrincipalId,
        ...{ act: row.act, what: row.what, demand: row.demand, expiresMs: row.expires_at },
      };
}

export async function setPasskeyShown(tx: Tx, { id, session }: Pick<StepUp, "id" | "session">): Promise<void> {
  const now = { passkey_at: sql<string>`clock_timestamp()` };
  await tx.updateTable("step_ups").set(now).where("id", "=", id).execute();
  await tx.updateTable("sign_in_sessions").set(now).where("id", "=", session).execute();
}
