/** Versions of the configuration, and what differs between two of them. */
import { z } from "zod";
import { CHANGE_ABOUT, CHANGE_KINDS } from "../domain/configuration-change.ts";
import { problems } from "./problem.ts";
import { answer, reads } from "./route.ts";
import { cursorOut, numberIn, pageIn, timeOut } from "./values.ts";

export const configVersionView = z.object({
  version: z.int(),
  hash: z.string().meta({ description: "SHA-256 of the content: the same content is the same version" }),
  createdAt: timeOut,
  source: z.string().meta({ description: "Where it was read from" }),
  active: z.boolean(),
  activatedAt: timeOut.nullable().meta({ description: "Of the active one: since when" }),
});
export type ConfigVersionView = z.infer<typeof configVersionView>;

export const configChange = z.object({
  about: z.enum(CHANGE_ABOUT),
  kind: z.enum(CHANGE_KINDS),
  name: z.string(),
  what: z.string().meta({
    description: "One sentence",
    examples: ["payments gains orders-db:fix through rule payments-engineers, approved by 1 of owners"],
  }),
  details: z.array(z.string()).meta({ description: "Line by line; `- ` before what was, `+ ` before what is" }),
});

export const configDiff = z.object({ from: z.int(), to: z.int(), changes: z.array(configChange) });
export type ConfigDiff = z.infer<typeof configDiff>;

const VERSION_MAX = Number.MAX_SAFE_INTEGER;

export const config = {
  versions: reads
    .route({
      method: "GET",
      path: "/v1/config/versions",
      tags: ["config"],
      summary: "Versions of the configuration, newest first",
      description: "For admins and auditors.",
    })
    .input(
      z.object({
        query: z.strictObject(pageIn),
      }),
    )
    .output(answer(200, "A page of versions", z.object({ versions: z.array(configVersionView), next: cursorOut })))
    .errors(problems("forbidden")),
  diff: reads
    .route({
      method: "GET",
      path: "/v1/config/diff",
      tags: ["config"],
      summary: "What differs between two versions, in words",
      description:
        "For admins and auditors. Who gains and loses what is said where it is certain; the structure in any case.",
    })
    .input(
      z.object({
        query: z.strictObject({
          from: numberIn(1, VERSION_MAX)
            .optional()
            .meta({ description: "Default: the newest version other than `to`" }),
          to: numberIn(1, VERSION_MAX).optional().meta({ description: "Default: the active version" }),
        }),
      }),
    )
    .output(answer(200, "The differences", configDiff))
    .errors(problems("forbidden", "not-found")),
};
