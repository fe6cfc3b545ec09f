/** `audit:` — where the audit log goes outside, and for how long it is kept. What a secret holds is never repeated. */
import { X509Certificate } from "node:crypto";
import { isAbsolute } from "node:path";
import type { JsonObject } from "../base/canonical.ts";
import {
  ANCHOR_KINDS,
  ANCHORS,
  type AuditOutlets,
  type DeclaredAnchor,
  type DeclaredSink,
  type HeldUp,
  isMailbox,
  mailServer,
  RECIPIENTS_MAX,
  type Retention,
  SINK_KINDS,
  SINKS,
  syslogAddress,
} from "../domain/sink.ts";
import { FORMAT } from "./format.ts";
import { keysOf } from "./format-words.ts";
import { readSecret, readSetting, readUrl } from "./read-notify.ts";
import type { Fields, Reading, Value } from "./reading.ts";
import { REFERENCE_FORMS, type ReferenceSources } from "./references.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const WITHIN_MS = { otherwise: 5 * MINUTE_MS, min: MINUTE_MS, max: 7 * DAY_MS };
const STALE_MS = { ...WITHIN_MS, otherwise: 60 * MINUTE_MS };
const EVERY_MS = { ...WITHIN_MS, otherwise: 10 * MINUTE_MS };
/** A person reads these. */
const OF_MAIL = { every: { ...EVERY_MS, otherwise: DAY_MS }, within: { ...STALE_MS, otherwise: 3 * DAY_MS } };
const FROM = ["beginning", "now"] as const;
/** Less than that no store drops (migration 0029). */
const KEPT_DAYS = { min: 90, max: 36_500 };
/** Of type 4, cosignature/v1: 33 bytes, of which the first says so. */
const WITNESS_KEY = /^[^+\s]+\+[0-9a-f]{8}\+B[A-Za-z0-9+/]{43}$/;
/** Settings that a kind can do without. */
const OPTIONAL: readonly string[] = ["ca", "certificate", "key", "push", "user", "password"];

export function readAudit(reading: Reading, value: Value, sources: ReferenceSources): AuditOutlets {
  const fields = reading.fields(value, keysOf(FORMAT.audit));
  const sinksValue = fields?.optional("sinks") ?? null;
  const sinks = ((sinksValue && reading.named(sinksValue, "a sink")) ?? []).flatMap(
    ([name, member]) => readSink(reading, name, member, sources) ?? [],
  );
  const anchorsValue = fields?.optional("anchors") ?? null;
  const anchors = ((anchorsValue && reading.named(anchorsValue, "an anchor")) ?? []).flatMap(
    ([name, member]) => readAnchor(reading, name, member, sources) ?? [],
  );
  const retentionValue = fields?.optional("retention") ?? null;
  return {
    sinks: Object.fromEntries(sinks.map((sink) => [sink.name, sink])),
    ...(anchorsValue === null ? {} : { anchors: Object.fromEntries(anchors.map((one) => [one.name, one])) }),
    ...(retentionValue === null ? {} : { retention: readRetention(reading, retentionValue) }),
  };
}

function readRetention(reading: Reading, value: Value): Retention {
  const fields = reading.fields(value, keysOf(FORMAT.retention));
  const personalMs = fields === null ? null : readDays(reading, fields, "personal");
  const entriesMs = fields === null ? null : readDays(reading, fields, "entries");
  if (personalMs !== null && entriesMs !== null && entriesMs < personalMs)
    reading.wrong(
      value.at,
      `${value.path} keeps texts for longer than their entries`,
      "let personal be the shorter time",
    );
  return { ...(personalMs === null ? {} : { personalMs }), ...(entriesMs === null ? {} : { entriesMs }) };
}

function readDays(reading: Reading, fields: Fields, key: string): number | null {
  const value = fields.optional(key);
  const ms = value && reading.duration(value, KEPT_DAYS.max);
  if (value === null || ms === null) return null;
  if (ms < KEPT_DAYS.min * DAY_MS || ms % DAY_MS !== 0)
    reading.wrong(
      value.tree.start,
      `${value.path} is not in whole days, from ${KEPT_DAYS.min}d on`,
      "seven years: 2557d",
    );
  return ms;
}

