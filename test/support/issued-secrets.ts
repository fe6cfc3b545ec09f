/**
 * S24 for all that runs in a test's own process: loaded before everything else (test/run.ts), it knows every `Secret` that is
 * made and every random token, by a mark that it puts into the two files that make them. `assertUntold` then looks for them
 * in answers, logs and the whole store.
 */
import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { sql } from "kysely";
import type { Db } from "../../src/store/db.ts";

const ISSUED: symbol = Symbol.for("tidegate.test.issued");
const shared = globalThis as unknown as Record<symbol, Set<unknown> | undefined>;
const NOTE = `globalThis[Symbol.for(${JSON.stringify("tidegate.test.issued")})]`;

/** File → a piece of it, and what stands there instead. */
const MARKS: readonly { readonly file: string; readonly piece: string; readonly marked: string }[] = [
  { file: "/src/base/secret.ts", piece: "this.#value = value;", marked: `this.#value = value; ${NOTE}.add(value);` },
  {
    file: "/src/base/token.ts",
    piece: 'Buffer.from(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))).toString("base64url");',
    marked: `((made) => (${NOTE}.add(made), made))(Buffer.from(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))).toString("base64url"));`,
  },
];

if (shared[ISSUED] === undefined) {
  shared[ISSUED] = new Set();
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const mark = MARKS.find(({ file }) => url.endsWith(file));
      if (mark === undefined) return loaded;
      const source = String(loaded.source);
      assert.ok(source.includes(mark.piece), `${mark.file} makes secrets in another way: mend ${import.meta.filename}`);
      return { ...loaded, source: source.replace(mark.piece, mark.marked) };
    },
  });
}

/** Shorter ones are words of a test, which may stand anywhere. */
const CHARS_MIN = 16;

function issued(): string[] {
  const texts = [...(shared[ISSUED] ?? [])].flatMap((value) => (typeof value === "string" ? partsOf(value) : []));
  return [...new Set(texts)].filter((text) => text.length >= CHARS_MIN);
}

/** A connection is told as JSON, with its password within an address. */
function partsOf(text: string): string[] {
  if (!text.startsWith("{")) return [text];
  return [...text.matchAll(/:\/\/[^:@/"]*:([^@/"]+)@|"(?:password|token|secret|key)":"([^"]+)"/g)].flatMap(
    ([, inAddress, member]) => inAddress ?? member ?? [],
  );
}

/** No secret that this process has made stands in the text. */
export function assertUntold(text: string, where: string): void {
  const told = issued().filter((secret) => text.includes(secret));
  assert.equal(told.length, 0, `S24: ${where} tells a secret, which begins with ${told[0]?.slice(0, 4)}`);
}

const ROWS_MAX = 20_000;

/** Nor in any table of the store. */
export async function assertStoreTellsNothing(db: Db): Promise<void> {
  const { rows: tables } = await sql<{ name: string }>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public'`.execute(db);
  for (const { name } of tables) {
    const { rows } = await sql<{ all: string | null }>`
      select string_agg(t::text, ' ') as all from (select * from ${sql.raw(name)} limit ${ROWS_MAX}) t`.execute(db);
    assertUntold(rows[0]?.all ?? "", `the table ${name}`);
  }
}
