/** Who could get what, and how: both ways round, for those who answer for it. */
import { z } from "zod";
import { RISKS } from "../domain/entitlement.ts";
import { grantView } from "./access.ts";
import { problems } from "./problem.ts";
import { answer, reads } from "./route.ts";
import {
  durationOut,
  entitlementIn,
  NAME_CHARS_MAX,
  nameCursorOut,
  numberIn,
  PAGE_MAX,
  person,
  personIn,
  text,
} from "./values.ts";

/** One way to an entitlement, through one rule. */
export const way = z.object({
  outcome: z.enum(["automatic", "needs-approval"]),
  rule: z.string(),
  needs: z.array(z.string()).meta({
    description: "What it takes, in words",
    examples: [["a ticket such as INC-1", "approval by 1 of owners"]],
  }),
  onlyWhen: z
    .array(z.enum(["in an emergency", "on call"]))
    .meta({ description: "What must be the case besides; empty: nothing" }),
  maxDuration: durationOut.meta({ description: "The longest that this rule allows" }),
  stuck: z.string().nullable().meta({ description: "Why nobody could approve it now; null: somebody could" }),
});
export type WayView = z.infer<typeof way>;

const assumes = z.array(z.string()).meta({ description: "What the answer takes for granted, in sentences" });
const page = {
  cursor: text(NAME_CHARS_MAX)
    .optional()
    .meta({ description: "`next` of the page before; all else as it was", examples: ["erin"] }),
  limit: numberIn(1, PAGE_MAX).default(50).meta({ description: "How many at most" }),
};

export const eligiblePeople = z.object({
  entitlement: z.string(),
  title: z.string(),
  assumes,
  people: z.array(z.object({ person, type: z.string(), ways: z.array(way) })),
  next: nameCursorOut,
});
export type EligiblePeople = z.infer<typeof eligiblePeople>;

export const accessOf = z.object({
  person,
  assumes,
  entitlements: z.array(z.object({ ref: z.string(), title: z.string(), risk: z.enum(RISKS), ways: z.array(way) })),
  grants: z.array(grantView).meta({
    description: "What they have now, or will have at its start; with the first page, of each the newest 200",
  }),
  next: nameCursorOut,
});
export type AccessOf = z.infer<typeof accessOf>;

export const eligibleQuery = z.strictObject(page);
export type EligibleQuery = z.input<typeof eligibleQuery>;

export const accessQuery = z.strictObject(page);
export type AccessQuery = z.input<typeof accessQuery>;

export const eligibility = {
  people: reads
    .route({
      method: "GET",
      path: "/v1/entitlements/{id}/people",
      tags: ["catalog"],
      summary: "Everybody who could get an entitlement, and how",
      description: "By handle. For admins, auditors, operators, and the owners of the resource.",
    })
    .input(z.object({ params: z.object({ id: entitlementIn }), query: eligibleQuery }))
    .output(answer(200, "Who could get it", eligiblePeople))
    .errors(problems("forbidden", "unknown-entitlement")),
  access: reads
    .route({
      method: "GET",
      path: "/v1/principals/{id}/access",
      tags: ["catalog"],
      summary: "What somebody could get and how, and what they have now",
      description: "By entitlement. Of oneself; of others for admins, auditors and operators.",
    })
    .input(z.object({ params: z.object({ id: personIn }), query: accessQuery }))
    .output(answer(200, "What they could get and have", accessOf))
    .errors(problems("forbidden", "not-found")),
};