function readAnchor(reading: Reading, name: string, value: Value, sources: ReferenceSources): DeclaredAnchor | null {
  const fields = reading.fields(value, keysOf(FORMAT.anchor));
  if (fields === null) return null;
  const kindValue = fields.required("anchor", `there is ${ANCHOR_KINDS.join(", ")}`);
  const anchor = kindValue && reading.choice(kindValue, ANCHOR_KINDS);
  if (anchor === null) return null;
  const settings = readSettings(reading, fields, { kind: anchor, needs: ANCHORS[anchor], of: ANCHORS }, sources);
  const { every, within } = anchor === "mail" ? OF_MAIL : { every: EVERY_MS, within: STALE_MS };
  const everyMs = readTime(reading, fields, "every", every);
  const withinMs = readTime(reading, fields, "within", within);
  if (everyMs >= withinMs) reading.wrong(value.at, `${value.path} is stale before it is due`, "let within be longer");
  if (settings !== null && "user" in settings !== "password" in settings)
    reading.wrong(value.at, `${value.path} has a user or a password alone`, "write both, or neither");
  return settings === null ? null : { name, anchor, settings, everyMs, withinMs };
}

function readSink(reading: Reading, name: string, value: Value, sources: ReferenceSources): DeclaredSink | null {
  const fields = reading.fields(value, keysOf(FORMAT.sink));
  if (fields === null) return null;
  const kindValue = fields.required("sink", `there is ${SINK_KINDS.join(", ")}`);
  const sink = kindValue && reading.choice(kindValue, SINK_KINDS);
  if (sink === null) return null;
  const settings = readSettings(reading, fields, { kind: sink, needs: SINKS[sink], of: SINKS }, sources);
  const fromValue = fields.optional("from");
  const from = (fromValue && reading.choice(fromValue, FROM)) ?? "beginning";
  const personalValue = fields.optional("personal");
  const personal = (personalValue && reading.boolean(personalValue)) ?? false;
  const withinMs = readTime(reading, fields, "within", WITHIN_MS);
  const requiredValue = fields.optional("required");
  const holdsUp = requiredValue === null ? "nothing" : readRequired(reading, requiredValue);
  if (settings === null || holdsUp === null) return null;
  return { name, sink, settings, from, personal, withinMs, holdsUp };
}

function readRequired(reading: Reading, value: Value): HeldUp | null {
  if (value.tree.kind === "scalar" && typeof value.tree.value === "string")
    return reading.choice(value, ["except-emergencies"]) && "ordinary";
  const required = reading.boolean(value);
  return required === null ? null : required ? "everything" : "nothing";
}

type Kind = {
  readonly kind: string;
  readonly needs: readonly string[];
  readonly of: Readonly<Record<string, readonly string[]>>;
};

/** The settings of this kind, and no other's. */
function readSettings(
  reading: Reading,
  fields: Fields,
  { kind, needs, of }: Kind,
  sources: ReferenceSources,
): JsonObject | null {
  for (const key of new Set(Object.values(of).flat())) {
    const value = needs.includes(key) ? null : fields.optional(key);
    if (value !== null) reading.wrong(value.at, `${value.path} is nothing that a ${kind} has`, "remove it");
  }
  const read = needs.map((key) => {
    const about = FORMAT.anchor.keys[key]?.about ?? "";
    const value = OPTIONAL.includes(key) ? fields.optional(key) : fields.required(key, about);
    return value === null ? (OPTIONAL.includes(key) ? {} : null) : readOne(reading, key, value, sources);
  });
  return read.includes(null) ? null : Object.assign({}, ...read);
}

