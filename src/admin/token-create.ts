/** `tidegate token create`: a token for one person or service, and the line that makes the file know it. */
import { writeFileSync } from "node:fs";
import { parseTimestamp, toTimestamp } from "../base/clock.ts";
import { hashToken, newToken } from "../base/token.ts";
import { isName } from "../domain/entitlement.ts";
import type { CommandResult } from "./check.ts";

const DAY_MS = 86_400_000;
const LIFETIME_MS = { otherwise: 90 * DAY_MS, most: 365 * DAY_MS };

export type TokenOptions = {
  /** What the token is for: `laptop`, `ci`. */
  readonly name: string;
  /** RFC 3339 with a zone. */
  readonly expires?: string;
  /** Left out: whatever its owner may do. */
  readonly scope?: readonly string[];
  readonly nowMs: number;
  /** A file to make for the token, which then is not shown at all. */
  readonly out?: string;
  readonly json?: boolean;
};

/** The token is in the text once, or in the file that was named, and nowhere else: the configuration gets its hash. */
export function createToken({ name, expires, scope, nowMs, out, json = false }: TokenOptions): CommandResult {
  if (!isName(name))
    return failed("a token's name is lower-case letters, digits, - _ and . (at most 63), such as laptop", json);
  const endsMs = expires === undefined ? nowMs + LIFETIME_MS.otherwise : parseTimestamp(expires);
  if (endsMs === null) return failed("expires is a time with a zone, such as 2027-01-31T00:00:00Z", json);
  if (endsMs <= nowMs || endsMs > nowMs + LIFETIME_MS.most)
    return failed("expires lies ahead, by 365 days at most: rotating is better than keeping", json);
  const token = newToken();
  const hash = hashToken(token);
  const line = `- { name: "${name}", hash: "${hash}", expires: "${expires ?? toTimestamp(endsMs)}"${narrowed(scope)} }`;
  if (out !== undefined) {
    const trouble = written(token, out);
    if (trouble !== null) return failed(trouble, json);
  }
  if (json)
    return {
      exitCode: 0,
      text: JSON.stringify({ ...(out === undefined ? { token } : { out }), hash, yaml: line }, null, 2),
    };
  const text = [
    ...(out === undefined
      ? ["The token, shown this once; keep it where secrets belong:", "", `  ${token}`]
      : [`The token is in ${out}, which only you can read.`]),
    "",
    "Under principals, in its owner's tokens:",
    "",
    `  ${line}`,
  ];
  return { exitCode: 0, text: text.join("\n") };
}

const narrowed = (scopes: readonly string[] = []): string =>
  scopes.length === 0 ? "" : `, scopes: [${scopes.map((scope) => `"${scope}"`).join(", ")}]`;

/** An older token is never written over: it may be the only copy. */
function written(token: string, path: string): string | null {
  try {
    writeFileSync(path, `${token}\n`, { mode: 0o600, flag: "wx" });
    return null;
  } catch (error) {
    const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
    if (exists) return `${path} exists already and is left as it is. Name another file, or remove it first.`;
    return `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const failed = (why: string, json: boolean): CommandResult => ({
  exitCode: 1,
  text: json ? JSON.stringify({ error: why }, null, 2) : `error: ${why}`,
});
