/** Where bytes become requests: time, size, connections, ids; and what is answered to what never became one. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import { BlockList, isIPv6, type Socket } from "node:net";
import type { FastifyHttpOptions, FastifyInstance } from "fastify";
import { type Refusal, refuse, toProblem } from "../base/problem.ts";
import { Connections } from "./connections.ts";
import { HEAD_BYTES_MAX, HEADERS_MAX, type HttpLimits } from "./limits.ts";
import { SCIM_ROOT, SCIM_TYPE, toScimError } from "./scim-error.ts";

/** How often connections are looked at for being too slow. */
const CHECK_EVERY_MS = 1_000;
/** An id that may stand in a log, a header and an address without being quoted. */
const REQUEST_ID = /^[\w.:-]{8,128}$/;

type Options = FastifyHttpOptions<Server>;

export type Edge = {
  readonly options: Options;
  /** Watches over the connections of this server. */
  readonly guard: (app: FastifyInstance) => void;
};

export function edgeOf(limits: HttpLimits): Edge {
  let connections: Connections | null = null;
  return {
    options: {
      requestTimeout: limits.requestWithinMs,
      http: {
        headersTimeout: Math.min(limits.headersWithinMs, limits.requestWithinMs),
        connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, limits.headersWithinMs),
        maxHeaderSize: HEAD_BYTES_MAX,
      },
      trustProxy: limits.trustedProxies.length === 0 ? false : [...limits.trustedProxies],
      genReqId: requestIds(limits),
      clientErrorHandler: (error, socket) => refuseGarbage(error, socket, connections),
    },
    guard(app) {
      const guarded = new Connections(app.server, limits);
      connections = guarded;
      app.server.maxHeadersCount = HEADERS_MAX;
      app.addHook("preClose", async () => guarded.stop());
    },
  };
}

/** The id that a trusted proxy has given to the call, where it is one; else a new one. */
function requestIds({ requestIdHeader, trustedProxies }: HttpLimits): (request: IncomingMessage) => string {
  if (requestIdHeader === null) return () => randomUUID();
  const trusted = new BlockList();
  for (const proxy of trustedProxies) {
    const [address = "", bits] = proxy.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  return (request) => {
    const from = request.socket?.remoteAddress ?? "";
    const given = request.headers[requestIdHeader];
    const believed =
      trustedProxies.length === 0 || (from !== "" && trusted.check(from, isIPv6(from) ? "ipv6" : "ipv4"));
    return believed && typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
  };
}

/** How a request to SCIM begins. */
const SCIM_LINE = new RegExp(`^[A-Z]{1,10} ${SCIM_ROOT}/`);
const LINE_BYTES = 30;

type ClientError = Parameters<NonNullable<Options["clientErrorHandler"]>>[0];

/** What is not HTTP at all, came too slowly, or has a head beyond measure: there is no request to answer in the ordinary way. */
function refuseGarbage(error: ClientError, socket: Socket, connections: Connections | null): void {
  if (error.code === "ECONNRESET" || !socket.writable || connections?.answering(socket) === true) {
    socket.destroy();
    return;
  }
  const refusal = whyNot(error.code);
  const problem = toProblem(refusal);
  const scim = isToScim(error);
  const body = JSON.stringify(scim ? toScimError(refusal) : problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    `Content-Type: ${scim ? SCIM_TYPE : "application/problem+json"}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Cache-Control: no-store",
    "Connection: close",
  ];
  // What is still on its way in is not read: a sender that never ends must not keep the connection.
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

function isToScim(error: ClientError): boolean {
  const packet: unknown = error.rawPacket;
  return Buffer.isBuffer(packet) && SCIM_LINE.test(packet.toString("latin1", 0, LINE_BYTES));
}

function whyNot(code: string | undefined): Refusal {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return refuse("request-timeout", "The request did not come whole in time. Send it again.");
  if (code === "HPE_HEADER_OVERFLOW")
    return refuse("head-too-large", `Send at most ${HEAD_BYTES_MAX / 1024} KiB of address and headers.`);
  return refuse("malformed-request", "What was sent is not a valid HTTP request.");
}
