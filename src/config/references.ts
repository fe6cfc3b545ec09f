/**
 * Secrets stand in a configuration only as references, `${env:NAME}` and `${file:PATH}`, on their own or inside a text.
 * The configuration is stored and shown with the references; they are resolved where a target is signed in to.
 */
import { posix } from "node:path";
import type { Json, JsonObject } from "../base/canonical.ts";

const REFERENCE = /\$\{(env|file):([^{}\s]+)\}/g;
/** How references are written, for messages. */
export const REFERENCE_FORMS = `\${env:NAME} or \${file:PATH}`;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

export type ReferenceSources = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file, or null where it cannot be read. Ends of lines at the end are taken off here. */
  readFile(path: string): string | null;
};

export type Resolved =
  | {
      readonly ok: true;
      readonly connection: JsonObject /** What was put in: never to be shown. */;
      readonly secrets: readonly string[];
    }
  | {
      readonly ok: false /** `ORDERS_ADMIN_URL is not set`: names only, never a value. */;
      readonly missing: readonly string[];
    };

/** The connection with its references replaced, or what could not be found. Nothing else of the values is looked at. */
export function resolveReferences(connection: JsonObject, sources: ReferenceSources): Resolved {
  const missing = new Set<string>();
  const secrets = new Set<string>();
  const find = (kind: string, name: string): string | null => {
    if (kind === "env") return (Object.hasOwn(sources.env, name) ? sources.env[name] : undefined) ?? null;
    return sources.readFile(name)?.replace(/[\r\n]+$/, "") ?? null;
  };
  const resolve = (text: string): string =>
    text.replaceAll(REFERENCE, (_, kind: string, name: string) => {
      const found = find(kind, name);
      // An empty secret is a mistake in the environment, and some targets take it for "no password needed".
      if (found === null || found === "") missing.add(kind === "env" ? `${name} is not set` : `${name} cannot be read`);
      else secrets.add(found);
      return found ?? "";
    });
  const resolved = mapTexts(connection, resolve);
  if (missing.size > 0) return { ok: false, missing: [...missing] };
  return { ok: true, connection: resolved, secrets: [...secrets] };
}

/**
 * The connection with its relative `${file:PATH}`s as seen from the root of the configuration. In a file of a folder's
 * subfolder they start at that subfolder; what is stored must not depend on which file a resource stood in.
 */
export function rebased(connection: JsonObject, dir: string): JsonObject {
  if (dir === "") return connection;
  return mapTexts(connection, (text) =>
    text.replaceAll(REFERENCE, (whole, kind: string, path: string) =>
      kind === "file" && !posix.isAbsolute(path) ? `\${file:${posix.join(dir, path)}}` : whole,
    ),
  );
}

function mapTexts(object: JsonObject, change: (text: string) => string): JsonObject {
  const walk = (value: Json): Json => {
    if (typeof value === "string") return change(value);
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value === "object" && value !== null) return mapTexts(value, change);
    return value;
  };
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, walk(value)]));
}

/** Stands for a reference while a text is searched for what is written out; cannot be in a text that was read. */
const HELD = "\u0000";
const withoutReferences = (text: string): string => text.replaceAll(REFERENCE, HELD);
const isWrittenOut = (text: string): boolean => text.replaceAll(HELD, "") !== "";

/** `${…}` that is no reference, as where it begins; null when there is none. */
export function brokenReference(text: string): number | null {
  for (const match of text.matchAll(/\$\{/g)) {
    const whole = /^\$\{(env|file):([^{}\s]+)\}/.exec(text.slice(match.index));
    if (whole === null || (whole[1] === "env" && !ENV_NAME.test(whole[2] ?? ""))) return match.index;
  }
  return null;
}

const SECRET_KEY =
  /(password|passwd|passphrase|pwd|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|credentials?)$/i;
const SECRET_SETTING = /(?:^|[?&;\s])[\w-]*(?:password|passwd|passphrase|pwd|secret|token|api_?key)\s*=\s*([^&;\s]*)/gi;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** Whether a value under this key holds a secret in the clear: by its key, as a password in a URL, as a setting, as a key file. */
export function holdsSecret(key: string, value: string | number): boolean {
  const text = withoutReferences(String(value));
  if (text === "") return false;
  // One reference is enough under such a key: a prefix as in "Bearer ${env:TOKEN}" is no secret.
  if (SECRET_KEY.test(key)) return !text.includes(HELD);
  // Up to the last @: a password that was not encoded may hold one.
  const password = /:\/\/[^:@/\s]*:(.*)@/s.exec(text)?.[1];
  if (password !== undefined && isWrittenOut(password)) return true;
  for (const [, setting] of text.matchAll(SECRET_SETTING))
    if (setting !== undefined && isWrittenOut(setting)) return true;
  return PRIVATE_KEY.test(text);
}

/** The message with every secret taken out: a connector's own words may quote what it was given. */
export function withoutSecrets(message: string, secrets: readonly string[]): string {
  const parts = secrets
    .flatMap((secret) => [secret, ...partsOf(secret)])
    .filter((part) => part.length >= SECRET_PART_CHARS_MIN);
  return parts.sort((a, b) => b.length - a.length).reduce((text, part) => text.replaceAll(part, "[redacted]"), message);
}
/** Shorter parts than this (a port, a scheme) would take holes out of every message. */
const SECRET_PART_CHARS_MIN = 4;

/** User and password of a URL that is a secret as a whole. */
function partsOf(secret: string): string[] {
  const match = /:\/\/([^:@/]*):(.*)@/s.exec(secret);
  return match === null ? [] : match.slice(1).flatMap((part) => [part, safeDecode(part)]);
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
