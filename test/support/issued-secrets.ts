/**
 * S24, the second half: no secret that anything here has made (mark-secrets.ts) stands in an answer, a header, a log, a trace,
 * what a command prints, or any table of the store. Whoever is told one by right is in the two tables below, and nobody else.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { sql } from "kysely";
import type { Db } from "../../src/store/db.ts";
import { issued, remembered } from "./mark-secrets.ts";

const MARKER = resolve(import.meta.dirname, "mark-secrets.ts");
/** Whether anything is known; a file that runs alone has not loaded the marks first. */
export const isWatched: boolean = process.execArgv.some((it) => it.endsWith("mark-secrets.ts"));

/** Answers that hand a secret over: in these members of the body, or these headers, and nowhere else. */
const HANDED_BY: readonly { readonly call: RegExp; readonly in: readonly string[]; readonly why: string }[] = [
  {
    call: /^POST \/v1\/grants\/[^/]+\/credential$/,
    in: ["password", "uri"],
    why: "the credential of a grant, once, to its person",
  },
  { call: /^POST \/v1\/tokens(\/[^/]+\/rotate)?$/, in: ["secret"], why: "a new token, once, to its owner" },
  { call: /^POST \/v1\/login$/, in: ["login"], why: "who holds this is the command line that began to sign in" },
  { call: /^POST \/v1\/login\/(token|renew)$/, in: ["token"], why: "the token of a session, to who signed in" },
  { call: /^POST \/auth\/token$/, in: ["access_token"], why: "the token of a workload, to who proved that it is it" },
  { call: /^GET \/auth\/callback\//, in: ["set-cookie"], why: "the session of a browser, as its cookie" },
  { call: /^POST \/auth\/cli$/, in: ["location"], why: "the code by which a browser lets a command line in" },
];

/** Commands that print the one secret that they were asked for. */
const PRINTED_BY: readonly { readonly command: RegExp; readonly why: string }[] = [
  { command: /^credential /, why: "the credential of a grant, to its person" },
  { command: /^psql .*--print\b/, why: "how to connect, to its person, who asked for it in words" },
  { command: /^token (issue|rotate|create)\b/, why: "a new token, to its owner" },
];

/** Shorter ones are words of a test, which may stand anywhere. */
const CHARS_MIN = 16;
const known: string[] = [];
let taken = 0;

/** What is looked for: read anew only when something was made. */
function wanted(): readonly string[] {
  if (issued.size === taken) return known;
  for (const value of [...issued].slice(taken))
    for (const text of partsOf(value)) if (text.length >= CHARS_MIN && !known.includes(text)) known.push(text);
  taken = issued.size;
  return known;
}

/**
 * A connection is told as JSON, with its password within an address; a header with its scheme; a key as bytes. An address as
 * such may stand in the configuration in the clear.
 */
function partsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(partsOf);
  if (value instanceof Uint8Array) return (["base64", "hex"] as const).map((form) => Buffer.from(value).toString(form));
  if (typeof value !== "string") return [];
  const within = [...value.matchAll(/:\/\/[^:@/"\s]*:([^@/"\s]+)@|"(?:password|token|secret|key)":"([^"]+)"/g)].flatMap(
    ([, inAddress, member]) => inAddress ?? member ?? [],
  );
  return /^(\{|https?:)/.test(value)
    ? within
    : [value.replace(/^(Bearer |Basic |GenieKey |Token token=)/, ""), ...within];
}

const toldIn = (text: string): string[] => wanted().filter((secret) => text.includes(secret));

function assertNone(told: readonly string[], where: string): void {
  assert.equal(told.length, 0, `S24: ${where} tells a secret, which begins with ${told[0]?.slice(0, 4)}`);
}

/** No secret stands in the text. */
export const assertUntold = (text: string, where: string): void => assertNone(toldIn(text), where);

type Answer = {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
};

