import { type Transacting, transact } from "./transact.ts";

/** A sealing key was added, became the current one, or left the ring: in the log, by its fingerprint. */
export async function recordKeyChange(
  context: Transacting,
  kind: "key.added" | "key.promoted" | "key.forgotten",
  key: string,
  osUser: string,
): Promise<void> {
  const actor = { system: "local-command" as const };
  await transact(context, { operation: "record-key-change", actor }, async ({ tx, apply }) => {
    const entry = { kind, actor, refs: {}, data: { key }, personal: { osUser } };
    await apply({ entries: [entry] }, await tx.nowMs());
    return null;
  });
}
