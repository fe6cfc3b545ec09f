/** Programs from the system that some suites need. Missing ones are skipped loudly, and fail where CI is set. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The path of a program, or null. */
export function findTool(name: string): string | null {
  for (const dir of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(dir, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/** For `test(name, { skip })`: false when the tool is there, else why the test is skipped. With CI set a missing tool is an error. */
export function skipWithout(name: string): string | false {
  if (findTool(name) !== null) return false;
  if (process.env["CI"] === "true") throw new Error(`CI is set and ${name} is missing: this suite must run`);
  return `${name} is not installed`;
}
