/**
 * An anchor: somewhere outside where signed checkpoints of the log are kept, out of the reach of whoever can rewrite it here.
 * A new kind is a file beside `git.ts`, a line in `anchors.ts`, and its settings in `src/domain/sink.ts` and the configuration.
 */
import type { JsonObject } from "../base/canonical.ts";
import type { Hash } from "../base/merkle.ts";
import type { Sent } from "../notify/channel.ts";
import type { Checkpoint } from "../store/audit-head.ts";

/** What came of it; of a witness also the checkpoint with its signature. */
export type Anchored = Sent & { readonly note?: string };

export interface Anchor {
  /** Brings it there once. `before` is the size that was brought last. Whatever the other side does is an answer. */
  put(checkpoint: Checkpoint, before: number, signal: AbortSignal): Promise<Anchored>;
}

/** Proves that the log of the second size goes on from that of the first. */
export type Prove = (first: number, second: number) => Promise<readonly Hash[]>;

/** Makes an anchor of its settings, secrets resolved. Throws, naming no secret, where they are not good. */
export type OpenAnchor = (settings: JsonObject, prove: Prove) => Anchor;
