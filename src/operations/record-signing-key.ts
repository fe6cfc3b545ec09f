import type { SigningKeyChange } from "../store/audit.ts";
import { type Transacting, transact } from "./transact.ts";

/** Heads of the log are signed with another key from now on: in the log, with the earlier key's signature over the new one. */
export async function recordSigningKey(context: Transacting, change: SigningKeyChange): Promise<void> {
  const actor = { system: "installation" as const };
  await transact(context, { operation: "record-signing-key", actor }, async ({ tx, apply }) => {
    await apply({ entries: [{ kind: "key.signing-changed", actor, refs: {}, data: { ...change } }] }, await tx.nowMs());
    return null;
  });
}
