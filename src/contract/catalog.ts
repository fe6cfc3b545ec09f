/** What there is to ask for, and what policy would say. */
import { z } from "zod";
import { RISKS } from "../domain/entitlement.ts";
import { factsView, OUTCOMES, step, traceLine } from "./access.ts";
import { problems } from "./problem.ts";
import { answer, reads, sends } from "./route.ts";
import { demandsView } from "./step-ups.ts";
import {
  durationIn,
  durationOut,
  entitlementIn,
  grantIdIn,
  NAME_CHARS_MAX,
  nameCursorOut,
  numberIn,
  PAGE_MAX,
  person,
  REASON_CHARS_MAX,
  TICKET_CHARS_MAX,
  text,
  timeIn,
  timeOut,
} from "./values.ts";

/** What policy would say to you about an entitlement now, and what it would take. */
export const forMe = z.object({
  outcome: z.enum(OUTCOMES).meta({ description: "What comes of a request that gives all of `needs`" }),
  rule: z.string().nullable(),
  needs: z
    .array(z.string())
    .meta({ description: "What such a request must bring, in words", examples: [["a ticket", "1 of group:security"]] }),
  maxDuration: durationOut.nullable().meta({ description: "The longest that this rule allows; null where denied" }),
  why: z.string().nullable().meta({ description: "Why not, where denied" }),
});
export type ForMe = z.infer<typeof forMe>;

export const entitlementView = z.object({
  ref: z.string().meta({ examples: ["orders-db:read"] }),
  name: z.string(),
  title: z.string(),
  risk: z.enum(RISKS),
  maxDuration: durationOut,
  describe: z.array(z.string()).meta({ description: "What it allows, in plain words" }),
  narrower: z.array(z.string()).meta({ description: "Entitlements of the resource that allow no more than this" }),
  forMe,
});

export type EntitlementView = z.infer<typeof entitlementView>;

export const resourceView = z.object({
  name: z.string(),
  title: z.string(),
  connector: z.string(),
  labels: z.record(z.string(), z.string()),
  owners: z.array(z.string()),
  entitlements: z.array(entitlementView),
});
export type ResourceView = z.infer<typeof resourceView>;

export const kitView = z.object({
  name: z.string().meta({ examples: ["incident-kit"] }),
  title: z.string(),
  entitlements: z.array(z.string()).meta({ description: "What is asked for with it", examples: [["orders-db:read"]] }),
});
export type KitView = z.infer<typeof kitView>;

/** A limit that counts the person, and what is left of it. */
const limitView = z.object({
  rule: z.string(),
  per: z.string().meta({ description: "Who is counted together: user, rule, or a group", examples: ["user"] }),
  count: z.int(),
  within: durationOut,
  used: z.int(),
  left: z.int(),
});

/** The hours of a rule, seen from when the access would start. */
const hoursView = z.object({
  rule: z.string(),
  hours: z.array(z.string()).meta({ examples: [["08:00–18:00 on mon, tue (Europe/Berlin)"]] }),
  open: z.boolean(),
  opensAt: timeOut.nullable().meta({ description: "When they open next; null: they are open" }),
});

/** A step with who could take it. */
const stepAhead = step.extend({
  people: z.array(person).meta({ description: "Who may fill a place now; the first 100 by handle" }),
  also: z
    .array(z.string())
    .meta({ description: "Who may later, in words", examples: [["after 30m also group:sre-leads: sam"]] }),
});

export const explanation = z.object({
  user: person,
  entitlement: z.string(),
  title: z.string(),
  duration: durationOut,
  maxDuration: durationOut,
  outcome: z.enum(OUTCOMES),
  rule: z.string().nullable(),
  steps: z.array(stepAhead),
  limits: z.array(limitView).meta({ description: "Of the rules that may have a say about this entitlement" }),
  hours: z.array(hoursView).meta({ description: "Of the same rules" }),
  emergency: z.boolean(),
  start: timeOut.nullable(),
  extends: z.string().nullable().meta({ description: "The grant that more time would be asked for" }),
  trace: z.array(traceLine),
  authentication: demandsView.optional().meta({ description: "What its rule demands of who acts; left out: nothing" }),
  why: z.string().nullable().meta({ description: "Why not, where denied" }),
  onCallTier: z.int(),
  onCall: factsView.shape.onCall.optional().meta({ description: "Of whom it is about, as it was looked up for this" }),
  configVersion: z.int(),
});
export type Explanation = z.infer<typeof explanation>;

export const resourceQuery = z.strictObject({
  resource: text(NAME_CHARS_MAX)
    .optional()
    .meta({ description: "Only this one", examples: ["orders-db"] }),
  search: text(NAME_CHARS_MAX)
    .optional()
    .meta({ description: "Only entitlements with this in name or title", examples: ["orders"] }),
  cursor: text(NAME_CHARS_MAX)
    .optional()
    .meta({ description: "`next` of the page before; all else as it was", examples: ["orders-db"] }),
  limit: numberIn(1, PAGE_MAX).optional().meta({ description: "How many resources at most; without it all of them" }),
});
export type ResourceQuery = z.input<typeof resourceQuery>;

export const explainRequest = z.strictObject({
  entitlement: entitlementIn,
  duration: durationIn
    .nullish()
    .transform((duration) => duration ?? null)
    .meta({ description: "Without it: 15m, or the longest that the entitlement allows where that is less" }),
  reason: text(REASON_CHARS_MAX).default(""),
  ticket: text(TICKET_CHARS_MAX)
    .nullish()
    .transform((ticket) => ticket ?? ""),
  user: text(NAME_CHARS_MAX)
    .nullish()
    .transform((user) => user ?? null)
    .meta({ description: "Handle of somebody else: for admins, auditors and operators" }),
  emergency: z.boolean().default(false),
  start: timeIn
    .nullish()
    .transform((start) => start ?? null)
    .meta({ description: "Null: at once" }),
  extend: grantIdIn
    .nullish()
    .transform((extend) => extend ?? null)
    .meta({ description: "As an extension of this grant, by `duration`; the grant tells whose it is" }),
});
export type ExplainRequest = z.input<typeof explainRequest>;

export const catalog = {
  resources: reads
    .route({
      method: "GET",
      path: "/v1/resources",
      tags: ["catalog"],
      summary: "What there is to ask for, with what policy would say to you",
    })
    .input(z.object({ query: resourceQuery }))
    .output(
      answer(
        200,
        "Resources, by name",
        z.object({ resources: z.array(resourceView), next: nameCursorOut, bundles: z.array(kitView) }),
      ),
    ),
  explain: sends
    .route({
      method: "POST",
      path: "/v1/explain",
      tags: ["catalog"],
      summary: "What policy would say to a request, rule by rule; nothing is requested",
    })
    .input(z.object({ body: explainRequest }))
    .output(answer(200, "What policy says", explanation))
    .errors(problems("invalid-duration", "forbidden", "not-found", "unknown-entitlement")),
};
