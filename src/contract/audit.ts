/** The audit log. */
import { z } from "zod";
import { ENTRY_KINDS } from "../domain/audit.ts";
import { problems } from "./problem.ts";
import { answer, reads, readsAs } from "./route.ts";
import {
  AUDIT_PAGE_MAX,
  droppedOut,
  grantIdIn,
  NAME_CHARS_MAX,
  numberIn,
  orderIn,
  personalIn,
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
 * JSON (RFC 8785) is what the log stores and what `leafHash` is over, after a zero byte. `seq`, `leafHash`, `who` and `personal` are not
 * part of it.
 */
export const auditEntry = z.object({
  seq: z.int(),
  leafHash: z.string().meta({ description: "Of the Merkle tree (RFC 6962), hex" }),
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

const sizeOut = z.int().meta({ description: "How many entries the log had" });
const hashOut = z.string().meta({ description: "SHA-256, base64" });

export const checkpointView = z.object({
  checkpoint: z.string().meta({ description: "The signed note (c2sp.org/tlog-checkpoint); keep it elsewhere" }),
  origin: z.string(),
  size: sizeOut,
  root: hashOut,
  at: timeOut,
  key: z.string().meta({ description: "The public key that signed it (c2sp.org/signed-note)" }),
  witnessed: z
    .array(z.object({ anchor: z.string(), size: sizeOut, checkpoint: z.string() }))
    .meta({ description: "The last that each witness signed, with its signature (c2sp.org/tlog-cosignature)" }),
});
export type CheckpointView = z.infer<typeof checkpointView>;

const signingKeys = z.object({
  key: z.string().meta({ description: "That signs now" }),
  changes: z
    .array(z.object({ from: z.string(), to: z.string(), note: z.string().nullable() }))
    .meta({ description: "Note: in which the earlier key signed the next; null: it was not at hand" }),
});

export const inclusionView = z.object({
  seq: z.int(),
  leafHash: hashOut,
  size: sizeOut,
  proof: z.array(hashOut).meta({ description: "RFC 9162, 2.1.3; the leaf's index is seq - 1" }),
});
export type InclusionView = z.infer<typeof inclusionView>;

export const consistencyView = z.object({
  from: sizeOut,
  to: sizeOut,
  proof: z.array(hashOut).meta({ description: "RFC 9162, 2.1.4" }),
});
export type ConsistencyView = z.infer<typeof consistencyView>;

export const auditQuery = z.strictObject({
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
});
export type AuditQuery = z.input<typeof auditQuery>;

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
    .input(z.object({ query: auditQuery }))
    .output(
      answer(
        200,
        "A page of entries",
        z.object({
          entries: z.array(auditEntry),
          next: z.int().nullable().meta({
            description: "Ask again after this position, or before it where newest come first; null: no more for now",
          }),
          dropped: droppedOut,
        }),
      ),
    )
    .errors(problems("forbidden", "not-found")),
  checkpoint: reads
    .route({
      method: "GET",
      path: "/v1/audit/checkpoint",
      tags: ["audit"],
      summary: "The signed head of the log",
      description: "Over everything that is committed; in quarantine the last that was signed.",
    })
    .input(z.object({ query: z.strictObject({}) }))
    .output(answer(200, "The checkpoint", checkpointView))
    .errors(problems("not-found")),
  keys: reads
    .route({ method: "GET", path: "/v1/audit/keys", tags: ["audit"], summary: "The keys that sign the log" })
    .input(z.object({ query: z.strictObject({}) }))
    .output(answer(200, "Public keys", signingKeys))
    .errors(problems("not-found")),
  inclusion: reads
    .route({
      method: "GET",
      path: "/v1/audit/proof",
      tags: ["audit"],
      summary: "A proof that an entry is in the log",
      description: "Against the root of a checkpoint of that size.",
    })
    .input(
      z.object({
        query: z.strictObject({
          seq: numberIn(1, SEQ_MAX).meta({ description: "The position of the entry" }),
          size: numberIn(1, SEQ_MAX).optional().meta({ description: "Default: the size of the log now" }),
        }),
      }),
    )
    .output(answer(200, "The proof", inclusionView))
    .errors(problems("not-found")),
  consistency: reads
    .route({
      method: "GET",
      path: "/v1/audit/consistency",
      tags: ["audit"],
      summary: "A proof that the log goes on from an earlier one",
    })
    .input(
      z.object({
        query: z.strictObject({
          from: numberIn(0, SEQ_MAX).meta({ description: "The earlier size" }),
          to: numberIn(0, SEQ_MAX).optional().meta({ description: "The later one. Default: the size of the log now" }),
        }),
      }),
    )
    .output(answer(200, "The proof", consistencyView))
    .errors(problems("not-found")),
  export: readsAs("application/jsonl")
    .route({
      method: "GET",
      path: "/v1/audit/export",
      tags: ["audit"],
      summary: "The whole log, to verify without the server",
      description: "Lines of JSON; verify.mjs of the package checks them and tells their form.",
    })
    .input(
      z.object({
        query: z.strictObject({ personal: personalIn }),
      }),
    )
    .output(answer(200, "The export", z.unknown()))
    .errors(problems("forbidden", "not-found")),
};
