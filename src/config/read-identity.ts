/** `identity:` — the providers that people sign in through. What a secret holds is never repeated. */
import type { JsonObject } from "../base/canonical.ts";
import { given } from "../base/given.ts";
import type { DeclaredPrincipal } from "../domain/configuration.ts";
import {
  type ClaimNames,
  type DeclaredIdentity,
  type Identity,
  type IdentityProvider,
  SCIM_TOKEN,
  type Scim,
  whyNoWebAddress,
} from "../domain/identity.ts";
import { shorten } from "./document.ts";
import { FORMAT } from "./format.ts";
import { GROUP_PATTERN, keysOf, TITLE_CHARS_MAX, URL_CHARS_MAX, WORD_CHARS_MAX } from "./format-words.ts";
import { checkTexts } from "./read-connection.ts";
import { readSignals } from "./read-signals.ts";
import type { Fields, Reading, Value } from "./reading.ts";
import { REFERENCE_FORMS, type ReferenceSources, rebased, resolveReferences } from "./references.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const IDLE_MS = { otherwise: 8 * 60 * MINUTE_MS, min: MINUTE_MS, max: 7 * DAY_MS };
const LONGEST_MS = { otherwise: DAY_MS, min: 5 * MINUTE_MS, max: 30 * DAY_MS };
const SCOPES = ["openid", "profile", "email"];
const CLAIMS: ClaimNames = {
  handle: "preferred_username",
  name: "name",
  email: "email",
  groups: null,
  type: null,
  manager: null,
};
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const GROUP = new RegExp(GROUP_PATTERN, "u");

export function readIdentity(reading: Reading, value: Value, sources: ReferenceSources): Identity | null {
  const fields = reading.fields(value, keysOf(FORMAT.identity));
  if (fields === null) return null;
  const urlValue = fields.required("url", "where browsers reach Tidegate, as in https://tidegate.example.com");
  const url = urlValue && readOrigin(reading, urlValue);
  const providersValue = fields.required("providers", "name a provider, its issuer and client_id");
  const members = (providersValue && reading.named(providersValue, "a provider")) ?? [];
  if (providersValue?.tree.kind === "map" && members.length === 0)
    reading.wrong(providersValue.at, `${providersValue.path} names nobody`, "name a provider, or remove identity");
  const providers = members.flatMap(([name, member]) => readProvider(reading, name, member, sources) ?? []);
  for (const [index, one] of providers.entries())
    if (providers.findIndex(({ issuer }) => issuer === one.issuer) < index)
      reading.wrong(
        members[index]?.[1].at ?? value.at,
        `${one.name} has the issuer of another provider`,
        "one person would be two ways the same: keep one of them",
      );
  if (url === null) return null;
  const signalsValue = fields.optional("signals");
  const signals = signalsValue && readSignals(reading, signalsValue, { url, providers });
  return { url, providers, sessions: readSessions(reading, fields), ...(signals === null ? {} : { signals }) };
}

function readOrigin(reading: Reading, value: Value): string | null {
  const text = reading.filled(value, URL_CHARS_MAX);
  if (text === null) return null;
  const why = whyNoWebAddress(text);
  if (why !== null) return reading.wrong(value.tree.start, `${value.path} ${why}`, "write https://HOST");
  const { pathname, origin } = new URL(text);
  if (pathname === "/") return origin;
  return reading.wrong(
    value.tree.start,
    `${value.path} has a path`,
    "Tidegate has an origin of its own: write https://HOST",
  );
}

function readSessions(reading: Reading, identity: Fields): Identity["sessions"] {
  const value = identity.optional("sessions");
  const fields = value && reading.fields(value, keysOf(FORMAT.sessions));
  const read = (key: string, { otherwise, min, max }: typeof IDLE_MS): number => {
    const member = fields?.optional(key) ?? null;
    const ms = member && reading.duration(member);
    if (member === null || ms === null) return otherwise;
    if (ms < min || ms > max)
      reading.wrong(
        member.tree.start,
        `${member.path} is not within its bounds`,
        FORMAT.sessions.keys[key]?.about ?? "",
      );
    return ms;
  };
  const [idleMs, longestMs] = [read("idle", IDLE_MS), read("longest", LONGEST_MS)];
  return { idleMs: Math.min(idleMs, longestMs), longestMs };
}

