/** Somebody who takes syslog over TCP or TLS. Reads the octets by the words of RFC 6587 and RFC 5424, and nothing of ours. */

import type { AddressInfo } from "node:net";
import { createServer as createPlain, type Server, type Socket } from "node:net";
import { createServer as createSecure } from "node:tls";

export type Received = {
  readonly priority: number;
  readonly timestamp: string;
  readonly hostname: string;
  readonly app: string;
  readonly process: string;
  readonly kind: string;
  readonly data: Readonly<Record<string, string>>;
  readonly text: string;
};

/** What it does with a connection: reads to its end; resets it after so many octets; or reads nothing. */
export type Manner = { readonly resetAfter: number } | "reads" | "hangs";

export type SyslogReceiver = {
  readonly port: number;
  readonly received: Received[];
  readonly connections: number;
  /** For each connection, counted from 1. */
  manner: (connection: number) => Manner;
  close(): Promise<void>;
};

export async function syslogReceiver(tls: { key: Buffer; cert: Buffer } | null = null): Promise<SyslogReceiver> {
  const sockets = new Set<Socket>();
  const receiver = {
    port: 0,
    received: [] as Received[],
    connections: 0,
    manner: (() => "reads") as SyslogReceiver["manner"],
    close: async () => {},
  };
  const accept = (socket: Socket): void => {
    receiver.connections += 1;
    const manner = receiver.manner(receiver.connections);
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
    if (manner === "hangs") return void socket.pause();
    const frames = new Frames((octets) => receiver.received.push(parse(octets)));
    let taken = 0;
    socket.on("data", (chunk: Buffer) => {
      const limit = manner === "reads" ? Number.POSITIVE_INFINITY : manner.resetAfter;
      frames.add(chunk.subarray(0, Math.max(0, limit - taken)));
      taken += chunk.length;
      if (taken >= limit) socket.resetAndDestroy();
    });
  };
  const server: Server = tls === null ? createPlain(accept) : createSecure(tls, accept);
  if (tls !== null) server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  receiver.port = (server.address() as AddressInfo).port;
  receiver.close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return receiver;
}

/** SYSLOG-FRAME = MSG-LEN SP SYSLOG-MSG */
class Frames {
  #rest = Buffer.alloc(0);
  readonly #each: (octets: Buffer) => void;

  constructor(each: (octets: Buffer) => void) {
    this.#each = each;
  }

  add(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const space = this.#rest.indexOf(" ");
      if (space < 0) return;
      const written = this.#rest.subarray(0, space).toString("latin1");
      if (!/^[1-9][0-9]*$/.test(written)) throw new Error(`no length: ${written}`);
      const end = space + 1 + Number(written);
      if (this.#rest.length < end) return;
      this.#each(this.#rest.subarray(space + 1, end));
      this.#rest = this.#rest.subarray(end);
    }
  }
}

function parse(octets: Buffer): Received {
  const text = octets.toString("utf8");
  const head = /^<(\d{1,3})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) \[([!-~]+?)(?= |\])/.exec(
    text,
  );
  if (head === null) throw new Error(`no RFC 5424 message: ${text.slice(0, 200)}`);
  const [start, priority, timestamp = "", hostname = "", app = "", process = "", kind = ""] = head;
  const data: Record<string, string> = {};
  let at = start.length;
  while (text[at] === " ") {
    const name = /^ ([^= \]"]{1,32})="/.exec(text.slice(at));
    if (name === null) throw new Error(`no parameter: ${text.slice(at, at + 50)}`);
    at += name[0].length;
    let value = "";
    for (; text[at] !== '"'; at += 1) {
      if (text[at] === "\\" && /["\\\]]/.test(text[at + 1] ?? "")) at += 1;
      else if (text[at] === "]") throw new Error("a bracket that is not escaped");
      value += text[at];
    }
    data[String(name[1])] = value;
    at += 1;
  }
  if (!text.startsWith("] ", at)) throw new Error(`structured data does not end: ${text.slice(at, at + 20)}`);
  return { priority: Number(priority), timestamp, hostname, app, process, kind, data, text: text.slice(at + 2) };
}
