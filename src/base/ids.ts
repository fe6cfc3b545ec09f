/**
 * Identifiers: a prefix that says what is named, and 80 random bits in Crockford's base 32, lower case; of entries and messages
 * 70 random bits, and a number. Nobody is let in for knowing one.
 * They never hold meaning, never change and are never given twice.
 */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

export type PrincipalId = Brand<string, "principal">;
export type RequestId = Brand<string, "request">;
export type ReviewId = Brand<string, "review">;
export type CommentId = Brand<string, "comment">;
export type BundleId = Brand<string, "bundle">;
export type GrantId = Brand<string, "grant">;
export type LeaseId = Brand<string, "lease">;
export type SecretId = Brand<string, "secret">;
export type PanicId = Brand<string, "panic">;
export type TokenId = Brand<string, "token">;
export type SessionId = Brand<string, "session">;
export type PasskeyId = Brand<string, "passkey">;
export type StepUpId = Brand<string, "step-up">;
export type ScimUserId = Brand<string, "scim-user">;
export type ScimGroupId = Brand<string, "scim-group">;
export type EntryId = Brand<string, "entry">;
export type MessageId = Brand<string, "message">;
export type FindingId = Brand<string, "finding">;
/** Eight characters, in every name on a target: two installations never touch each other's. */
export type InstallationId = Brand<string, "installation">;

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const ID_CHARS = 16;
const INSTALLATION_CHARS = 8;

/**
 * Random bytes are asked for in one piece for many ids: the asking costs more than the bytes. They serve only while whoever gave
 * them is the one to ask: a simulated history brings its own chance.
 */
const POOL_BYTES = 1_024;
const giver = (): unknown => Reflect.get(crypto, "getRandomValues");
const pool = { bytes: new Uint8Array(0), used: 0, of: giver() };

function random(chars: number): string {
  const of = giver();
  if (pool.of !== of || pool.used + chars > pool.bytes.length)
    Object.assign(pool, { bytes: crypto.getRandomValues(new Uint8Array(POOL_BYTES)), used: 0, of });
  let text = "";
  for (const byte of pool.bytes.subarray(pool.used, pool.used + chars)) text += ALPHABET.charAt(byte & 31);
  pool.used += chars;
  return text;
}

/** How many ids follow one another: as many as two characters can tell. */
const RUN = ALPHABET.length ** 2;
const ENDINGS = Array.from(
  { length: RUN },
  (_, n) => `${ALPHABET[Math.floor(n / ALPHABET.length)]}${ALPHABET[n % ALPHABET.length]}`,
);

/**
 * Ids that follow one another, from wherever chance begins, and from elsewhere after 1,024: rows that are written after one
 * another lie beside one another in the indexes of the store, which is a tenth of what writing one costs it (docs/rfd/0003-how-fast.md).
 */
function following(): () => string {
  let run = { head: "", given: RUN, of: giver() };
  return () => {
    if (run.given === RUN || run.of !== giver()) run = { head: random(ID_CHARS - 2), given: 0, of: giver() };
    const ending = ENDINGS[run.given];
    run.given += 1;
    return `${run.head}${ending}`;
  };
}

function kind<Id extends string>(prefix: string, next = (): string => random(ID_CHARS)) {
  const shape = new RegExp(`^${prefix}_[${ALPHABET}]{${ID_CHARS}}$`);
  return {
    make: (): Id => `${prefix}_${next()}` as Id,
    /** The id, or null when the text is not one. */
    parse: (text: string): Id | null => (shape.test(text) ? (text as Id) : null),
  };
}

export const principalId = kind<PrincipalId>("pr");
export const requestId = kind<RequestId>("rq");
export const reviewId = kind<ReviewId>("rv");
export const commentId = kind<CommentId>("cm");
export const bundleId = kind<BundleId>("bn");
export const grantId = kind<GrantId>("gr");
export const leaseId = kind<LeaseId>("le");
export const secretId = kind<SecretId>("sc");
export const panicId = kind<PanicId>("pn");
export const tokenId = kind<TokenId>("tk");
export const sessionId = kind<SessionId>("se");
export const passkeyId = kind<PasskeyId>("pk");
export const stepUpId = kind<StepUpId>("up");
export const scimUserId = kind<ScimUserId>("su");
export const scimGroupId = kind<ScimGroupId>("sg");
export const entryId = kind<EntryId>("en", following());
export const messageId = kind<MessageId>("ms", following());
export const findingId = kind<FindingId>("df");

export const newInstallationId = (): InstallationId => random(INSTALLATION_CHARS) as InstallationId;

/** The part of an id after its prefix, for names on targets that must be short. */
export const bareId = (id: string): string => id.slice(id.indexOf("_") + 1);
