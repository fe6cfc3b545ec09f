import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { readIfThere } from "./server-folder.ts";

/**
 * Below the ranges from which Linux and macOS take the ports of outgoing connections: a port from there would often be in
 * use by chance at the next start, and people write the port down.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const ATTEMPTS_MAX = 100;
const LARGEST_PORT = 65_535;

/** The port of the last start, or null. */
export async function rememberedPort(file: string): Promise<number | null> {
  const text = (await readIfThere(file))?.trim() ?? "";
  const port = Number(text);
  return /^\d{1,5}$/.test(text) && port > 0 && port <= LARGEST_PORT ? port : null;
}

/** A port of 127.0.0.1 that nobody listens on: the preferred one if possible. */
export async function freePort(preferred: number | null): Promise<number> {
  if (preferred !== null && (await isFree(preferred))) return preferred;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if (await isFree(port)) return port;
  }
  throw new EmbeddedPostgresError(`No free port was found on 127.0.0.1 between ${FIRST_PORT} and ${LAST_PORT}.`);
}

export function portTaken(port: number): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `Port ${port} on 127.0.0.1 is taken by another program. Stop that program, or choose another port.`,
  );
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => done(true)));
  });
}
