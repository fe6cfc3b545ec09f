import { signingKeyChanges } from "../store/audit.ts";
import { signingKeyNow } from "../store/installation.ts";
import { type SqlTransacting, transact } from "./transact.ts";

export type Follows = {
  readonly to: string;
  /** What signed the head that is kept here; null for none. */
  readonly kept: string | null;
  /** The earlier key's signature over this one; null where it is not at hand. */
  readonly noteBy: (from: string) => string | null;
};

/** This key signs heads of the log from now on. Each but the first is in the log, with the earlier one's signature over it. */
export async function recordSigningKey(context: SqlTransacting, { to, kept, noteBy }: Follows): Promise<void> {
  const actor = { system: "installation" as const };
  await transact(context, { operation: "record-signing-key", actor }, async ({ tx, apply }) => {
    const last = await signingKeyNow(tx.sql, true);
    // A store of before knows it from its log alone.
    const from = last ?? (await signingKeyChanges(tx.sql)).at(-1)?.to ?? kept ?? to;
    const data = { from, to, note: noteBy(from) };
    if (from !== to)
      await apply({ entries: [{ kind: "key.signing-changed", actor, refs: {}, data }] }, await tx.nowMs());
    await tx.sql.updateTable("installation").set({ signing_key: to }).execute();
    return null;
  });
}
