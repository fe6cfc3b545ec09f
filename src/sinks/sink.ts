/**
 * A sink: somewhere the audit log goes, entry by entry. A new kind is a file beside `file.ts`, a line in `sinks.ts`, and its
 * settings in `src/domain/sink.ts` and the configuration.
 */
import type { JsonObject } from "../base/canonical.ts";
import type { InstallationId } from "../base/ids.ts";
import type { Sent } from "../notify/channel.ts";

export type Entry = {
  readonly seq: number;
  readonly kind: string;
  /** RFC 3339. */
  readonly at: string;
  /** Who did it: the id of a principal, or a part of Tidegate. */
  readonly actor: string;
  /** Canonical, as it is in the log. */
  readonly leaf: string;
  /** With its position, and the personal texts where the sink gets them: a line of an export. */
  readonly line: string;
};

/** Entries one after another, at least one. */
export type Batch = {
  readonly installation: InstallationId;
  readonly personal: boolean;
  readonly entries: readonly Entry[];
};

export interface Sink {
  /**
   * Sends all of it once, in its order. `sent` says that the other side has it, as far as its way of speaking can tell.
   * Whatever the other side does is an answer; only a bug throws. The signal is the deadline.
   */
  send(batch: Batch, signal: AbortSignal): Promise<Sent>;
}

/** Makes a sink of its settings, secrets resolved. Throws, naming no secret, where they are not good. */
export type OpenSink = (settings: JsonObject) => Sink;
