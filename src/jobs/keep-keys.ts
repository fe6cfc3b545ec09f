/** What a process does about its keys while it runs: reads them again, says which it holds, seals anew, signs heads of the log. */
import type { Context } from "../operations/context.ts";
import { type HeadStatement, keepHead, signHead } from "../store/audit-head.ts";
import { forgetHolder, keyHolders, noteHolder, resealAll } from "../store/keys/key-use.ts";
import { type KeySource, readKeys } from "../store/keys/sealing-keys.ts";
import type { SigningKey } from "../store/keys/signing-key.ts";
import { type HeadLog, holdAgainstHead } from "./hold-against-head.ts";
import type { Job } from "./runner.ts";

export type KeyKeeping = {
  /** Names this process among those that hold keys. */
  readonly process: string;
  readonly source: KeySource;
  readonly signing: SigningKey;
  readonly dataDir: string;
  readonly log: (what: string, more: Record<string, unknown>) => void;
  readonly alarm: HeadLog;
};

const HOLD_EVERY_MS = 2_000;
const RESEAL_EVERY_MS = 3_000;
/** How often is looked whether the log has grown: so much of its end is under no head when the machine is lost. */
const SIGN_EVERY_MS = 5_000;
/** A log that does not grow gets a head this often all the same, so that a stale one is a sign of trouble. */
const HEAD_AGE_MS_MAX = 60_000;

export const keyJobs = (keeping: KeyKeeping): Job[] => [
  { name: "hold-sealing-keys", everyMs: HOLD_EVERY_MS, run: (context) => holdKeys(context, keeping) },
  { name: "reseal-secrets", everyMs: RESEAL_EVERY_MS, run: (context) => reseal(context, keeping) },
  { name: "sign-audit-head", everyMs: SIGN_EVERY_MS, run: (context) => signWhenDue(context, keeping) },
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

/** Signs how far the log is, once it has been seen to go on from the head that was signed before. */
async function signNow(context: Context, keeping: KeyKeeping, due = always): Promise<void> {
  const held = await holdAgainstHead(context, keeping.dataDir, keeping.alarm);
  if (held === null || (held.kept !== null && !due(held.kept, held.now))) return;
  await keepHead(keeping.dataDir, signHead(held.now, keeping.signing));
}

const always = (_kept: HeadStatement, _now: HeadStatement): boolean => true;
const signWhenDue = (context: Context, keeping: KeyKeeping): Promise<void> =>
  signNow(
    context,
    keeping,
    (kept, now) => now.position !== kept.position || Date.parse(now.at) - Date.parse(kept.at) >= HEAD_AGE_MS_MAX,
  );

/** The last things before the store is closed. */
export async function leaveKeys(context: Context, keeping: KeyKeeping): Promise<void> {
  await signNow(context, keeping);
  await forgetHolder(context.db, keeping.process);
}
