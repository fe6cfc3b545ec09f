/** How people sign in through their company's provider, as the configuration declares it, and who somebody is by what it says. */
import type { Json, JsonObject } from "../base/canonical.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { isName } from "./entitlement.ts";
import type { Transmitter } from "./signal.ts";

/** Which claim of the provider says what; null: nothing says it. */
export type ClaimNames = {
  readonly handle: string;
  readonly name: string;
  readonly email: string;
  readonly groups: string | null;
  readonly type: string | null;
  readonly manager: string | null;
};

export type IdentityProvider = {
  readonly name: string;
  /** What people read on the page. */
  readonly title: string;
  /** Compared letter by letter; with the subject it is who somebody is. */
  readonly issuer: string;
  readonly clientId: string;
  /** `clientSecret` as it is written, with its reference; empty for a public client. */
  readonly settings: JsonObject;
  readonly scopes: readonly string[];
  readonly claims: ClaimNames;
  /** Group there → group here, and no others; null: as they are called there. */
  readonly groups: Readonly<Record<string, string>> | null;
  /** Where it tells of people and groups by itself. */
  readonly scim?: Scim;
};

/** SCIM, sent by the provider. Who may sign in, and with which groups, is then what it says there. */
export type Scim = {
  /** `tokens` as they are written, with their references: any of them opens SCIM for this provider, and nothing else. */
  readonly settings: JsonObject;
  /** The claim that says who signs in as the `externalId` of SCIM does. */
  readonly claim: string;
};
/** Shorter ones could be guessed, and others cannot be sent: they open nothing. */
export const SCIM_TOKEN = /^(?=.{32})[a-z0-9._~+/-]+=*$/i;
export type ScimProvider = IdentityProvider & { readonly scim: Scim };

export const hasScim = (provider: IdentityProvider): provider is ScimProvider => provider.scim !== undefined;

export type Identity = {
  /** Where browsers reach Tidegate: an origin, nothing after it. */
  readonly url: string;
  readonly providers: readonly IdentityProvider[];
  readonly sessions: { readonly idleMs: number; readonly longestMs: number };
  /** Who may say, without being asked, that somebody's session is over; absent: nobody. */
  readonly signals?: readonly Transmitter[];
};

/** Somebody declared in the file, as a provider knows them. */
export type DeclaredIdentity = {
  readonly provider: string;
  readonly subject: string;
  /** Their `externalId` in SCIM: where it says that they have left, they have. */
  readonly scim?: string;
};

/** Who signs in, by what their provider says. */
export type Profile = {
  readonly subject: string;
  /** Who they are in SCIM, where the provider sends it. */
  readonly externalId: string;
  /** What they would like to be called; it may be taken. */
  readonly handle: string;
  readonly name: string;
  readonly email: string | null;
  readonly type: string;
  readonly groups: readonly string[];
  readonly manager: string | null;
};

const SUBJECT_CHARS_MAX = 255;
export const WORD_CHARS_MAX = 200;
const HANDLE_CHARS_MAX = 56;
export const GROUPS_MAX = 1_000;

/** Reads the claims, or says why nobody is let in by them. What they hold is not repeated. */
export function profileOf(claims: JsonObject, provider: IdentityProvider): Profile | Refusal {
  const { claims: names } = provider;
  const subject = claims["sub"];
  if (typeof subject !== "string" || subject === "" || subject.length > SUBJECT_CHARS_MAX || !isPlain(subject))
    return no(provider, "it names nobody whom Tidegate could know (claim sub)");
  const groups = groupsOf(claims, provider);
  if (!Array.isArray(groups)) return groups as Refusal;
  const word = (name: string | null): string => (name === null ? "" : wordOf(claimOf(claims, name)));
  const externalId = provider.scim === undefined ? subject : word(provider.scim.claim);
  if (externalId === "") return no(provider, `it does not say who of its SCIM you are (claim ${provider.scim?.claim})`);
  const manager = handleOf(word(names.manager));
  const email = word(names.email);
  const handle = handleOf(word(names.handle)) || handleOf(email) || "person";
  return {
    subject,
    externalId,
    handle,
    name: word(names.name) || handle,
    email: /^[^\s@]+@[^\s@]+$/.test(email) ? email : null,
    type: word(names.type),
    groups,
    manager: manager === "" ? null : manager,
  };
}

