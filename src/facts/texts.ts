/** Words of an answer: bounded, and without anything that could steer a terminal or a page. */
import type { Json } from "../base/canonical.ts";
import { SourceError } from "./source.ts";

const WORD_CHARS_MAX = 200;

/** A text of the answer. Null counts as empty; anything else is another shape than expected. */
export function wordOf(value: Json, what: string): string {
  if (value === null) return "";
  // Trackers number people.
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string")
    throw new SourceError("unexpected", `answered with something else than a text as ${what}`);
  if (text.length > WORD_CHARS_MAX) throw new SourceError("unexpected", `answered with a ${what} that is too long`);
  return text.replaceAll(/[^\P{C}\p{Cn}]/gu, "\ufffd").trim();
}

const TIER_MAX = 99;

/** A line of being on call: 1 the first. */
export function tierOf(value: Json): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= TIER_MAX) return value;
  throw new SourceError("unexpected", `answered with a tier that is no whole number from 1 to ${TIER_MAX}`);
}

export const sameWord = (a: string, b: string): boolean => a.trim().toLowerCase() === b.trim().toLowerCase();
