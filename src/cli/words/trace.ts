import type { RequestView } from "../../contract/access.ts";
import type { Page, Style } from "../output.ts";

/** One rule that policy looked at, and what came of it. */
export type TraceLine = RequestView["decision"]["trace"][number];

const SIGNS: Readonly<Record<TraceLine["result"], readonly [sign: string, style: Style, words: string]>> = {
  denies: ["✗", "red", "denies"],
  applies: ["✓", "green", "applies"],
  "does-not-apply": ["·", "dim", "does not apply"],
  error: ["!", "yellow", "failed"],
};

/** Each rule and why, in the order in which policy asked them. */
export const traceLines = (trace: readonly TraceLine[], page: Page): string[] =>
  trace.map(({ rule, result, why }) => {
    const [sign, style, words] = SIGNS[result];
    const line = `${sign} ${rule} ${words}: ${why}`;
    return result === "does-not-apply"
      ? page.paint("dim", line)
      : `${page.paint(style, `${sign} ${rule}`)} ${words}: ${why}`;
  });

/** A trace as it came with a problem, where nothing promises its shape. */
export function readTrace(value: unknown): TraceLine[] {
  return Array.isArray(value) ? value.filter(isTraceLine) : [];
}

const isTraceLine = (value: unknown): value is TraceLine =>
  typeof value === "object" &&
  value !== null &&
  "rule" in value &&
  "why" in value &&
  "result" in value &&
  typeof value.result === "string" &&
  Object.hasOwn(SIGNS, value.result);
