/** Showing anew who you are, for one act that a rule demands it for. */
import { z } from "zod";
import { problems } from "./problem.ts";
import { answer, reads } from "./route.ts";
import { durationOut, NAME_CHARS_MAX, numberIn, text, timeOut, WAIT_SECONDS_MAX } from "./values.ts";

export const demandView = z.object({
  maxAge: durationOut.nullable().meta({ description: "Their provider saw them sign in no longer ago; null: any" }),
  acr: z.array(z.string()).meta({ description: "It calls the way in which they did one of these; empty: any" }),
  passkey: z.boolean().optional().meta({ description: "A passkey of theirs answers for this very act; left out: no" }),
  words: z.string().meta({ examples: ["a sign-in no older than 15m"] }),
});
export type DemandView = z.infer<typeof demandView>;

export const demandsView = z.object({
  request: demandView.nullable().meta({ description: "Of whoever asks; null: nothing" }),
  review: demandView.nullable().meta({ description: "Of whoever approves; null: nothing" }),
});
export type DemandsView = z.infer<typeof demandsView>;

export const stepUpView = z.object({
  id: z.string(),
  state: z.enum(["waiting", "done"]),
  what: z.string().meta({ description: "The act, in words", examples: ["ask for orders-db:fix for 1h"] }),
  demand: demandView,
  url: z.string().meta({ description: "Where a browser shows it" }),
  expiresAt: timeOut,
});
export type StepUpView = z.infer<typeof stepUpView>;

export const stepups = {
  get: reads
    .route({
      method: "GET",
      path: "/v1/step-ups/{id}",
      tags: ["identity"],
      summary: "Whether you have shown anew who you are",
      description:
        "As a refusal step-up-required names it (`stepUp.id`). Once it is done, the same call is let through.",
    })
    .input(
      z.object({
        params: z.object({
          id: text(NAME_CHARS_MAX)
            .min(1)
            .meta({ description: "up_…", examples: ["up_4h6k8m1n3p5q7r9s"] }),
        }),
        query: z.strictObject({
          wait: numberIn(0, WAIT_SECONDS_MAX)
            .default(0)
            .meta({ description: "Seconds to hold the answer until it is done" }),
        }),
      }),
    )
    .output(answer(200, "How it goes", stepUpView))
    .errors(problems("not-found")),
};
