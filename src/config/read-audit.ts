/** `audit:` — where the audit log goes outside. What a secret holds is never repeated. */
import { X509Certificate } from "node:crypto";
import { isAbsolute } from "node:path";
import type { JsonObject } from "../base/canonical.ts";
import { type AuditOutlets, type DeclaredSink, type HeldUp, SINK_KINDS, SINKS, syslogAddress } from "../domain/sink.ts";
import { FORMAT } from "./format.ts";
import { keysOf } from "./format-words.ts";
import { readSecret, readSetting, readUrl } from "./read-notify.ts";
import type { Fields, Reading, Value } from "./reading.ts";
import { REFERENCE_FORMS, type ReferenceSources } from "./references.ts";

const MINUTE_MS = 60_000;
const WITHIN_MS = { otherwise: 5 * MINUTE_MS, min: MINUTE_MS, max: 7 * 24 * 60 * MINUTE_MS };
const FROM = ["beginning", "now"] as const;
/** Settings that a kind can do without. */
const OPTIONAL: readonly string[] = ["ca", "certificate", "key"];

export function readAudit(reading: Reading, value: Value, sources: ReferenceSources): AuditOutlets {
  const fields = reading.fields(value, keysOf(FORMAT.audit));
  const sinksValue = fields?.optional("sinks") ?? null;
  const sinks = ((sinksValue && reading.named(sinksValue, "a sink")) ?? []).flatMap(
    ([name, member]) => readSink(reading, name, member, sources) ?? [],
  );
  return { sinks: Object.fromEntries(sinks.map((sink) => [sink.name, sink])) };
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
    const about = FORMAT.sink.keys[key]?.about ?? "";
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
