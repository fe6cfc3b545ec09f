/**
 * Signs how far the log is: a checkpoint, once the log was proven to go on from the one before. One after another, so that an
 * older one never takes the place of a newer one.
 */
import type { Context } from "../operations/context.ts";
import { recordSigningKey } from "../operations/record-signing-key.ts";
import { headPosition, signingKeyChanges, tellsOfEmergency } from "../store/audit.ts";
import {
  type Checkpoint,
  type Head,
  headNow,
  type KeptHead,
  keepHead,
  originOf,
  type ReceiptSigner,
  readKeptHead,
  sealWith,
  signHead,
} from "../store/audit-head.ts";
import { signNote, type Verifier, verifierOf } from "../store/keys/signed-note.ts";
import type { SigningKeys } from "../store/keys/signing-key.ts";
import { type HeadLog, holdAgainstHead } from "./hold-against-head.ts";

export type Signing = {
  /** The first signs; with the others it is told that they were followed. */
  readonly signing: SigningKeys;
  readonly dataDir: string;
  readonly alarm: HeadLog;
};

type Due = (kept: Checkpoint, now: Head) => boolean;

/** A log that does not grow gets a head this often all the same, so that a stale one is a sign of trouble. */
const HEAD_AGE_MS_MAX = 60_000;

const always: Due = () => true;
const grown: Due = (kept, now) => now.size !== kept.size;
const grownOrOld: Due = (kept, now) => grown(kept, now) || Date.parse(now.at) - Date.parse(kept.at) >= HEAD_AGE_MS_MAX;

const isCheckpoint = (kept: KeptHead | null): kept is Checkpoint => kept !== null && "note" in kept;

export class HeadSigner {
  readonly #context: Context;
  readonly #signing: Signing;
  #last: Promise<unknown> = Promise.resolve();
  /** How far the log was when it was signed last; null before that. */
  #signedAt: number | null = null;
  /** Up to where nothing waits to be signed at once. */
  #lookedAt = 0;

  constructor(context: Context, signing: Signing) {
    this.#context = context;
    this.#signing = signing;
  }

  /** Null in quarantine: nothing is signed there. */
  sign(due: Due = always): Promise<Checkpoint | null> {
    const next = this.#last.then(() => this.#sign(due));
    this.#last = next.catch(() => undefined);
    return next;
  }

  signWhenDue(): Promise<Checkpoint | null> {
    return this.sign(grownOrOld);
  }

  /** An emergency is under a head at once, not when the next is due. */
  async signAfterEmergency(): Promise<void> {
    const { db } = this.#context;
    if (this.#signedAt === null) return;
    const after = Math.max(this.#signedAt, this.#lookedAt);
    const last = await headPosition(db);
    // While the log does not go on from the kept head nothing is signed: it is looked for again.
    if ((await tellsOfEmergency(db, { after, last })) && (await this.sign(grown)) === null) return;
    this.#lookedAt = last;
  }

  /** Over everything that is committed; in quarantine the last that was signed before. Null where there is none. */
  async latest(): Promise<Checkpoint | null> {
    const signed = await this.sign(grown);
    if (signed !== null) return signed;
    const kept = await readKeptHead(this.#signing.dataDir).catch(() => null);
    return isCheckpoint(kept) ? kept : null;
  }

  /** For receipts, which are over everything that is committed. Null in quarantine. */
  async receiptSigner(): Promise<ReceiptSigner | null> {
    const checkpoint = await this.sign(grown);
    return checkpoint === null ? null : sealWith(checkpoint, this.#signing.signing[0]);
  }

  async #sign(due: Due): Promise<Checkpoint | null> {
    const { signing, dataDir, alarm } = this.#signing;
    const held = await holdAgainstHead(this.#context, dataDir, alarm);
    if (held === null) return null;
    const kept = isCheckpoint(held.kept) ? held.kept : null;
    const isOurs = kept?.by.text === verifierOf(originOf(this.#context.installation), signing[0]).text;
    if (kept !== null && isOurs && !due(kept, held.now)) {
      this.#signedAt = kept.size;
      return kept;
    }
    const now = kept === null || isOurs ? held.now : await this.#afterChange(kept.by, held.now);
    const checkpoint = signHead(now, signing[0]);
    await keepHead(dataDir, checkpoint);
    this.#signedAt = checkpoint.size;
    return checkpoint;
  }

  /** Another key than the last time: the log says so, with the earlier one's word for it where that is still here. */
  async #afterChange(from: Verifier, now: Head): Promise<Head> {
    const { context, signing } = { context: this.#context, signing: this.#signing.signing };
    const name = originOf(context.installation);
    const to = verifierOf(name, signing[0]);
    const told = await signingKeyChanges(context.db);
    if (told.some((change) => change.from === from.text && change.to === to.text)) return now;
    const before = signing.find((key) => verifierOf(name, key).text === from.text);
    const note = before === undefined ? null : signNote(`${name}/next-key\n${to.text}\n${now.at}\n`, name, before);
    await recordSigningKey(context, { from: from.text, to: to.text, note });
    return headNow(context.db, context.installation);
  }
}
