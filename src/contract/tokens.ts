/** Tokens of services and people: made here, or declared in the configuration. */
import { z } from "zod";
import { SCOPE_NAMES } from "../base/scope.ts";
import { problems } from "./problem.ts";
import { answer, changes, reads, sends } from "./route.ts";
import { cursorOut, durationIn, idOf, NAME_CHARS_MAX, paging, person, personIn, text, timeOut } from "./values.ts";

export const tokenView = z.object({
  id: z.string(),
  name: z.string(),
  person: person.meta({ description: "Whose it is" }),
  source: z.enum(["file", "issued", "exchange"]).meta({
    description: "Declared in the configuration, made by the server, or given to a job for the token of its platform",
  }),
  scopes: z
    .array(z.enum(SCOPE_NAMES))
    .nullable()
    .meta({ description: "What it is good for; null: whatever its owner may do" }),
  createdAt: timeOut,
  expiresAt: timeOut.nullable().meta({ description: "null: when it is taken out of the configuration" }),
  lastUsedAt: timeOut.nullable().meta({ description: "To the minute; null: never" }),
  madeBy: person.nullable().meta({ description: "null: the configuration, or a job" }),
  successor: z.string().nullable().meta({ description: "It was rotated: the id of the one in its place" }),
  current: z.boolean().meta({ description: "The one that asks" }),
});
export type TokenView = z.infer<typeof tokenView>;

const issued = z.object({
  secret: z.string().meta({ description: "The token itself, this once: it is kept nowhere" }),
  token: tokenView,
});
export type TokenIssued = z.infer<typeof issued>;

const lifetime = durationIn.optional().meta({
  description: "Of a person's token 30d if left out, 90d at most; of a service's 90d, 365d at most",
  examples: ["30d"],
});
const params = z.object({ id: idOf("tk", "tk_0123456789abcdef") });
const tags = ["identity"];

export const tokenQuery = z.strictObject({ person: personIn.optional(), ...paging("By when they were made") });
export type TokenQuery = z.input<typeof tokenQuery>;

export const issueToken = z.strictObject({
  name: text(NAME_CHARS_MAX).meta({ description: "What it is for", examples: ["ci"] }),
  scopes: z.array(z.enum(SCOPE_NAMES)).min(1),
  lifetime,
  service: text(NAME_CHARS_MAX)
    .min(1)
    .optional()
    .meta({ description: "Handle or id of a service", examples: ["deployer"] }),
});
export type IssueToken = z.input<typeof issueToken>;

export const rotateToken = z.strictObject({
  overlap: durationIn.optional().meta({ description: "1h if left out, 7d at most", examples: ["1h"] }),
  lifetime: lifetime.meta({ description: "As long as the old one's, if left out", examples: ["30d"] }),
});
export type RotateToken = z.input<typeof rotateToken>;

export const tokens = {
  list: reads
    .route({
      method: "GET",
      path: "/v1/tokens",
      ...{ tags, summary: "Tokens that are good" },
      description: "One's own. Auditors and admins get everybody's, unless they ask for a person's.",
    })
    .input(z.object({ query: tokenQuery }))
    .output(answer(200, "Tokens", z.object({ tokens: z.array(tokenView), next: cursorOut })))
    .errors(problems("forbidden")),
  issue: sends
    .route({
      method: "POST",
      path: "/v1/tokens",
      ...{ tags, summary: "Make a token, for yourself or, as an admin, for a service" },
      description: "A token that has scopes itself makes none.",
    })
    .input(z.object({ body: issueToken }))
    .output(answer(201, "Made", issued))
    .errors(
      problems(
        ...(["forbidden", "not-found", "invalid-duration", "already-exists", "tokens-full"] as const),
        "principal-deactivated",
      ),
    ),
  rotate: sends
    .route({
      method: "POST",
      path: "/v1/tokens/{id}/rotate",
      ...{ tags, summary: "A new token in the place of one that was made here" },
      description:
        "The same name and scopes. The old one is taken for `overlap` more, then is gone. Asked again before the new one was used, as when the answer was lost, another takes the place of the new one.",
    })
    .input(z.object({ params, body: rotateToken }))
    .output(answer(201, "The new one", issued))
    .errors(problems("forbidden", "not-found", "invalid-duration", "token-rotated")),
  revoke: changes
    .route({
      method: "DELETE",
      path: "/v1/tokens/{id}",
      ...{ tags, summary: "End a token at once" },
      description: "One's own; of others for admins. One of the configuration, too, and for good.",
    })
    .input(z.object({ params }))
    .output(answer(200, "It opens nothing any more", z.object({ id: z.string(), name: z.string(), person })))
    .errors(problems("not-found")),
};
