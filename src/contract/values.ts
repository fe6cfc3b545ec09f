/** The small values that the API's shapes are made of: texts, times, durations, ids, people. */
import { z } from "zod";
import { parseTimestamp } from "../base/clock.ts";
import { type DurationMs, parseDuration } from "../base/duration.ts";

export const REASON_CHARS_MAX = 4_000;
export const TICKET_CHARS_MAX = 200;
export const COMMENT_CHARS_MAX = 4_000;
export const NAME_CHARS_MAX = 200;
export const KEY_CHARS_MAX = 200;
export const WAIT_SECONDS_MAX = 60;
export const PAGE_MAX = 200;
export const AUDIT_PAGE_MAX = 1_000;

/**
 * Characters that no text may hold: PostgreSQL cannot store NUL, and the other control characters could repaint the
 * terminal in which an approver reads it. Tab and line breaks are fine.
 */
const CONTROL = /[^\P{Cc}\t\n\r]/u;

/** A text from outside, trimmed, of at most so many characters, that can be stored and shown. */
export const text = (charsMax: number) =>
  z
    .string()
    .trim()
    .max(charsMax, `write at most ${charsMax.toLocaleString("en")} characters`)
    .refine((value) => value.isWellFormed(), "holds half a character (a lone surrogate)")
    .refine((value) => !CONTROL.test(value), "holds a control character");

const SHOWN_DURATION = { description: "A duration: 90s, 15m, 8h, 2d, 1h30m", examples: ["1h"] };

/** A duration as people write it; milliseconds inside. What is wrong with it is said by `parseDuration`, whatever was sent. */
export const durationIn = z
  .string({ error: ({ input }) => whyNot(input) })
  .transform((written, context): DurationMs => {
    const parsed = parseDuration(written);
    if (parsed.ok) return parsed.value;
    context.addIssue({ code: "custom", message: parsed.why });
    return z.NEVER;
  })
  .meta(SHOWN_DURATION);

function whyNot(input: unknown): string {
  const parsed = parseDuration(input);
  return parsed.ok ? "not a duration" : parsed.why;
}

export const durationOut = z.string().meta(SHOWN_DURATION);

/** What a store and every client can hold: years of four digits, however far the zone moves them. */
const TIME_MIN_MS = 0;
const TIME_MAX_MS = 253_370_764_800_000;

/** A time with its zone; milliseconds since the epoch inside. */
export const timeIn = z
  .string()
  .transform((written, context): number => {
    const ms = parseTimestamp(written);
    if (ms !== null && ms >= TIME_MIN_MS && ms <= TIME_MAX_MS) return ms;
    context.addIssue({ code: "custom", message: "write a time as 2026-01-31T12:00:00Z, with its zone" });
    return z.NEVER;
  })
  .meta({ description: "RFC 3339, with its zone", examples: ["2026-01-31T12:00:00Z"] });

/** RFC 3339, UTC. */
export const timeOut = z.iso.datetime();
const dropped = z.object({ to: z.int(), before: timeOut, entry: z.int(), says: z.string() });
export type DroppedView = z.infer<typeof dropped>;
/** Of what was asked for. */
export const droppedOut = dropped.nullable().meta({ description: "What retention dropped of it; null: nothing" });

/** Some of these words, separated by commas. */
export const someOf = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z
    .string()
    .transform((list) => list.split(","))
    .pipe(z.array(z.enum(words)).min(1))
    .meta({ description: `One or more of ${words.join(", ")}; separated by commas.`, examples: [words[0]] });

/** A whole number in a query. */
export const numberIn = (least: number, most: number) => z.coerce.number<number | string>().int().min(least).max(most);

/** Which way a list goes. */
export const orderIn = z.enum(["newest", "oldest"]);

export const personIn = text(NAME_CHARS_MAX).meta({ description: "Handle or id; me: your own", examples: ["alice"] });

/** What is one's own, unless an admin asks for another's. */
export const ofSomebodyElse = z.strictObject({
  user: text(NAME_CHARS_MAX)
    .min(1)
    .optional()
    .meta({ description: "Handle or id of somebody else; for admins", examples: ["bob"] }),
});

/** What a list of things that people make can be narrowed by, whatever the things are. */
export const narrowing = {
  person: personIn.optional(),
  resource: text(NAME_CHARS_MAX)
    .optional()
    .meta({ description: "A resource", examples: ["orders-db"] }),
  entitlement: text(NAME_CHARS_MAX)
    .optional()
    .meta({ description: "Resource and entitlement", examples: ["orders-db:read"] }),
  from: timeIn.optional().meta({ description: "Made at this time or later" }),
  until: timeIn.optional().meta({ description: "Made before this time" }),
};

/** Opaque: hand back what `next` gave. */
export const cursorIn = z
  .string()
  .regex(/^\d{1,15}$/, "hand back what next gave")
  .transform(Number);
export const cursorOut = z
  .string()
  .nullable()
  .meta({ description: "The cursor of the next page; null: this was the last." });

/** Of lists that go by name. */
export const nameCursorOut = z
  .string()
  .nullable()
  .meta({ description: "The cursor of the next page; null: this was the last. A page may hold less than the limit." });

/** One page of a list. */
export const pageIn = {
  cursor: cursorIn
    .optional()
    .meta({ description: "`next` of the page before; all else as it was", examples: ["1204"] }),
  limit: numberIn(1, PAGE_MAX).default(50).meta({ description: "How many at most" }),
};

/** One page, and which way they go. What is added while somebody reads page after page neither moves nor repeats the rest. */
export const paging = (order: string) => ({
  order: orderIn.default("newest").meta({ description: order }),
  ...pageIn,
});

export const idOf = (prefix: string, example: string) =>
  z.string().meta({ description: `An id: ${prefix}_…`, examples: [example] });
export const requestIdIn = idOf("rq", "rq_0123456789abcdef");
export const bundleIdIn = idOf("bn", "bn_0123456789abcdef");
export const grantIdIn = idOf("gr", "gr_0123456789abcdef");

/** Which version of a request the caller has seen. */
export const ifMatch = z.looseObject({
  "if-match": z
    .string()
    .regex(/^"[0-9a-f]{1,64}"$/, 'send the version of the request in quotes: "3f9a1c2b7d5e8f60"')
    .transform((quoted) => quoted.slice(1, -1))
    .optional()
    .meta({
      description: "The version of the request that you have seen, in quotes: refused where it is another by now",
      examples: ['"3f9a1c2b7d5e8f60"'],
    }),
});

export const entitlementIn = text(NAME_CHARS_MAX)
  .min(1, "name an entitlement, such as orders-db:read")
  .meta({ description: "Resource and entitlement", examples: ["orders-db:read"] });

/** A person or service account, for showing: the id never changes, the handle may. */
export const person = z.object({ id: z.string(), handle: z.string(), name: z.string() });
export type Person = z.infer<typeof person>;

export const personalIn = z.enum(["yes", "no"]).default("yes").meta({ description: "With texts by and about people" });