function readProvider(
  reading: Reading,
  name: string,
  value: Value,
  sources: ReferenceSources,
): IdentityProvider | null {
  const fields = reading.fields(value, keysOf(FORMAT.provider));
  if (fields === null) return null;
  const text = (key: string): string | null => {
    const member = fields.optional(key);
    return member && reading.filled(member, key === "title" ? TITLE_CHARS_MAX : WORD_CHARS_MAX);
  };
  const issuerValue = fields.required("issuer", "as the provider names itself, as in https://example.okta.com");
  const issuer = issuerValue && readIssuer(reading, issuerValue);
  fields.required("client_id", "the provider's settings say it");
  const clientId = text("client_id");
  const secretValue = fields.optional("client_secret");
  const settings = secretValue === null ? {} : readSecret(reading, secretValue, sources);
  const scopesValue = fields.optional("scopes");
  const groupsValue = fields.optional("groups");
  const groups = groupsValue && readGroupNames(reading, groupsValue);
  const claims = readClaims(reading, fields);
  const scimValue = fields.optional("scim");
  const scim = scimValue && readScim(reading, scimValue, sources);
  if (groupsValue !== null && claims.groups === null && scimValue === null)
    reading.wrong(
      groupsValue.at,
      `${groupsValue.path} means nothing without claims.groups`,
      "say which claim names groups",
    );
  if (issuer === null || clientId === null || settings === null) return null;
  if (scimValue !== null && scim === null) return null;
  const scopes = scopesValue === null ? SCOPES : readScopes(reading, scopesValue);
  const title = text("title") ?? name;
  return { name, title, issuer, clientId, settings, scopes, claims, groups, ...given({ scim }) };
}

function readIssuer(reading: Reading, value: Value): string | null {
  const text = reading.filled(value, URL_CHARS_MAX);
  const why = text === null ? null : whyNoWebAddress(text);
  return why === null ? text : reading.wrong(value.tree.start, `${value.path} ${why}`, "write https://HOST/PATH");
}

function readSecret(reading: Reading, value: Value, sources: ReferenceSources): JsonObject | null {
  const text = reading.filled(value, URL_CHARS_MAX);
  if (text === null || !checkTexts(reading, value.tree, value.path, "client_secret")) return null;
  const written = rebased({ clientSecret: text }, reading.dirOf(value));
  resolved(reading, value, written, sources);
  return written;
}

/** As they are where this is checked; null, and a warning, where they are only there where Tidegate runs. */
function resolved(reading: Reading, value: Value, written: JsonObject, sources: ReferenceSources): JsonObject | null {
  const found = resolveReferences(written, sources);
  if (found.ok) return found.connection;
  reading.warn(
    value.at,
    `${value.path} was not checked: ${found.missing.join(", ")}`,
    `set it where Tidegate runs; it is written ${REFERENCE_FORMS}`,
  );
  return null;
}

function readScim(reading: Reading, value: Value, sources: ReferenceSources): Scim | null {
  const fields = reading.fields(value, keysOf(FORMAT.scim));
  const tokensValue = fields?.required("tokens", `what the provider sends, written ${REFERENCE_FORMS}`) ?? null;
  const items = (tokensValue && reading.items(tokensValue)) ?? [];
  const tokens = items.flatMap((item) => reading.filled(item, URL_CHARS_MAX) ?? []);
  const claimValue = fields?.optional("claim") ?? null;
  const claim = claimValue === null ? "sub" : reading.filled(claimValue, WORD_CHARS_MAX);
  if (tokensValue === null || claim === null || tokens.length < items.length) return null;
  if (!checkTexts(reading, tokensValue.tree, tokensValue.path, "token")) return null;
  if (tokens.length < 1 || tokens.length > 2)
    return reading.wrong(tokensValue.at, `${tokensValue.path} must be one or two`, "two only while one is changed");
  const settings = rebased({ tokens }, reading.dirOf(tokensValue));
  const found = resolved(reading, tokensValue, settings, sources);
  if ([found?.["tokens"] ?? []].flat().some((one) => !SCIM_TOKEN.test(String(one))))
    return reading.wrong(
      tokensValue.at,
      `${tokensValue.path}: a token must have 32 characters or more, and those of a bearer token`,
      "make one with: openssl rand -hex 32",
    );
  return { settings, claim };
}

