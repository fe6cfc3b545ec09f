/** What a process does about its keys while it runs: reads them again, says which it holds, seals anew, signs heads of the log. */
import type { Context } from "../operations/context.ts";
import { forgetHolder, keyHolders, noteHolder, resealAll } from "../store/keys/key-use.ts";
import { type KeySource, readKeys } from "../store/keys/sealing-keys.ts";
import type { Job } from "./runner.ts";
import type { HeadSigner } from "./sign-heads.ts";

export type KeyKeeping = {
  /** Names this process among those that hold keys. */
  readonly process: string;
  readonly source: KeySource;
  readonly heads: HeadSigner;
  readonly log: (what: string, more: Record<string, unknown>) => void;
};

const HOLD_EVERY_MS = 2_000;
const RESEAL_EVERY_MS = 3_000;
/** How often is looked whether the log has grown: so much of its end is under no head when the machine is lost. */
const SIGN_EVERY_MS = 5_000;
const EMERGENCY_EVERY_MS = 1_000;

export const keyJobs = (keeping: KeyKeeping): Job[] => [
  { name: "hold-sealing-keys", everyMs: HOLD_EVERY_MS, run: (context) => holdKeys(context, keeping) },
  { name: "reseal-secrets", everyMs: RESEAL_EVERY_MS, run: (context) => reseal(context, keeping) },
  { name: "sign-audit-head", everyMs: SIGN_EVERY_MS, run: () => keeping.heads.signWhenDue() },
  { name: "sign-after-emergency", everyMs: EMERGENCY_EVERY_MS, run: () => keeping.heads.signAfterEmergency() },
];

/** Reads the key file again, where there is one, and tells the others which keys this process has. */
export async function holdKeys({ db, sealing }: Context, { source, process, log }: KeyKeeping): Promise<void> {
  if (source.kind === "file") {
    const before = sealing.ids.join();
    sealing.replace(readKeys(source));
    if (sealing.ids.join() !== before) log("sealing keys changed", { current: sealing.current.id, keys: sealing.ids });
  }
  await noteHolder(db, process, sealing);
}

/** While processes differ about the current key, a promotion is under way: sealing anew would go to and fro. */
export async function reseal({ db, sealing }: Context, { log }: Pick<KeyKeeping, "log">): Promise<void> {
  const holders = await keyHolders(db);
  if (holders.some(({ current }) => current !== sealing.current.id)) return;
  const { resealed, damaged } = await resealAll(db, sealing);
  if (resealed > 0) log("secrets sealed anew", { resealed, key: sealing.current.id });
  if (damaged > 0) throw new Error(`${damaged} sealed secrets do not open with the key that they name`);
}

/** The last things before the store is closed. */
export async function leaveKeys(context: Context, keeping: KeyKeeping): Promise<void> {
  await keeping.heads.sign();
  await forgetHolder(context.db, keeping.process);
}
