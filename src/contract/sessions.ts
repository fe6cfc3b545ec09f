/** Browsers and command lines in which somebody is signed in. */
import { z } from "zod";
import { problems } from "./problem.ts";
import { answer, changes, reads } from "./route.ts";
import { NAME_CHARS_MAX, ofSomebodyElse, person, text, timeOut } from "./values.ts";

export const sessionView = z.object({
  id: z.string(),
  kind: z.enum(["browser", "cli"]).meta({ description: "A browser, or a command line (`tidegate login`)" }),
  provider: z.string().meta({ description: "The identity provider that they signed in through" }),
  agent: z.string().meta({ description: "What it calls itself" }),
  current: z.boolean().meta({ description: "The one that asks" }),
  signedInAt: timeOut,
  lastSeenAt: timeOut.meta({ description: "To the minute" }),
  authenticatedAt: timeOut
    .nullable()
    .optional()
    .meta({ description: "When the provider saw them sign in last; null: it does not say" }),
  acr: z.string().nullable().optional().meta({ description: "What it calls the way in which they did" }),
  passkeyAt: timeOut.nullable().optional().meta({ description: "When a passkey answered for an act last" }),
  expiresAt: timeOut.meta({ description: "It ends then at the latest; earlier when it is not used" }),
});
export type SessionView = z.infer<typeof sessionView>;

export const sessions = {
  list: reads
    .route({ method: "GET", path: "/v1/sessions", tags: ["identity"], summary: "Where you are signed in" })
    .input(z.object({ query: ofSomebodyElse }))
    .output(answer(200, "The newest first", z.object({ person, sessions: z.array(sessionView) })))
    .errors(problems("forbidden", "not-found")),
  end: changes
    .route({
      method: "DELETE",
      path: "/v1/sessions/{id}",
      tags: ["identity"],
      summary: "Sign a browser or command line out",
      description: "One's own; of others for admins. Access on targets is not ended by it.",
    })
    .input(
      z.object({
        params: z.object({
          id: text(NAME_CHARS_MAX)
            .min(1)
            .meta({ description: "se_…", examples: ["se_4h6k8m1n3p5q7r9s"] }),
        }),
      }),
    )
    .output(answer(200, "It is signed out", z.object({ id: z.string(), person })))
    .errors(problems("not-found")),
};
