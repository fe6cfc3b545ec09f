/** The audit log. */
import { z } from "zod";
import { ENTRY_KINDS } from "../domain/audit.ts";
import { problems } from "./problem.ts";
import { answer, reads } from "./route.ts";
import {
  AUDIT_PAGE_MAX,
  grantIdIn,
  NAME_CHARS_MAX,
  numberIn,
  orderIn,
  requestIdIn,
  someOf,
  text,
  timeIn,
  timeOut,
} from "./values.ts";

/** The kinds there are, in the order in which they were thought of. */
export { ENTRY_KINDS };

/**
 * One entry. The members v, id, at, installation, kind, actor, refs, data and commitments are the leaf: their canonical
 * JSON (RFC 8785) is what the log stores and what `chainHash` covers. `seq`, `chainHash`, `who` and `personal` are not
 * part of it.
 */
export const auditEntry = z.object({
  seq: z.int(),
  chainHash: z.string(),
  v: z.literal(1),
  id: z.string(),
  at: timeOut,
  installation: z.string(),
  kind: z.string().meta({ examples: ["grant.revoked"] }),
  actor: z.union([z.object({ principal: z.string() }), z.object({ system: z.string() })]),
  refs: z.object({
    request: z.string().optional(),
    grant: z.string().optional(),
    lease: z.string().optional(),
    principal: z.string().optional(),
  }),
  data: z.record(z.string(), z.unknown()),
  commitments: z
    .record(z.string(), z.string())
    .optional()
    .meta({ description: "SHA-256 over salt, field and value of each personal text" }),
  who: z.string().meta({ description: "Handle of the person who did it, or the part of Tidegate" }),
  personal: z.record(z.string(), z.string()).meta({ description: "Texts by people, unless erased" }),
});
export type AuditEntry = z.infer<typeof auditEntry>;

const SEQ_MAX = Number.MAX_SAFE_INTEGER;

export const audit = {
  list: reads
    .route({
      method: "GET",
      path: "/v1/audit",
      tags: ["audit"],
      summary: "Entries in their order",
      description:
        "Admins and auditors read all; others what belongs to a grant or request that they may see. Positions are given once, without gaps, so that pages stay right while entries are added.",
    })
    .input(
      z.object({
        query: z.strictObject({
          after: numberIn(0, SEQ_MAX).default(0).meta({ description: "Entries after this position" }),
          before: numberIn(1, SEQ_MAX).optional().meta({ description: "Entries before this position" }),
          order: orderIn.default("oldest").meta({ description: "Which end to begin at" }),
          limit: numberIn(1, AUDIT_PAGE_MAX).default(100).meta({ description: "How many at most" }),
          kind: someOf(ENTRY_KINDS).optional(),
          actor: text(NAME_CHARS_MAX)
            .optional()
            .meta({
              description: "Who did it: handle or id, me, or a part of Tidegate as in system:reconciler",
              examples: ["alice"],
            }),
          grant: grantIdIn.optional(),
          request: requestIdIn.optional(),
          from: timeIn.optional().meta({ description: "Written at this time or later" }),
          until: timeIn.optional().meta({ description: "Written before this time" }),
        }),
      }),
    )
    .output(
      answer(
        200,
        "A page of entries",
        z.object({
          entries: z.array(auditEntry),
          next: z.int().nullable().meta({
            description: "Ask again after this position, or before it where newest come first; null: no more for now",
          }),
        }),
      ),
    )
    .errors(problems("forbidden", "not-found")),
};
