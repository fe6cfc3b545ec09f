/** `tidegate token create`: a token for one person or service, and the line that makes the file know it. */
import { parseTimestamp } from "../base/clock.ts";
import { hashToken, newToken } from "../base/token.ts";
import { isName } from "../domain/entitlement.ts";
import type { CommandResult } from "./check.ts";

export type TokenOptions = {
  /** What the token is for: `laptop`, `ci`. */
  readonly name: string;
  /** RFC 3339 with a zone. */
  readonly expires?: string;
  readonly json?: boolean;
};

/** The token is in the text once, and nowhere else: the file gets its hash. */
export function createToken({ name, expires, json = false }: TokenOptions): CommandResult {
  if (!isName(name))
    return failed("a token's name is lower-case letters, digits, - _ and . (at most 63), such as laptop", json);
  if (expires !== undefined && parseTimestamp(expires) === null)
    return failed("expires is a time with a zone, such as 2027-01-31T00:00:00Z", json);
  const token = newToken();
  const hash = hashToken(token);
  const line = `- { name: "${name}", hash: "${hash}"${expires === undefined ? "" : `, expires: "${expires}"`} }`;
  if (json) return { exitCode: 0, text: JSON.stringify({ token, hash, yaml: line }, null, 2) };
  const text = [
    "The token, shown this once; keep it where secrets belong:",
    "",
    `  ${token}`,
    "",
    "Under principals, in its owner's tokens:",
    "",
    `  ${line}`,
  ];
  return { exitCode: 0, text: text.join("\n") };
}

const failed = (why: string, json: boolean): CommandResult => ({
  exitCode: 1,
  text: json ? JSON.stringify({ error: why }, null, 2) : `error: ${why}`,
});