/** No secret stands in the answer, but the one that it hands over. */
export function assertAnswerUntold(method: string, url: string, { statusCode, headers, body }: Answer): void {
  const call = `${method} ${url.split("?")[0]}`;
  const where = `the answer of ${call}`;
  const told = toldIn(`${JSON.stringify(headers)}${body}`);
  const handed = statusCode < 400 ? HANDED_BY.find((it) => it.call.test(call)) : undefined;
  if (told.length === 0 || handed === undefined) {
    assertNone(told, where);
    return;
  }
  const without = (member: string, value: unknown): unknown => (handed.in.includes(member) ? undefined : value);
  assertUntold(JSON.stringify(headers, without), `a header beside the secret in ${where}`);
  const rest = body.startsWith("{") ? JSON.stringify(JSON.parse(body), without) : body;
  assertUntold(rest, `what is beside the secret in ${where}`);
  assert.equal(told.length, 1, `S24: ${where} hands over more than one secret`);
}

/** As a table may hold it in other words: bytes are told as hex. */
const writtenOtherwise = (secret: string): string[] =>
  (["hex", "base64", "base64url"] as const).map((form) => Buffer.from(secret).toString(form).replace(/=+$/, ""));

const inTableToldIn = (text: string): string[] =>
  wanted().filter((secret) => [secret, ...writtenOtherwise(secret)].some((form) => text.includes(form)));

const ROWS_MAX = 20_000;

/** Where the connections of a configuration are kept as they were configured. */
const CONFIGURED = ["public.config_versions", "public.leases"];

/** SQLSTATE: wrong data, wrong syntax or names, more than there is room for or a statement may hold, too slow. */
const NOT_UNDERSTOOD = /^((22|42|53|54)\w{3}|57014)$/;

/** Nor in any table of the store. `configured`: what a test put into its configurations in the clear may stand where those are. */
export async function assertStoreUntold(db: Db, configured: readonly unknown[]): Promise<void> {
  if (!isWatched) return;
  const rows = await tablesOf(db).catch(emptyWhereTakenAway);
  const inTheClear = toldIn(JSON.stringify(configured));
  for (const { name, text } of rows) {
    const told = inTableToldIn(text ?? "").filter(
      (secret) => !(CONFIGURED.includes(name) && inTheClear.includes(secret)),
    );
    assertNone(told, `the table ${name}`);
  }
}

/** A store that the test has taken away answers nobody; one that did not answer the question was not looked through. */
function emptyWhereTakenAway(error: unknown): [] {
  const { code } = error as { code?: unknown };
  if (typeof code === "string" && NOT_UNDERSTOOD.test(code)) throw error;
  return [];
}

async function tablesOf(db: Db): Promise<{ name: string; text: string | null }[]> {
  const { rows: tables } = await sql<{ name: string }>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public'`.execute(db);
  const all = tables.map(
    ({ name }) => sql`
    select ${name} as name, string_agg(t::text, ' ') as text from (select * from ${sql.raw(name)} limit ${ROWS_MAX}) t`,
  );
  return (await sql<{ name: string; text: string | null }>`${sql.join(all, sql` union all `)}`.execute(db)).rows;
}

/** Programs that a test starts: they tell what they make, and what they printed is looked through when all have ended. */
export class WatchedPrograms {
  readonly #file: string;
  readonly #printed: { readonly what: string; readonly text: string; readonly may: number }[] = [];

  /** `file`: where they tell it; removed at the end. */
  constructor(file: string) {
    this.#file = file;
  }

  /** What they are started with. */
  get env(): Record<string, string> {
    if (!isWatched) return {};
    const options = `${process.env["NODE_OPTIONS"] ?? ""} --import=${MARKER}`.trim();
    return { TIDEGATE_TEST_SECRETS: this.#file, NODE_OPTIONS: options };
  }

  printed(text: string, args: readonly string[]): void {
    const may = PRINTED_BY.some(({ command }) => command.test(args.join(" "))) ? 1 : 0;
    if (isWatched) this.#printed.push({ what: `what tidegate ${args.slice(0, 2).join(" ")} printed`, text, may });
  }

  assertUntold(): void {
    if (!isWatched || !existsSync(this.#file)) return;
    for (const line of readFileSync(this.#file, "utf8").split("\n"))
      if (line !== "") remembered(JSON.parse(line) as string);
    rmSync(this.#file);
    for (const { what, text, may } of this.#printed) {
      const told = toldIn(text);
      if (told.length > may) assertNone(told, what);
    }
  }
}