function readScopes(reading: Reading, value: Value): string[] {
  const scopes = (reading.items(value) ?? []).flatMap((item) => {
    const text = reading.filled(item, WORD_CHARS_MAX);
    if (text === null || SCOPE.test(text)) return text ?? [];
    return reading.wrong(item.tree.start, `${item.path} is not a scope`, "one word, as in groups") ?? [];
  });
  if (value.tree.kind === "list" && !scopes.includes("openid"))
    reading.wrong(value.tree.start, `${value.path} lacks openid`, "without it the provider does not say who signs in");
  return scopes;
}

function readClaims(reading: Reading, provider: Fields): ClaimNames {
  const value = provider.optional("claims");
  const fields = value && reading.fields(value, keysOf(FORMAT.claims));
  const names = Object.keys(CLAIMS) as (keyof ClaimNames)[];
  const given = names.flatMap((name) => {
    const member = fields?.optional(name) ?? null;
    const text = member && reading.filled(member, WORD_CHARS_MAX);
    return text === null ? [] : [[name, text] as const];
  });
  return { ...CLAIMS, ...Object.fromEntries(given) };
}

function readGroupNames(reading: Reading, value: Value): Record<string, string> {
  const pairs = (reading.members(value) ?? []).flatMap(([there, member]) => {
    const here = reading.text(member, WORD_CHARS_MAX);
    if (here === null) return [];
    if (GROUP.test(here)) return [[there, here] as const];
    reading.wrong(member.tree.start, `${member.path}: "${shorten(here)}" cannot name a group`, "as in payments");
    return [];
  });
  return Object.fromEntries(pairs);
}

/** `identities:` of one person. */
export function readIdentities(reading: Reading, value: Value): DeclaredIdentity[] {
  return (reading.items(value) ?? []).flatMap((item) => {
    const fields = reading.fields(item, keysOf(FORMAT.declaredIdentity));
    if (fields === null) return [];
    const providerValue = fields.required("provider", "a provider of identity");
    const subjectValue = fields.required("subject", "the sub by which it knows them");
    const provider = providerValue && reading.name(providerValue, "a provider");
    const subject = subjectValue && reading.filled(subjectValue, 255);
    const scimValue = fields.optional("scim");
    const scim = scimValue && reading.filled(scimValue, WORD_CHARS_MAX);
    if (provider === null || subject === null) return [];
    return [{ provider, subject, ...(scim === null ? {} : { scim }) }];
  });
}

/** Each is of a provider that there is, and of one person. */
export function checkIdentities(
  reading: Reading,
  principals: readonly DeclaredPrincipal[],
  identity: Identity | null,
  value: Value | null,
): void {
  const places = new Map(value === null ? [] : (reading.members(value) ?? []));
  const holders = new Map<string, string>();
  for (const { handle, identities = [] } of principals)
    for (const { provider, subject, scim } of identities) {
      const at = places.get(handle)?.at ?? 0;
      const named = (identity?.providers ?? []).find(({ name }) => name === provider);
      if (named === undefined)
        reading.wrong(at, `${handle}: there is no provider ${provider}`, "name one of identity.providers");
      else if (scim !== undefined && named.scim === undefined)
        reading.wrong(at, `${handle}: ${provider} has no scim`, "give the provider scim, or remove it here");
      const key = JSON.stringify([provider, subject]);
      const holder = holders.get(key);
      if (holder !== undefined)
        reading.wrong(at, `${handle} is the same person at ${provider} as ${holder}`, "give each their own subject");
      holders.set(key, handle);
    }
}
