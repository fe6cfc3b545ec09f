import type { Page, Style } from "./output.ts";

/** One rule that policy looked at, as the server tells it. */
export type TraceLine = { readonly rule: string; readonly result: "denies" | "applies" | "does-not-apply" | "error"; readonly why: string };

const SIGNS: Readonly<Record<TraceLine["result"], readonly [sign: string, style: Style, words: string]>> = {
  denies: ["✗", "red", "denies"],
  applies: ["✓", "green", "applies"],
  "does-not-apply": ["·", "dim", "does not apply"],
  error: ["!", "yellow", "failed"],
};
