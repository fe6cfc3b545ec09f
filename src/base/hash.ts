import { hash, timingSafeEqual } from "node:crypto";
import { canonicalJson } from "./canonical.ts";

/** SHA-256 as its 32 bytes. */
export const sha256 = (data: Uint8Array): Uint8Array => hash("sha256", data, "buffer");

/** SHA-256 as lower-case hex. */
export const sha256Hex = (data: string | Uint8Array): string => hash("sha256", data, "hex");

/** The hash of a value's canonical JSON: equal values, equal hashes, whatever the order of their keys. */
export const hashOf = (value: unknown): string => sha256Hex(canonicalJson(value));

/** Whether two texts are the same, in time that does not depend on where they differ. */
export function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(sha256Hex(a)), Buffer.from(sha256Hex(b))];
  return timingSafeEqual(x, y);
}
