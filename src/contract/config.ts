/** Versions of the configuration, and what differs between two of them. */
import { z } from "zod";
import { CHANGE_ABOUT, CHANGE_KINDS } from "../domain/configuration-change.ts";
import { problems } from "./problem.ts";
import { answer, changes, reads } from "./route.ts";
import { cursorOut, numberIn, pageIn, person, REASON_CHARS_MAX, text, timeOut } from "./values.ts";

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

export const waitingConfig = z.object({
  version: z.int(),
  active: z.int().meta({ description: "The version that goes on meanwhile" }),
  state: z
    .enum(["waiting", "confirmed", "rejected", "withdrawn"])
    .meta({ description: "withdrawn: the files say something else now" }),
  source: z.string(),
  widens: z.array(z.string()).meta({
    description: "What in it may widen access, a sentence each",
    examples: [["rule payments-engineers is another", "alice joins payments-leads"]],
  }),
  proposedAt: timeOut,
  confirmedBy: z.array(person),
  needed: z.int().meta({ description: "How many different admins must confirm it" }),
});
export type WaitingConfig = z.infer<typeof waitingConfig>;

const VERSION_MAX = Number.MAX_SAFE_INTEGER;
const versionParams = z.object({ id: numberIn(1, VERSION_MAX).meta({ description: "The version" }) });

export const configVersionQuery = z.strictObject(pageIn);
export type ConfigVersionQuery = z.input<typeof configVersionQuery>;

export const configDiffQuery = z.strictObject({
  from: numberIn(1, VERSION_MAX).optional().meta({ description: "Default: the newest version other than `to`" }),
  to: numberIn(1, VERSION_MAX).optional().meta({ description: "Default: the active version" }),
});
export type ConfigDiffQuery = z.input<typeof configDiffQuery>;

export const config = {
  versions: reads
    .route({
      method: "GET",
      path: "/v1/config/versions",
      tags: ["config"],
      summary: "Versions of the configuration, newest first",
      description: "For admins and auditors.",
    })
    .input(z.object({ query: configVersionQuery }))
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
    .input(z.object({ query: configDiffQuery }))
    .output(answer(200, "The differences", configDiff))
    .errors(problems("forbidden", "not-found")),
  waiting: reads
    .route({
      method: "GET",
      path: "/v1/config/waiting",
      tags: ["config"],
      summary: "The configuration that waits for admins to confirm it",
      description: "For admins and auditors. Null where nothing waits.",
    })
    .input(z.object({ query: z.strictObject({}) }))
    .output(answer(200, "What waits", z.object({ waiting: waitingConfig.nullable() })))
    .errors(problems("forbidden")),
  confirm: changes
    .route({
      method: "POST",
      path: "/v1/config/versions/{id}/confirm",
      tags: ["config"],
      summary: "Confirm a configuration that waits",
      description: "For admins. With the last confirmation that is needed it is the active one.",
    })
    .input(z.object({ params: versionParams, body: z.strictObject({}).default({}) }))
    .output(answer(200, "The configuration, confirmed or still waiting", waitingConfig))
    .errors(problems("forbidden", "not-found", "config-decided")),
  reject: changes
    .route({
      method: "POST",
      path: "/v1/config/versions/{id}/reject",
      tags: ["config"],
      summary: "Say no to a configuration that waits",
      description: "For admins. The active one goes on. Confirming it afterwards undoes this.",
    })
    .input(
      z.object({
        params: versionParams,
        body: z.strictObject({ reason: text(REASON_CHARS_MAX).min(1, "say why: whoever wrote it will ask") }),
      }),
    )
    .output(answer(200, "The configuration, rejected", waitingConfig))
    .errors(problems("forbidden", "not-found", "config-decided")),
};
