/**
 * Text from a server was partly written by other people: a reason, a comment, a target's error. Shown on an approver's
 * terminal, an escape sequence in it could hide or forge what they are about to agree to. So nothing that moves the cursor,
 * changes the reading direction or is invisible gets through.
 */
const CONTROL = /[\p{Cc}\u2028\u2029]/gu;
const INVISIBLE = /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

export const cleanText = (text: string): string =>
  text.replaceAll(/\s+/g, " ").replaceAll(CONTROL, "�").replaceAll(INVISIBLE, "");

/** The same value with every text in it made safe to show. */
export function clean<T>(value: T): T {
  if (typeof value === "string") return cleanText(value) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => clean(item)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [cleanText(key), clean(member as unknown)]),
  ) as T;
}