function readOne(reading: Reading, key: string, value: Value, sources: ReferenceSources): JsonObject | null {
  switch (key) {
    case "url":
      return readUrl(reading, value, sources);
    case "secret":
      return readSecret(reading, value, sources);
    case "address":
      return readAddress(reading, value, sources);
    case "path":
      return readSetting(reading, value, key, sources, {
        whyNot: (text) => (isAbsolute(text) ? null : "is not an absolute path"),
        hint: "write it from / on: a server may be started anywhere",
      });
    case "push":
      return readSetting(reading, value, key, sources, {
        whyNot: (text) => (/^[A-Za-z0-9_][\w./-]*$/.test(text) ? null : "is no name of a remote"),
        hint: "write it as git remote shows it",
      });
    case "server":
      return readSetting(reading, value, key, sources, {
        whyNot: (text) => (mailServer(text) === null ? "is no address of a mail server" : null),
        hint: "write smtps://HOST:PORT, smtp://HOST:PORT with STARTTLS, or smtp+clear:// to this very machine",
      });
    case "user":
    case "password":
      return readSetting(reading, value, key, sources, { whyNot: () => null, hint: "" });
    case "from":
      return readMailbox(reading, value, key, sources);
    case "to":
      return readRecipients(reading, value, sources);
    case "vkey":
      return readSetting(reading, value, key, sources, {
        whyNot: (text) => (WITNESS_KEY.test(text) ? null : "is no public key of a witness"),
        hint: "write NAME+HASH+KEY as whoever runs it told you; KEY begins with B",
      });
    case "key":
      return readSetting(reading, value, key, sources, {
        whyNot: (text) => (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text) ? null : "is no private key in PEM"),
        hint: `write ${REFERENCE_FORMS}`,
      });
    default:
      return readSetting(reading, value, key, sources, {
        whyNot: whyNoCertificate,
        hint: `name a file in PEM, as in \${file:siem-ca.pem}`,
      });
  }
}

function readAddress(reading: Reading, value: Value, sources: ReferenceSources): JsonObject | null {
  const settings = readSetting(reading, value, "address", sources, {
    whyNot: (text) => (syslogAddress(text) === null ? "is no address of a syslog receiver" : null),
    hint: "write tls://HOST:PORT, or tcp://HOST:PORT in the clear",
  });
  if (settings !== null && /^tcp:/.test(String(settings["address"])))
    reading.warn(value.at, `${value.path} is in the clear`, "whoever is on the way reads it: tls:// where you can");
  return settings;
}

const readMailbox = (reading: Reading, value: Value, key: string, sources: ReferenceSources): JsonObject | null =>
  readSetting(reading, value, key, sources, {
    whyNot: (text) => (isMailbox(text) ? null : "is no address of a mailbox"),
    hint: "write it bare, as in auditor@example.com",
  });

function readRecipients(reading: Reading, value: Value, sources: ReferenceSources): JsonObject | null {
  const items = reading.items(value);
  if (items === null) return null;
  if (items.length < 1 || items.length > RECIPIENTS_MAX)
    return reading.wrong(value.at, `${value.path} is not 1 to ${RECIPIENTS_MAX} mailboxes`, "for more: another anchor");
  const read = items.map((item) => readMailbox(reading, item, "to", sources)?.["to"] ?? null);
  if (read.includes(null)) return null;
  return new Set(read).size === read.length
    ? { to: read }
    : reading.wrong(value.at, `${value.path} names a mailbox twice`, "remove one");
}

function whyNoCertificate(text: string): string | null {
  try {
    new X509Certificate(text);
    return null;
  } catch {
    return "is no certificate in PEM";
  }
}

function readTime(
  reading: Reading,
  fields: Fields,
  key: string,
  { otherwise, min, max }: { otherwise: number; min: number; max: number },
): number {
  const value = fields.optional(key);
  const ms = value && reading.duration(value);
  if (value === null || ms === null) return otherwise;
  if (ms < min || ms > max) reading.wrong(value.tree.start, `${value.path} is not between 1m and 7d`, "as in 5m");
  return ms;
}
