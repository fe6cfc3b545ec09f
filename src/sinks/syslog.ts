/**
 * Syslog: RFC 5424 messages over TCP or TLS, each after its length (RFC 6587, RFC 5425). Syslog has no receipts. So each
 * batch has a connection of its own, and counts as sent when all of it was written, the receiver was told that this is all,
 * and has closed the connection itself, without resetting it. That says that its machine has everything, and that whoever
 * reads there went on to the end; not what became of it then.
 */

import { connect as connectTcp, type Socket } from "node:net";
import { hostname } from "node:os";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { JsonObject } from "../base/canonical.ts";
import { Secret } from "../base/secret.ts";
import { type SyslogAddress, syslogAddress } from "../domain/sink.ts";
import type { Sent } from "../notify/channel.ts";
import { reasonOf } from "../notify/webhook.ts";
import type { Batch, Entry, OpenSink } from "./sink.ts";

/** Facility 13, log audit; severity 5, notice. */
const PRIORITY = 13 * 8 + 5;
/** Of the examples of RFC 5612: Tidegate has no number of its own. */
const ENTERPRISE = 32_473;
const HOST_CHARS_MAX = 255;
const KIND_CHARS_MAX = 32;

export const openSyslogSink: OpenSink = (settings: JsonObject) => {
  const receiver = receiverOf(settings);
  return { send: (batch, signal) => sendFrames(receiver, framesOf(batch), signal) };
};

const framesOf = ({ entries, personal, installation }: Batch): Buffer =>
  Buffer.concat(entries.map((entry) => frame(messageOf(entry, installation, personal ? entry.line : entry.leaf))));

const messageOf = ({ seq, kind, at, actor }: Entry, installation: string, text: string): string =>
  syslogMessage({ at, kind, about: { seq: String(seq), kind, actor, installation }, text });

export type SyslogMessage = {
  readonly at: string;
  readonly kind: string;
  readonly about: Readonly<Record<string, string>>;
  readonly text: string;
};

export function syslogMessage({ at, kind, about, text }: SyslogMessage): string {
  const host = printable(hostname()).slice(0, HOST_CHARS_MAX) || "-";
  const params = Object.entries(about).map(([name, value]) => ` ${name}="${value.replaceAll(/["\\\]]/g, "\\$&")}"`);
  return `<${PRIORITY}>1 ${at} ${host} tidegate - ${kind.slice(0, KIND_CHARS_MAX)} [tidegate@${ENTERPRISE}${params.join("")}] ${text}`;
}

const printable = (text: string): string => text.replaceAll(/[^\x21-\x7e]/g, "");

export const frame = (message: string): Buffer => Buffer.from(`${Buffer.byteLength(message)} ${message}`);

export type Receiver = SyslogAddress & {
  readonly ca: string | undefined;
  readonly certificate: string | undefined;
  readonly key: Secret | undefined;
};

export function receiverOf({ address, ca, certificate, key }: JsonObject): Receiver {
  const parsed = syslogAddress(String(address));
  if (parsed === null) throw new Error("its address is not tls://HOST:PORT or tcp://HOST:PORT");
  const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  const secret = text(key);
  return {
    ...parsed,
    ca: text(ca),
    certificate: text(certificate),
    key: secret === undefined ? undefined : new Secret(secret),
  };
}

/** TLS is always verified, by the authorities of `ca` or those of the machine. */
function connect({ secure, host, port, ca, certificate, key }: Receiver): Socket {
  if (!secure) return connectTcp({ host, port });
  const options: ConnectionOptions = { host, port };
  if (ca !== undefined) options.ca = ca;
  if (certificate !== undefined) Object.assign(options, { cert: certificate, key: key?.reveal() });
  return connectTls(options);
}

export function sendFrames(receiver: Receiver, frames: Buffer, signal: AbortSignal): Promise<Sent> {
  const { promise, resolve } = Promise.withResolvers<Sent>();
  const failed = (why: string): void => resolve({ sent: false, why });
  let socket: Socket;
  try {
    socket = connect(receiver);
  } catch (error) {
    // A certificate or key that cannot be read. The words of the library may quote it.
    return Promise.resolve({ sent: false, why: `its certificate, key or ca is not good: ${reasonOf(error)}` });
  }
  const late = (): void => failed("it did not take what was sent and close the connection in time");
  signal.addEventListener("abort", late, { once: true });
  let written = false;
  socket.on("error", (error) => failed(reasonOf(error)));
  socket.once(receiver.secure ? "secureConnect" : "connect", () => {
    socket.end(frames, () => {
      written = true;
    });
  });
  socket.once("end", () => (written ? resolve({ sent: true }) : failed("it closed the connection early")));
  // What it says means nothing, and must not fill up.
  socket.resume();
  if (signal.aborted) late();
  return promise.finally(() => {
    signal.removeEventListener("abort", late);
    socket.destroy();
  });
}
