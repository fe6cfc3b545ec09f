/**
 * A channel: a way out for messages. A new kind of channel is a file beside `webhook.ts`, a line in `channels.ts` and its
 * keys in the configuration; docs/how-to/add-a-channel.md leads through it.
 */
import type { JsonObject } from "../base/canonical.ts";

/** Somebody whom a message is to. */
export type Recipient = {
  readonly id: string;
  readonly handle: string;
  readonly name: string;
  readonly email: string | null;
};

/** A message as channels get it: in words, and as facts. */
export type Outgoing = {
  /** The same at every attempt: who gets it twice can tell by this. */
  readonly id: string;
  readonly kind: string;
  readonly atMs: number;
  readonly text: string;
  readonly next: string | null;
  /** The first hundred of them; `recipients` is how many there are. */
  readonly to: readonly Recipient[];
  readonly recipients: number;
  readonly requestId: string | null;
  readonly grantId: string | null;
  readonly details: JsonObject;
};

export type Sent =
  | { readonly sent: true }
  | {
      readonly sent: false;
      /** For people; holds no secret. */
      readonly why: string;
      /** When the other side wants to be asked again at the earliest. */
      readonly afterMs?: number;
      /** The other side wants nothing any more: the channel rests for a long while. */
      readonly gone?: true;
    };

export interface Channel {
  /** Sends it once. Whatever the other side does is an answer; only a bug throws. The signal is the deadline. */
  send(message: Outgoing, signal: AbortSignal): Promise<Sent>;
}

/** Makes a channel of its settings, secrets resolved. Throws, naming no secret, where they are not good. */
export type OpenChannel = (settings: JsonObject) => Channel;
