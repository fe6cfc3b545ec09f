/** `principals:` — people and services that the file itself declares. */
import { parseTimestamp } from "../base/clock.ts";
import { given } from "../base/given.ts";
import type { DeclaredPrincipal, DeclaredToken } from "../domain/configuration.ts";
import type { DeclaredIdentity } from "../domain/identity.ts";
import { ROLES, type Role } from "../domain/principal.ts";
import type { Workload } from "../domain/workload.ts";
import { FORMAT } from "./format.ts";
import { EMAIL_PATTERN, HASH_PATTERN, keysOf, ON_CALL_TIER_MAX, WORD_CHARS_MAX } from "./format-words.ts";
import { readIdentities } from "./read-identity.ts";
import { readScopes } from "./read-scopes.ts";
import { readGroups } from "./read-sources.ts";
import { readWorkloads } from "./read-workloads.ts";
import type { Reading, Value } from "./reading.ts";

const EMAIL = new RegExp(EMAIL_PATTERN);
const HASH = new RegExp(HASH_PATTERN);

export function readPrincipals(reading: Reading, value: Value): DeclaredPrincipal[] {
  const principals: DeclaredPrincipal[] = [];
  /** Whose a token is, by its hash. One token of two people could not say who came. */
  const holders = new Map<string, string>();
  for (const [handle, member] of reading.named(value, "a person") ?? []) {
    const principal = readPrincipal(reading, handle, member, holders);
    if (principal !== null) principals.push(principal);
  }
  return principals;
}

function readPrincipal(
  reading: Reading,
  handle: string,
  value: Value,
  holders: Map<string, string>,
): DeclaredPrincipal | null {
  const fields = reading.fields(value, keysOf(FORMAT.principal));
  if (fields === null) return null;
  const read = <T>(key: string, how: (member: Value) => T | null, otherwise: T): T => {
    const member = fields.optional(key);
    return member === null ? otherwise : (how(member) ?? otherwise);
  };
  const roles = read("roles", (member) => readRoles(reading, member), [] as Role[]);
  const identities = read("identities", (member) => readIdentities(reading, member), [] as DeclaredIdentity[]);
  const workloads = read("workloads", (member) => readWorkloads(reading, member), [] as Workload[]);
  const kind = read<"user" | "service">("kind", (member) => reading.choice(member, ["user", "service"]), "user");
  if (kind === "user" && workloads.length > 0)
    reading.wrong(value.at, `${handle} is a person, and jobs are services`, "write kind: service");
  const manager = read<string | null>("manager", (member) => reading.name(member, "a person"), null);
  return {
    ...(manager === null ? {} : { manager }),
    ...(identities.length === 0 ? {} : { identities }),
    ...(workloads.length === 0 ? {} : { workloads }),
    handle,
    kind,
    name: read("name", (member) => reading.filled(member, WORD_CHARS_MAX), handle),
    email: read<string | null>("email", (member) => readEmail(reading, member), null),
    type: read("type", (member) => reading.text(member, WORD_CHARS_MAX), ""),
    groups: read("groups", (member) => readGroups(reading, member), [] as string[]),
    roles: ROLES.filter((role) => role === "member" || roles.includes(role)),
    onCallTier: read("oncall_tier", (member) => reading.integer(member, 0, ON_CALL_TIER_MAX), 0),
    active: read("active", (member) => reading.boolean(member), true),
    tokens: read("tokens", (member) => readTokens(reading, handle, member, holders), [] as DeclaredToken[]),
  };
}

function readEmail(reading: Reading, value: Value): string | null {
  const text = reading.text(value, WORD_CHARS_MAX);
  if (text === null) return null;
  return EMAIL.test(text)
    ? text
    : reading.wrong(value.tree.start, `${value.path} is not an e-mail address`, "as in alice@example.com");
}

function readRoles(reading: Reading, value: Value): Role[] {
  return (reading.items(value) ?? []).map((item) => reading.choice(item, ROLES)).filter((role) => role !== null);
}

function readTokens(reading: Reading, handle: string, value: Value, holders: Map<string, string>): DeclaredToken[] {
  const tokens: DeclaredToken[] = [];
  for (const item of reading.items(value) ?? []) {
    const fields = reading.fields(item, keysOf(FORMAT.token));
    if (fields === null) continue;
    const nameValue = fields.required("name");
    const name = nameValue && reading.name(nameValue, "a token");
    if (name !== null && nameValue !== null && tokens.some((token) => token.name === name)) {
      reading.wrong(nameValue.tree.start, `${handle} has another token ${name}`, "give each its own name");
    }
    const hashValue = fields.required("hash");
    const hash = hashValue && readHash(reading, hashValue);
    if (hash !== null && hashValue !== null) {
      const holder = holders.get(hash);
      if (holder !== undefined) {
        reading.wrong(
          hashValue.tree.start,
          `${hashValue.path}: ${holder === handle ? "this token is here twice" : `this is the token of ${holder}`}`,
          "make one for each: tidegate token create",
        );
      }
      holders.set(hash, handle);
    }
    const expiresValue = fields.optional("expires");
    const expires = expiresValue && readTime(reading, expiresValue);
    const scopesValue = fields.optional("scopes");
    const scopes = scopesValue && readScopes(reading, scopesValue);
    tokens.push({ name: name ?? "", hash: hash ?? "", expires, ...given({ scopes }) });
  }
  return tokens;
}

/** What was written is not repeated: it may be the token itself. */
function readHash(reading: Reading, value: Value): string | null {
  const { tree } = value;
  if (tree.kind === "refused") return null;
  const text = tree.kind === "scalar" && typeof tree.value === "string" ? tree.value : null;
  if (text !== null && HASH.test(text)) return text;
  if (text?.startsWith("tgt_")) {
    return reading.wrong(
      tree.start,
      `${value.path} holds a token itself, not its hash`,
      "it was in a file: throw it away and make another with tidegate token create",
    );
  }
  return reading.wrong(
    tree.start,
    `${value.path} is not a hash`,
    "sha256: and 64 lower-case hex digits, as tidegate token create prints it",
  );
}

export function readTime(reading: Reading, value: Value): string | null {
  const text = reading.text(value);
  if (text === null) return null;
  if (parseTimestamp(text) !== null) return text;
  return reading.wrong(value.tree.start, `${value.path} is not a time with a zone`, "as in 2027-01-31T12:00:00Z");
}
