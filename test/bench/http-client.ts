/** A plain HTTP/1.1 client on one kept connection, cheap enough not to be what is measured. */
import { connect, type Socket } from "node:net";

export type Answer = { readonly status: number; readonly body: string };

export class HttpConnection {
  readonly #socket: Socket;
  readonly #host: string;
  #rest: Buffer = Buffer.alloc(0);
  #waiting: PromiseWithResolvers<Answer> | null = null;

  constructor(url: string) {
    const { hostname, port, host } = new URL(url);
    this.#host = host;
    this.#socket = connect({ host: hostname, port: Number(port) });
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    const broken = (): void => this.#waiting?.reject(new Error("the server closed the connection"));
    this.#socket.on("error", broken);
    this.#socket.on("close", broken);
  }

  /** One call at a time. */
  call(method: string, path: string, token: string, body?: unknown): Promise<Answer> {
    return this.send(method, path, [`authorization: Bearer ${token}`], body);
  }

  /** The same with these lines in its head. */
  send(method: string, path: string, lines: readonly string[], body?: unknown): Promise<Answer> {
    const waiting = Promise.withResolvers<Answer>();
    this.#waiting = waiting;
    const text = body === undefined ? "" : JSON.stringify(body);
    const head = [
      `${method} ${path} HTTP/1.1`,
      `host: ${this.#host}`,
      ...lines,
      ...(text === "" ? [] : ["content-type: application/json", `content-length: ${Buffer.byteLength(text)}`]),
    ];
    this.#socket.write(`${head.join("\r\n")}\r\n\r\n${text}`);
    return waiting.promise;
  }

  #read(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = this.#rest.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = this.#rest.toString("latin1", 0, end);
    const size = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#rest.length < end + 4 + size) return;
    const answer = { status: Number(head.slice(9, 12)), body: this.#rest.toString("utf8", end + 4, end + 4 + size) };
    this.#rest = this.#rest.subarray(end + 4 + size);
    this.#waiting?.resolve(answer);
    this.#waiting = null;
  }

  close(): void {
    this.#waiting = null;
    this.#socket.destroy();
  }
}
