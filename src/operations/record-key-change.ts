import { databaseNowMs } from "../store/db.ts";
import { type Ledger, transact } from "./transact.ts";

/** A sealing key was added, became the current one, or left the ring: in the log, by its fingerprint. */
export async function recordKeyChange(
  ledger: Ledger,
  kind: "key.added" | "key.promoted" | "key.forgotten",
  key: string,
  osUser: string,
): Promise<void> {
  const actor = { system: "local-command" as const };
  await transact(ledger, { operation: "record-key-change", actor }, async ({ tx, apply }) => {
    const entry = { kind, actor, refs: {}, data: { key }, personal: { osUser } };
    await apply({ entries: [entry] }, await databaseNowMs(tx));
    return null;
  });
}
