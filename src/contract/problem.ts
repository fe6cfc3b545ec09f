import { z } from "zod";
import { PROBLEMS, type ProblemCode } from "../base/problem.ts";

/** What every refusal looks like (RFC 9457), with the code that clients switch on. */
export const problem = z
  .looseObject({
    type: z.string().meta({ examples: ["urn:tidegate:problem:policy-denied"] }),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: "What happened, why, and what to do next." }),
    code: z.string().meta({ description: "Stable; switch on this." }),
    requestId: z
      .string()
      .optional()
      .meta({ description: "Where the refusal is about a request for access: that request." }),
    stepUp: z
      .object({ id: z.string(), url: z.string(), expiresAt: z.string() })
      .optional()
      .meta({ description: "Of step-up-required: where to show anew who you are, in a browser." }),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: "What is wrong, place by place, where it was the input." }),
  })
  .meta({ description: "A refusal or a failure (RFC 9457)." });

type ErrorItems<Code extends ProblemCode> = { [K in Code]: { status: number; message: string } };

/** The problems that a route may answer with, as its contract lists them. */
export function problems<const Codes extends readonly ProblemCode[]>(...codes: Codes): ErrorItems<Codes[number]> {
  const items = codes.map((code) => [code, { status: PROBLEMS[code][0], message: PROBLEMS[code][1] }]);
  return Object.fromEntries(items) as ErrorItems<Codes[number]>;
}

/** Where policy is asked for somebody, whatever it is about. */
export const POLICY_REFUSALS = [
  "policy-denied",
  "no-approvers",
  "panic-in-force",
  "audit-sink-late",
  "principal-deactivated",
  "step-up-required",
  "step-up-impossible",
] as const;
export const STEP_UP_REFUSALS = ["step-up-required", "step-up-impossible"] as const;
