/** Who the caller is. */
import { z } from "zod";
import { ROLES } from "../domain/principal.ts";
import { answer, reads } from "./route.ts";
import { sessionView } from "./sessions.ts";
import { tokenView } from "./tokens.ts";

export const me = z.object({
  id: z.string(),
  handle: z.string(),
  name: z.string(),
  email: z.string().nullable(),
  kind: z.enum(["user", "service"]),
  type: z.string(),
  groups: z.array(z.string()),
  roles: z.array(z.enum(ROLES)),
  onCallTier: z.int().meta({ description: "0: not on call" }),
  session: sessionView.nullable().meta({ description: "Signed in with this; null: known by a token" }),
  token: tokenView.optional().meta({ description: "Known by this token" }),
  quarantine: z
    .string()
    .optional()
    .meta({ description: "Only while the store is in quarantine, which only admins get to see: why, and what to do" }),
});
export type Me = z.infer<typeof me>;

export const identity = {
  me: reads
    .route({ method: "GET", path: "/v1/me", tags: ["identity"], summary: "Who you are" })
    .input(z.object({ query: z.strictObject({}) }))
    .output(answer(200, "You", me)),
};
