/** Where the audit log is sent as it grows, as the configuration declares it. */
import type { JsonObject } from "../base/canonical.ts";
import { LOOPBACK } from "./channel.ts";

/** The kinds of sinks, each with the settings that are its own. */
export const SINKS = {
  syslog: ["address", "ca", "certificate", "key"],
  webhook: ["url", "secret"],
  file: ["path"],
} as const;
export type SinkKind = keyof typeof SINKS;
export const SINK_KINDS = Object.keys(SINKS) as SinkKind[];

/** What is not granted while a sink is late: nothing is held up, only what is no emergency, or everything. */
export type HeldUp = "nothing" | "ordinary" | "everything";

export type DeclaredSink = {
  readonly name: string;
  readonly sink: SinkKind;
  /** What the kind of sink needs, with secrets as references. */
  readonly settings: JsonObject;
  /** Where one begins that is new. */
  readonly from: "beginning" | "now";
  /** With the texts by and about people. */
  readonly personal: boolean;
  /** An entry is there within so long; a sink that takes longer is late. */
  readonly withinMs: number;
  readonly holdsUp: HeldUp;
};

/** The kinds of anchors, each with the settings that are its own. */
export const ANCHORS = {
  file: SINKS.file,
  webhook: SINKS.webhook,
  syslog: SINKS.syslog,
  git: ["path", "push"],
  mail: ["server", "user", "password", "from", "to", "ca"],
  witness: ["url", "vkey"],
} as const;
export type AnchorKind = keyof typeof ANCHORS;
export const ANCHOR_KINDS = Object.keys(ANCHORS) as AnchorKind[];

/** Where signed checkpoints of the log are kept outside. */
export type DeclaredAnchor = {
  readonly name: string;
  readonly anchor: AnchorKind;
  readonly settings: JsonObject;
  readonly everyMs: number;
  /** One that has brought none there for so long is stale. */
  readonly withinMs: number;
};

/** For how long the log is kept; absent: for ever. */
export type Retention = {
  /** Texts by and about people. */
  readonly personalMs?: number;
  readonly entriesMs?: number;
};

export type AuditOutlets = {
  readonly sinks: Readonly<Record<string, DeclaredSink>>;
  /** Absent: none. */
  readonly anchors?: Readonly<Record<string, DeclaredAnchor>>;
  /** Absent: nothing is dropped. */
  readonly retention?: Retention;
};

export const NO_OUTLETS: AuditOutlets = { sinks: {} };

/** As much of a sink as is asked about whether it is late. */
export type Punctual = Pick<DeclaredSink, "name" | "withinMs">;

/** Sinks without which this is not granted. */
export const requiredFor = (outlets: AuditOutlets | undefined, emergency: boolean): DeclaredSink[] =>
  Object.values(outlets?.sinks ?? {}).filter(
    ({ holdsUp }) => holdsUp === "everything" || (holdsUp === "ordinary" && !emergency),
  );

const PORT_MAX = 65_535;
export type SyslogAddress = { readonly secure: boolean; readonly host: string; readonly port: number };

/** `tls://HOST:PORT` or `tcp://HOST:PORT`; null where it is neither. */
export function syslogAddress(written: string): SyslogAddress | null {
  const at = addressIn(written);
  if (at === null || (at.scheme !== "tls" && at.scheme !== "tcp")) return null;
  return { secure: at.scheme === "tls", host: at.host, port: at.port };
}

function addressIn(written: string): { scheme: string; host: string; port: number } | null {
  const [, scheme = "", plain, bracketed, port] =
    /^([a-z+]+):\/\/(?:([A-Za-z0-9._-]+)|\[([0-9A-Fa-f:.]+)\]):(\d{1,5})$/.exec(written) ?? [];
  const host = plain ?? bracketed;
  if (host === undefined || Number(port) < 1 || Number(port) > PORT_MAX) return null;
  return { scheme, host, port: Number(port) };
}

/** TLS from the start, by STARTTLS and never without, or none. */
const MAIL_SCHEMES = ["smtps", "smtp", "smtp+clear"] as const;
export type MailServer = {
  readonly scheme: (typeof MAIL_SCHEMES)[number];
  readonly host: string;
  readonly port: number;
};

/** `smtps://HOST:PORT`, `smtp://HOST:PORT`, or to this very machine `smtp+clear://HOST:PORT`; null where it is none of them. */
export function mailServer(written: string): MailServer | null {
  const at = addressIn(written);
  const scheme = MAIL_SCHEMES.find((one) => one === at?.scheme);
  if (at === null || scheme === undefined || (scheme === "smtp+clear" && !LOOPBACK.test(at.host))) return null;
  return { ...at, scheme };
}

export const RECIPIENTS_MAX = 10;

/** Plain ASCII, as HTML has it: nothing in it ends a line, a command or an address. */
export const isMailbox = (text: string): boolean =>
  text.length <= 254 && /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(text);
