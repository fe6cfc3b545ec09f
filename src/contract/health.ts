/** How well Tidegate is, for those who watch over it. */
import { z } from "zod";
import { CHECKS, LEVELS } from "../domain/health-facts.ts";
import { problems } from "./problem.ts";
import { answer, reads } from "./route.ts";
import { timeOut } from "./values.ts";

const level = z.enum(LEVELS);

export const healthCheckView = z.object({
  name: z.enum(CHECKS),
  subject: z.string().nullable().meta({ description: "The resource, of a target; null otherwise" }),
  level,
  says: z.string().meta({ description: "What is so, in a sentence that names no person" }),
  since: timeOut.nullable(),
  todo: z.string().nullable().meta({ description: "What to do; null where nothing is to be done" }),
  runbook: z.string().nullable().meta({ description: "The section of docs/operations.md that says more" }),
});

export const healthView = z.object({
  level: level.meta({ description: "The worst of the checks" }),
  at: timeOut,
  checks: z.array(healthCheckView),
});
export type HealthView = z.infer<typeof healthView>;
export type HealthCheckView = z.infer<typeof healthCheckView>;

export const health = {
  read: reads
    .route({
      method: "GET",
      path: "/v1/health",
      tags: ["service"],
      summary: "Named checks, each green, yellow or red, with what to do",
      description:
        "For operators, auditors and admins. 200 whatever the level is. While the store is away nobody can be told from anybody, and the answer is 503; with --metrics-port the same is there as a page at /health without a token, for this machine only.",
    })
    .input(z.object({ query: z.strictObject({}) }))
    .output(answer(200, "The verdict and its checks", healthView))
    .errors(problems("forbidden")),
};
