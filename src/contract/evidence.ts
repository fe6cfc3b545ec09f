/** Questions that auditors ask of a period, each answered in rows of one form. */
import { z } from "zod";
import { problems } from "./problem.ts";
import { answer, reads } from "./route.ts";
import {
  AUDIT_PAGE_MAX,
  cursorIn,
  cursorOut,
  droppedOut,
  NAME_CHARS_MAX,
  numberIn,
  person,
  text,
  timeIn,
  timeOut,
} from "./values.ts";

export const QUESTIONS = [
  "access",
  "person",
  "emergencies",
  "approvals",
  "unused",
  "endings",
  "policy",
  "totals",
] as const;
export type EvidenceQuestion = (typeof QUESTIONS)[number];

const evidenceRow = z.object({
  what: z.string().meta({ description: "grant, request, the kind of an audit entry, or a version" }),
  state: z.string(),
  at: timeOut.nullable(),
  until: timeOut.nullable().meta({ description: "null: not yet" }),
  person: person.nullable().meta({ description: "Whom it is about" }),
  by: z.array(person).meta({ description: "Who approved, reviewed, confirmed or did it" }),
  inPlaceOf: z.array(person),
  entitlement: z.string().nullable(),
  request: z.string().nullable(),
  grant: z.string().nullable(),
  ms: z.int().nullable().meta({ description: "From the end to the proof; of an emergency: how late its review was" }),
  count: z.int().nullable(),
  note: z.string(),
  entries: z
    .array(z.object({ seq: z.int().nullable(), id: z.string(), kind: z.string() }))
    .meta({ description: "Where the audit log says so" }),
});
export type EvidenceRow = z.infer<typeof evidenceRow>;

export const evidenceAnswer = z.object({
  question: z.enum(QUESTIONS),
  of: z.string().nullable(),
  from: timeOut,
  until: timeOut.meta({ description: "Not included" }),
  madeAt: timeOut,
  madeBy: person,
  installation: z.string(),
  tidegate: z.string(),
  head: z.int().meta({ description: "The last position of the audit log then" }),
  meaning: z.string().meta({ description: "What a row is, and what is not among them" }),
  rows: z.array(evidenceRow),
  times: z
    .object({
      count: z.int(),
      open: z.int().meta({ description: "Not proven gone" }),
      p50Ms: z.int().nullable(),
      p95Ms: z.int().nullable(),
      maxMs: z.int().nullable(),
    })
    .nullable()
    .meta({ description: "Of all endings, on their first page" }),
  next: cursorOut,
  dropped: droppedOut,
});
export type EvidenceAnswer = z.infer<typeof evidenceAnswer>;

export const evidenceQuery = z.strictObject({
  question: z.enum(QUESTIONS).meta({ description: "What is asked" }),
  of: text(NAME_CHARS_MAX)
    .min(1, "name a resource, an entitlement or a person")
    .optional()
    .meta({
      description: "access: a resource or entitlement, required; person: a handle or id, required. Others: narrows",
      examples: ["orders-db:read"],
    }),
  from: timeIn.optional().meta({ description: "Default: 90 days before its end" }),
  until: timeIn.optional().meta({ description: "Not included. Default: now" }),
  cursor: cursorIn.optional().meta({ description: "`next` of the page before; all else as it was" }),
  limit: numberIn(1, AUDIT_PAGE_MAX).default(100).meta({ description: "How many at most" }),
});
export type EvidenceQuery = z.input<typeof evidenceQuery>;

export const evidence = {
  ask: reads
    .route({
      method: "GET",
      path: "/v1/evidence",
      tags: ["review"],
      summary: "What auditors ask of a period",
      description:
        "For auditors, operators and admins. access: who may have had it; person: all about somebody; emergencies with their reviews; approvals; unused grants; endings: from end to proof; policy: versions in force; totals.",
    })
    .input(z.object({ query: evidenceQuery }))
    .output(answer(200, "A page of the answer", evidenceAnswer))
    .errors(problems("forbidden", "invalid-input", "not-found")),
};
