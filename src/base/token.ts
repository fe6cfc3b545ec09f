import { createHmac } from "node:crypto";
import { sha256Hex } from "./hash.ts";

const TOKEN_BYTES = 32;
/** Says what it is to whoever finds one, and to programs that look for secrets in places where none belong. */
const PREFIX = "tgt_";
/** Of a command line that somebody signed in. */
const SESSION_PREFIX = "tgs_";

const randomText = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))).toString("base64url");

/** 256 random bits, as text: a secret, of which only a hash is kept. */
export const newSecretText = (): string => randomText();

/** As many, which are no secret: they lie in the store in the clear, and tell nothing to who lacks what they are put to. */
export const newSalt = (): string => randomText();

/** A bearer token: 256 random bits. It is shown once; only its hash is kept. */
export const newToken = (): string => `${PREFIX}${newSecretText()}`;

/** The same for a session that the command line holds. */
export const newSessionToken = (): string => `${SESSION_PREFIX}${newSecretText()}`;
export const isSessionToken = (token: string): boolean => token.startsWith(SESSION_PREFIX);

/** The token that comes after this one: the same for the same salt, and for nobody to work out who lacks one of the two. */
export const tokenAfter = (token: string, salt: string): string =>
  `${SESSION_PREFIX}${createHmac("sha256", token).update(salt).digest("base64url")}`;

/** `sha256:<64 hex>` of the whole token, prefix included. Enough for 256 random bits: there is nothing to guess. */
export const hashToken = (token: string): string => `sha256:${sha256Hex(token)}`;
