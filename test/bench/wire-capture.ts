/**
 * Stands between a client and a PostgreSQL server and writes down what the client asks, message by message: the exact
 * statements that the connector issues, also those that it keeps out of the server's log.
 */
import { connect, createServer, type Socket } from "node:net";

export type Captured =
  | {
      readonly on: number;
      readonly did: "connect";
      readonly user: string;
      readonly database: string;
      readonly name: string;
    }
  | {
      readonly on: number;
      readonly did: "query";
      readonly text: string;
      readonly values: readonly (string | null)[] | null;
    }
  | { readonly on: number; readonly did: "end" };

export type Capture = {
  readonly port: number;
  /** What was seen since the last time this was asked. */
  take(): Captured[];
  close(): Promise<void>;
};

export async function startCapture(serverPort: number): Promise<Capture> {
  let [seen, connections] = [[] as Captured[], 0];
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    connections += 1;
    const on = connections;
    const server = connect({ host: "127.0.0.1", port: serverPort });
    const read = frontend((captured) => seen.push({ ...captured, on }));
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("data", (chunk: Buffer) => {
      read(chunk);
      server.write(chunk);
    });
    client.on("close", () => server.destroy());
    server.pipe(client);
  });
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  proxy.listen(0, "127.0.0.1", resolve);
  await listening;
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    take() {
      const taken = seen;
      seen = [];
      return taken;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      const { promise: closed, resolve: done } = Promise.withResolvers<void>();
      proxy.close(() => done());
      await closed;
    },
  };
}

type Message =
  | { readonly did: "connect"; readonly user: string; readonly database: string; readonly name: string }
  | { readonly did: "query"; readonly text: string; readonly values: readonly (string | null)[] | null }
  | { readonly did: "end" };

/** Cuts the frontend's bytes into messages (PostgreSQL documentation, "Message Formats"). */
function frontend(tell: (message: Message) => void): (chunk: Buffer) => void {
  let [rest, started, parsed] = [Buffer.alloc(0), false, ""];
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const head = started ? 1 : 0;
      if (rest.length < head + 4) return;
      const size = head + rest.readInt32BE(head);
      if (rest.length < size) return;
      const [type, body] = [started ? String.fromCharCode(rest[0] ?? 0) : "startup", rest.subarray(head + 4, size)];
      rest = rest.subarray(size);
      started = true;
      if (type === "startup") tell(startup(body));
      else if (type === "Q") tell({ did: "query", text: texts(body)[0] ?? "", values: null });
      else if (type === "P") parsed = texts(body)[1] ?? "";
      else if (type === "B") tell({ did: "query", text: parsed, values: bound(body) });
      else if (type === "X") tell({ did: "end" });
    }
  };
}

const texts = (body: Buffer): string[] => body.toString("utf8").split("\0");

function startup(body: Buffer): Message {
  const words = texts(body.subarray(4));
  const value = (key: string): string => {
    const at = words.findIndex((word, i) => i % 2 === 0 && word === key);
    return at < 0 ? "" : (words[at + 1] ?? "");
  };
  return { did: "connect", user: value("user"), database: value("database"), name: value("application_name") };
}

/** The parameters of a Bind, which the driver sends as text. */
function bound(body: Buffer): (string | null)[] {
  let at = body.indexOf(0, body.indexOf(0) + 1) + 1;
  at += 2 + 2 * body.readInt16BE(at);
  const values: (string | null)[] = [];
  const count = body.readInt16BE(at);
  at += 2;
  for (let i = 0; i < count; i += 1) {
    const size = body.readInt32BE(at);
    at += 4;
    values.push(size < 0 ? null : body.toString("utf8", at, at + size));
    at += Math.max(0, size);
  }
  return values;
}
