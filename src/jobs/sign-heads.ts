/**
 * Signs how far the log is: a checkpoint, once the log was proven to go on from the one before. One after another, so that an
 * older one never takes the place of a newer one.
 */
import type { Context } from "../operations/context.ts";
import { recordSigningKey } from "../operations/record-signing-key.ts";
import { headPosition, sequenceAll, tellsOfEmergency } from "../store/audit.ts";
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
import { signingKeyNow } from "../store/installation.ts";
import { signNote, verifierOf } from "../store/keys/signed-note.ts";
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

const FOLLOWED = "another replica has another key, and this one signs no more: share TIDEGATE_SIGNING_KEY_FILE";

const always: Due = () => true;
const grown: Due = (kept, now) => now.size !== kept.size;
const grownOrOld: Due = (kept, now) => grown(kept, now) || Date.parse(now.at) - Date.parse(kept.at) >= HEAD_AGE_MS_MAX;

const isCheckpoint = (kept: KeptHead | null): kept is Checkpoint => kept !== null && "note" in kept;

export class HeadSigner {
  readonly #context: Context;
  readonly #signing: Signing;
  readonly #key: string;
  #last: Promise<unknown> = Promise.resolve();
  /** How far the log was when it was signed last; null before that. */
  #signedAt: number | null = null;
  /** Null until it has signed; false once another replica's key came after this one. */
  #signs: boolean | null = null;
  /** Up to where nothing waits to be signed at once. */
  #lookedAt = 0;

  constructor(context: Context, signing: Signing) {
    this.#context = context;
    this.#signing = signing;
    this.#key = verifierOf(originOf(context.installation), signing.signing[0]).text;
  }

  /** Null in quarantine, and where another replica's key came after this one: nothing is signed there. */
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

  /** Over everything that is committed; where nothing is signed now the last that was signed before. Null where there is none. */
  async latest(): Promise<Checkpoint | null> {
    const signed = await this.sign(grown);
    if (signed !== null) return signed;
    const kept = await readKeptHead(this.#signing.dataDir).catch(() => null);
    return isCheckpoint(kept) ? kept : null;
  }

  /** For receipts, which are over everything that is committed. Null where nothing is signed. */
  async receiptSigner(): Promise<ReceiptSigner | null> {
    const checkpoint = await this.sign(grown);
    return checkpoint === null ? null : sealWith(checkpoint, this.#signing.signing[0]);
  }

  async #sign(due: Due): Promise<Checkpoint | null> {
    const { signing, dataDir, alarm } = this.#signing;
    const held = await holdAgainstHead(this.#context, dataDir, alarm);
    if (held === null) {
      // What comes after a quarantine may be an older store, that knows nothing of this key.
      this.#signs = null;
      return null;
    }
    const kept = isCheckpoint(held.kept) ? held.kept : null;
    const signs = await signingKeyNow(this.#context.db);
    const isOurs = signs === this.#key;
    // Two that take turns would write an entry for each head, and a witness knows one key. Who starts goes on with its own: the
    // last one may be lost.
    if (!isOurs && this.#signs !== null) {
      if (this.#signs) alarm("error", FOLLOWED, { signs });
      this.#signs = false;
      return null;
    }
    const now = isOurs ? held.now : await this.#afterTelling(kept, held.now);
    const isDue = kept?.by.text !== this.#key || !isOurs || due(kept, now);
    const checkpoint = isDue ? signHead(now, signing[0]) : kept;
    if (isDue) await keepHead(dataDir, checkpoint);
    this.#signs = true;
    this.#signedAt = checkpoint.size;
    return checkpoint;
  }

  /** Another key than the last one: the log says so first, with the earlier one's word for it where that is still here. */
  async #afterTelling(kept: Checkpoint | null, { at }: Head): Promise<Head> {
    const { db, installation } = this.#context;
    const name = originOf(installation);
    const noteBy = (from: string): string | null => {
      const before = this.#signing.signing.find((key) => verifierOf(name, key).text === from);
      return before === undefined ? null : signNote(`${name}/next-key\n${this.#key}\n${at}\n`, name, before);
    };
    await recordSigningKey(this.#context, { to: this.#key, kept: kept?.by.text ?? null, noteBy });
    await sequenceAll(db);
    return headNow(db, installation);
  }
}
