/** The floor: what the connector asked of the target once, asked again by a bare script for another grant. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { scramVerifier } from "../../src/base/scram.ts";
import { Secret } from "../../src/base/secret.ts";
import type { Captured } from "./wire-capture.ts";

/** The grant whose life was captured. */
export type Model = {
  /** The id without its prefix; the role, the marks and the application name all hold it. */
  readonly bareId: string;
  readonly oid: number;
  readonly steps: readonly Captured[];
};

/** A grant that only the floor knows. */
export type Stand = { readonly bareId: string; readonly role: string; readonly password: Secret; oid: number | null };

const ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz";
const freshId = (length: number): string =>
  Array.from(randomBytes(length), (byte) => ID_LETTERS[byte % ID_LETTERS.length]).join("");

export const newStand = (model: Model, modelRole: string, id: string | null = null): Stand => {
  const bareId = id ?? freshId(model.bareId.length);
  return {
    bareId,
    role: modelRole.replace(model.bareId, bareId),
    password: new Secret(randomBytes(24).toString("base64url")),
    oid: null,
  };
};

const VERIFIER = /SCRAM-SHA-256\$4096:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=:]+/;
const UNTIL = /valid until '[^']+'/;
const UNTIL_MS = 3_600_000;

/** Runs the steps for this stand: the same connections, statements and transactions in the same order. */
export async function replay(model: Model, stand: Stand, target: URL): Promise<void> {
  const clients = new Map<number, pg.Client>();
  const renamed = (text: string): string => text.replaceAll(model.bareId, stand.bareId);
  const value = (given: string | null): string | null =>
    given === String(model.oid) && stand.oid !== null ? String(stand.oid) : given === null ? null : renamed(given);
  try {
    for (const step of model.steps) {
      if (step.did === "connect") {
        const client = await open(target, step, renamed(step.user), stand);
        if (client !== null) clients.set(step.on, client);
      } else if (step.did === "end") {
        await clients.get(step.on)?.end();
        clients.delete(step.on);
      } else {
        const text = renamed(step.text)
          .replace(VERIFIER, () => scramVerifier(stand.password))
          .replace(UNTIL, `valid until '${new Date(Date.now() + UNTIL_MS).toISOString()}'`);
        const client = clients.get(step.on);
        if (client === undefined) throw new Error(`a statement on a connection that was refused: ${text}`);
        const { rows } = await client.query<Record<string, unknown>>(text, step.values?.map(value));
        for (const row of rows ?? []) if (row["name"] === stand.role) stand.oid = Number(row["oid"]);
      }
    }
  } finally {
    await Promise.all([...clients.values()].map((client) => client.end()));
  }
}

/** Signs in as the captured user did; null for a sign-in as the shut role, which must be refused. */
async function open(
  target: URL,
  step: Extract<Captured, { did: "connect" }>,
  user: string,
  stand: Stand,
): Promise<pg.Client | null> {
  const shut = user === stand.role;
  const client = new pg.Client({
    host: target.hostname,
    port: Number(target.port),
    user,
    password: shut ? stand.password.reveal() : decodeURIComponent(target.password),
    database: step.database,
    application_name: step.name,
    options: "-c search_path=pg_catalog",
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    if (shut && error instanceof pg.DatabaseError && error.code === "28000") return null;
    throw error;
  }
  if (shut) throw new Error(`the role ${user} should have been refused`);
  return client;
}

/** Signs in with a credential and asks one thing: it works. */
export async function signIn(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("select 1");
  await client.end();
}
