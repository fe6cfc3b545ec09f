/** Drift: what targets and the ledger do not agree on, and who has access without us. */
import { z } from "zod";
import { DRIFT_KINDS, DRIFT_POLICIES } from "../domain/drift.ts";
import { problems } from "./problem.ts";
import { answer, reads, sends } from "./route.ts";
import { NAME_CHARS_MAX, text, timeIn, timeOut } from "./values.ts";

export const driftFinding = z.object({
  id: z.string(),
  kind: z.enum(DRIFT_KINDS).meta({
    description:
      "unknown-mark: carries our mark, in no ledger; left-over: of a closed grant; missing: of an active grant, not there; more, less: differs from what was approved; by-hand: somebody was put into what we manage; made: may lend rights past its grant; standing: stood before us and stands",
  }),
  subject: z.string().meta({ description: "What it is called on the target" }),
  what: z.string(),
  grantId: z.string().nullable(),
  since: timeOut.nullable().meta({ description: "Since when it is there; null where the target does not tell" }),
  by: z.string().nullable().meta({ description: "Who made it, as the target names them; null where it does not tell" }),
  firstSeenAt: timeOut,
  lastSeenAt: timeOut,
  resolvedAt: timeOut.nullable(),
  remedy: z.string().nullable().meta({ description: "What was done about it; null: nothing" }),
  problem: z.string().nullable().meta({ description: "Why nothing could be done about it" }),
});
export type DriftFindingView = z.infer<typeof driftFinding>;

export const resourceDrift = z.object({
  resource: z.string(),
  policy: z.enum(DRIFT_POLICIES).nullable().meta({ description: "null: it is not configured any more" }),
  sweptAt: timeOut.nullable().meta({ description: "When its target was last seen whole; null: never" }),
  failing: z
    .object({ since: timeOut, error: z.object({ code: z.string(), message: z.string() }) })
    .nullable()
    .meta({ description: "Since when it could not be, and why. What is told then is as old as sweptAt" }),
  findings: z.array(driftFinding),
});
export type ResourceDrift = z.infer<typeof resourceDrift>;

export const driftReport = z.object({
  askedAt: timeOut.nullable().meta({
    description: "When a sweep was asked for, and null where none was: what was swept before that was not seen by it",
  }),
  resources: z.array(resourceDrift),
});
export type DriftReport = z.infer<typeof driftReport>;

export const otherAccess = z.object({
  who: z.string().meta({ description: "As the target names them" }),
  entitlement: z.string(),
  access: z.string(),
  how: z.string().meta({ description: "Through what" }),
  since: timeOut.nullable(),
  by: z.string().nullable(),
  sessions: z.int().nullable().meta({ description: "How many they have open now" }),
  lastActivity: timeOut.nullable(),
});
export type OtherAccessView = z.infer<typeof otherAccess>;

const resource = text(NAME_CHARS_MAX)
  .min(1)
  .meta({ description: "A resource", examples: ["orders-db"] });
const WHO = "For admins, auditors and operators.";

export const driftQuery = z.strictObject({
  resource: resource.optional(),
  resolvedSince: timeIn.optional().meta({ description: "Also what was resolved at this time or later" }),
});
export type DriftQuery = z.input<typeof driftQuery>;

export const sweepDrift = z.strictObject({ resource: resource.optional() });
export type SweepDrift = z.input<typeof sweepDrift>;

export const drift = {
  list: reads
    .route({
      method: "GET",
      path: "/v1/drift",
      tags: ["drift"],
      summary: "What targets and the ledger do not agree on, and when each was last swept",
      description: WHO,
    })
    .input(z.object({ query: driftQuery }))
    .output(answer(200, "Open findings by resource", driftReport))
    .errors(problems("forbidden", "not-found")),
  sweep: sends
    .route({
      method: "POST",
      path: "/v1/drift/sweep",
      tags: ["drift"],
      summary: "Sweep now, and answer when that is done",
      description: `${WHO} Waits at most a minute; \`sweptAt\` says what came of it.`,
    })
    .input(z.object({ body: sweepDrift.default({}) }))
    .output(answer(200, "Open findings by resource", driftReport))
    .errors(problems("forbidden", "not-found")),
  others: reads
    .route({
      method: "GET",
      path: "/v1/drift/others",
      tags: ["drift"],
      summary: "Asks a target who has access without a mark of ours",
      description: `${WHO} Who has what an entitlement of the resource gives, through what, and since when and by whom where the target tells. Asked anew each time, and kept nowhere.`,
    })
    .input(z.object({ query: z.strictObject({ resource }) }))
    .output(
      answer(
        200,
        "Who they are",
        z.object({
          resource: z.string(),
          tells: z.boolean().meta({ description: "false: this kind of target cannot tell" }),
          others: z.array(otherAccess),
        }),
      ),
    )
    .errors(problems("forbidden", "not-found")),
};