/** Fails closed: a deny rule counts on the groups that somebody is in, so none at all is no answer. */
function groupsOf(claims: JsonObject, provider: IdentityProvider): string[] | Refusal {
  const { groups: name } = provider.claims;
  // With SCIM, groups are what it says.
  if (name === null || hasScim(provider)) return [];
  const said = claimOf(claims, name);
  if (said === undefined)
    return no(
      provider,
      `it says nothing of your groups (claim ${name}). An admin of the provider adds it to the token`,
    );
  const list = Array.isArray(said) ? said : [said];
  if (list.length > GROUPS_MAX)
    return no(
      provider,
      `it names ${list.length.toLocaleString("en")} groups (claim ${name}), and ${GROUPS_MAX.toLocaleString("en")} are the most. An admin of the provider sends only those that Tidegate needs`,
    );
  const texts = list.filter((one) => typeof one === "string");
  if (texts.length < list.length || texts.some((one) => !isWord(one)))
    return no(provider, `a group in it is no name (claim ${name})`);
  const { groups: mapped } = provider;
  const known =
    mapped === null ? texts : texts.flatMap((one) => (Object.hasOwn(mapped, one) ? (mapped[one] ?? []) : []));
  return [...new Set(known)].sort();
}

/** `groups`, or a way into it: `realm_access.roles`. A claim of that very name comes first, for names may hold dots. */
export function claimOf(claims: JsonObject, name: string): Json | undefined {
  if (Object.hasOwn(claims, name)) return claims[name];
  let at: Json | undefined = claims;
  for (const part of name.split(".")) {
    if (typeof at !== "object" || at === null || Array.isArray(at) || !Object.hasOwn(at, part)) return undefined;
    at = (at as JsonObject)[part];
  }
  return at;
}

/** Whether something that is asked for is not among the claims, so that it is worth asking the provider once more. */
export const lacksClaims = (claims: JsonObject, { claims: names }: IdentityProvider): boolean =>
  Object.values(names).some((name) => name !== null && claimOf(claims, name) === undefined);

const wordOf = (value: Json | undefined): string => (typeof value === "string" && isWord(value) ? value.trim() : "");
export const isWord = (text: string): boolean => text.trim() !== "" && text.length <= WORD_CHARS_MAX && isPlain(text);
const isPlain = (text: string): boolean => text.isWellFormed() && !/\p{Cc}/u.test(text);

/** `Alice.Archer@example.com` → `alice.archer`; empty where nothing of it could be a handle. */
export function handleOf(text: string): string {
  const plain = (text.split("@")[0] ?? "")
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/\p{M}/gu, "")
    .replaceAll(/[^a-z0-9_.-]+/g, "-")
    .replaceAll(/^[^a-z0-9]+|[-.]+$/g, "")
    .slice(0, HANDLE_CHARS_MAX);
  return isName(plain) ? plain : "";
}

/** The handle, or with a number where somebody else has it. */
export function freeHandle(wanted: string, isTaken: (handle: string) => boolean): string {
  let handle = wanted;
  for (let number = 2; isTaken(handle); number += 1) handle = `${wanted}-${number}`;
  return handle;
}

const no = ({ title }: IdentityProvider, why: string): Refusal =>
  refuse("sign-in-refused", `${title} signed you in, but ${why}.`);

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** What is wrong with an address of a provider, or of Tidegate itself; null where nothing is. */
export function whyNoWebAddress(written: string): string | null {
  const url = URL.parse(written);
  if (url === null || !["http:", "https:"].includes(url.protocol)) return "is not an https:// address";
  if (url.username !== "" || url.password !== "") return "holds a user or a password";
  if (url.search !== "" || url.hash !== "") return "has something after its path";
  if (url.protocol === "http:" && !LOOPBACK.test(url.hostname)) return "must be https://, but for this very machine";
  return null;
}
