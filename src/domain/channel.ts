/** Where messages go out, as the configuration declares it. */
import type { JsonObject } from "../base/canonical.ts";
import type { MessageKind } from "./message.ts";

export const CHANNEL_KINDS = ["webhook"] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

export type DeclaredChannel = {
  readonly name: string;
  readonly channel: ChannelKind;
  /** What the kind of channel needs, with secrets as references. */
  readonly settings: JsonObject;
  /** The messages that it takes; null: all. */
  readonly kinds: readonly MessageKind[] | null;
};

/** As an address or a URL has it. */
export const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;

/** What is wrong with the address of a webhook; null where nothing is. Never repeats it: it may hold a secret. */
export function whyNoWebhookUrl(written: string): string | null {
  const url = URL.parse(written);
  if (url === null || !["http:", "https:"].includes(url.protocol)) return "is not an https:// address";
  if (url.username !== "" || url.password !== "")
    return "holds a user or a password; the receiver is shown a signature";
  // In the clear anybody on the way reads who asks for what, and why.
  if (url.protocol === "http:" && !LOOPBACK.test(url.hostname)) return "must be https://, but for this very machine";
  return null;
}

/** Bytes of a key of https://www.standardwebhooks.com: between 24 and 64 of them. */
const KEY_BYTES = { min: 24, max: 64 } as const;

/** The keys in a secret as it is written: one, or several with blanks between them, while one is changed for another. Null where it is none. */
export function webhookKeys(written: string): Uint8Array[] | null {
  const parts = written.split(/\s+/).filter((part) => part !== "");
  const keys = parts.map((part) => {
    if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(part) || part.replace(/=+$/, "").slice(6).length % 4 === 1) return null;
    const key = Uint8Array.from(atob(part.slice(6)), (char) => char.charCodeAt(0));
    return key.length >= KEY_BYTES.min && key.length <= KEY_BYTES.max ? key : null;
  });
  return keys.length > 0 && keys.every((key) => key !== null) ? keys : null;
}

export const NO_WEBHOOK_KEY = `is not whsec_ and the base64 of ${KEY_BYTES.min} to ${KEY_BYTES.max} random bytes`;
