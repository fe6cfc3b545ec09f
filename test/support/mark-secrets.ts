/**
 * S24, the first half: knows every secret that is made. Loaded before everything else (test/run.ts), it puts a mark into the
 * two files that make them: each `Secret`, each random token and code, each token that comes after another. Salts are made
 * there too, under a name of their own, and are none. A child process tells its secrets by a file, to whom started it.
 */
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";

const FILE = process.env["TIDEGATE_TEST_SECRETS"];
const ISSUED: symbol = Symbol.for("tidegate.test.issued");
const shared = globalThis as unknown as Record<symbol, Set<unknown> | undefined>;
const NOTE = `globalThis[Symbol.for("tidegate.test.issued")]`;

const marking = (made: string): string => `((made) => (${NOTE}.add(made), made))(${made})`;
/** File → a piece of it, and what stands there instead. */
const MARKS: readonly { readonly file: string; readonly pieces: Readonly<Record<string, string>> }[] = [
  {
    file: "/src/base/secret.ts",
    pieces: { "this.#value = value;": `this.#value = value; ${NOTE}.add(value);` },
  },
  {
    file: "/src/base/token.ts",
    pieces: {
      "newSecretText = (): string => randomText();": `newSecretText = (): string => ${marking("randomText()")};`,
      'createHmac("sha256", token).update(salt).digest("base64url")': marking(
        'createHmac("sha256", token).update(salt).digest("base64url")',
      ),
    },
  },
];

/** Of a child: what it makes is in the file before anybody could be told. */
class Written extends Set<unknown> {
  override add(value: unknown): this {
    if (typeof value === "string" && !this.has(value)) appendFileSync(FILE ?? "", `${JSON.stringify(value)}\n`);
    return super.add(value);
  }
}

if (shared[ISSUED] === undefined) {
  shared[ISSUED] = FILE === undefined ? new Set() : new Written();
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const mark = MARKS.find(({ file }) => url.endsWith(file));
      if (mark === undefined) return loaded;
      let source = String(loaded.source);
      for (const [piece, marked] of Object.entries(mark.pieces)) {
        assert.ok(source.includes(piece), `${mark.file} makes secrets in another way: mend ${import.meta.filename}`);
        source = source.replace(piece, marked);
      }
      return { ...loaded, source };
    },
  });
}

/** Whatever was made in this process: texts, bytes, lists of them. Empty where nothing was marked. */
export const issued: ReadonlySet<unknown> = shared[ISSUED];

/** A secret that a test made by itself. */
export function remembered(secret: string): string {
  shared[ISSUED]?.add(secret);
  return secret;
}
