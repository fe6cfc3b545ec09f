/** The connections of a server: how many there may be, and how they end when it stops. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { HttpLimits } from "./limits.ts";
import { addressKey } from "./token-buckets.ts";

export class Connections {
  readonly #limits: HttpLimits;
  /** With the answers that are under way on each. */
  readonly #open = new Map<Socket, Set<ServerResponse>>();
  readonly #byAddress = new Map<string, number>();
  #stopping = false;

  constructor(server: Server, limits: HttpLimits) {
    this.#limits = limits;
    server.maxConnections = limits.connections;
    server.on("connection", (socket: Socket) => this.#accept(socket));
    server.prependListener("request", (request: IncomingMessage, response: ServerResponse) =>
      this.#begin(request.socket, response),
    );
  }

  /** Whether an answer has begun on this connection: then nothing else can be said on it. */
  answering(socket: Socket): boolean {
    return [...(this.#open.get(socket) ?? [])].some((response) => response.headersSent);
  }

  /** Ends each connection as soon as nothing is under way on it; after a while, whatever is. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const [socket, responses] of this.#open) if (responses.size === 0) socket.destroy();
    const patience = setTimeout(() => {
      for (const socket of this.#open.keys()) socket.destroy();
    }, this.#limits.drainWithinMs);
    patience.unref();
  }

  #accept(socket: Socket): void {
    const address = addressKey(socket.remoteAddress ?? "");
    const count = (this.#byAddress.get(address) ?? 0) + 1;
    if (this.#stopping || count > this.#limits.connectionsPerAddress) {
      socket.destroy();
      return;
    }
    this.#byAddress.set(address, count);
    this.#open.set(socket, new Set());
    socket.once("close", () => {
      this.#open.delete(socket);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    });
  }

  #begin(socket: Socket, response: ServerResponse): void {
    const responses = this.#open.get(socket);
    if (responses === undefined) return;
    responses.add(response);
    response.once("close", () => {
      responses.delete(response);
      if (this.#stopping && responses.size === 0) socket.destroySoon();
    });
  }
}
