import { sha256Hex } from "./hash.ts";

const TOKEN_BYTES = 32;
/** Says what it is to whoever finds one, and to programs that look for secrets in places where none belong. */
const PREFIX = "tgt_";

/** A bearer token: 256 random bits. It is shown once; only its hash is kept. */
export const newToken = (): string =>
  `${PREFIX}${Buffer.from(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))).toString("base64url")}`;

/** `sha256:<64 hex>` of the whole token, prefix included. Enough for 256 random bits: there is nothing to guess. */
export const hashToken = (token: string): string => `sha256:${sha256Hex(token)}`;
