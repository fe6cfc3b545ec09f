/** The keys of where the audit log goes, and of how long it stays. */
import { ANCHOR_KINDS, RECIPIENTS_MAX, SINK_KINDS } from "../domain/sink.ts";
import { duration, filled, type Key, list, named, type Section, section, URL_CHARS_MAX } from "./format-words.ts";

const audit: Section = {
  title: "audit",
  about: "Where the [audit log](audit.md) goes outside, and for how long it is kept.",
  keys: {
    sinks: {
      schema: named(section("sink")),
      about: "what gets every entry, by names of your own",
      otherwise: "nothing",
    },
    anchors: {
      schema: named(section("anchor")),
      about: "what keeps signed checkpoints, by names of your own",
      otherwise: "nothing",
    },
    retention: { schema: section("retention"), about: "for how long the log is kept", otherwise: "for ever" },
  },
};

const setting = (about: string, example: string): Key => ({
  schema: filled(URL_CHARS_MAX),
  about,
  examples: [example],
});

/** What kinds need, each its own. */
const SETTINGS: Readonly<Record<string, Key>> = {
  url: setting("webhook, witness: where to", "https://siem.example.com/tidegate"),
  secret: setting("webhook: as of a [channel](#notifyname)", `\${env:SIEM_SECRET}`),
  address: setting("syslog: `tls://HOST:PORT`, or `tcp://HOST:PORT` in the clear", "tls://siem.example.com:6514"),
  ca: setting("syslog: whom to trust, in PEM", `\${file:siem-ca.pem}`),
  certificate: setting("syslog: shown to the receiver, in PEM", `\${file:tidegate.pem}`),
  key: setting("syslog: of the certificate", `\${file:tidegate.key}`),
  path: setting("file: its absolute path", "/var/log/tidegate/audit.jsonl"),
};

const sink: Section = {
  title: "audit.sinks.NAME",
  about: "Gets [every entry of the audit log](operations.md#the-log-in-your-siem), in order, at least once.",
  keys: {
    sink: { schema: { enum: [...SINK_KINDS] }, about: "what kind it is", required: true, examples: ["syslog"] },
    ...SETTINGS,
    from: {
      schema: { enum: ["beginning", "now"] },
      about: "where it begins when it is new",
      otherwise: "`beginning`",
      examples: ["now"],
    },
    personal: {
      schema: { type: "boolean" },
      about: "with texts by and about people",
      otherwise: "false",
      examples: [true],
    },
    within: {
      schema: duration,
      about: "an entry is there by then, or the sink is late",
      otherwise: "5m",
      examples: ["5m"],
    },
    required: {
      schema: { enum: [true, false, "except-emergencies"] },
      about: "while it is late, nothing new is granted",
      otherwise: "false",
      examples: ["except-emergencies"],
    },
  },
};

const anchor: Section = {
  title: "audit.anchors.NAME",
  about: "Keeps [signed checkpoints of the log](audit.md#anchors) outside. Settings of kinds are those of sinks, and:",
  keys: {
    anchor: { schema: { enum: [...ANCHOR_KINDS] }, about: "what kind it is", required: true, examples: ["git"] },
    ...SETTINGS,
    path: setting("file: its absolute path; git: of a working repository that is there", "/srv/checkpoints"),
    push: setting("git: the remote that is pushed to", "origin"),
    server: setting(
      "mail: `smtps://HOST:PORT`, `smtp://HOST:PORT` with STARTTLS, `smtp+clear://` to this very machine",
      "smtps://mail.example.com:465",
    ),
    user: setting("mail: with `password`, who signs in", "tidegate"),
    password: setting("mail: of the user", `\${env:SMTP_PASSWORD}`),
    from: setting("mail: the sender", "tidegate@example.com"),
    to: {
      schema: list(filled(URL_CHARS_MAX), { minItems: 1, maxItems: RECIPIENTS_MAX, uniqueItems: true }),
      about: "mail: whose mailboxes",
      examples: [["auditor@example.com"]],
    },
    ca: setting("syslog, mail: whom to trust, in PEM", `\${file:siem-ca.pem}`),
    vkey: setting("witness: its public key; `url` is its submission prefix", `\${env:WITNESS_KEY}`),
    every: { schema: duration, about: "how often", otherwise: "10m; mail: 1d", examples: ["10m"] },
    within: {
      schema: duration,
      about: "after so long without one it is stale",
      otherwise: "1h; mail: 3d",
      examples: ["1h"],
    },
  },
};

const retention: Section = {
  title: "audit.retention",
  about: "What is [dropped of the log](audit.md#what-was-dropped), at 90d or older, in whole days.",
  keys: {
    personal: {
      schema: duration,
      about: "texts by and about people, where what they are about is over",
      otherwise: "as their entries",
      examples: ["400d"],
    },
    entries: {
      schema: duration,
      about: "entries that are older, from the beginning on",
      otherwise: "kept for ever",
      examples: ["2557d"],
    },
  },
};

export const AUDIT_FORMAT = { audit, sink, anchor, retention };
