/** About the server itself: alive, ready, and this document. All three answer without a token. */
import { z } from "zod";
import { answer, open } from "./route.ts";

const check = z.object({ ok: z.boolean(), detail: z.string() });

export const readiness = z.object({
  ready: z.literal(true),
  checks: z.object({
    store: check,
    reconciler: check,
    configuration: check.meta({
      description:
        "Not ok while the files are bad and the last good version goes on; the detail says since when and why",
    }),
    quarantine: check.meta({
      description: "Not ok while the store is in quarantine: nothing is given to anybody, and only admins may sign in",
    }),
    targets: check.extend({ unreachable: z.int().nullable() }).meta({
      description:
        "How many targets did not answer when last asked; null where nobody can tell. Not ok leaves the server ready: work there is tried again until it is done. Operators see the names at /v1/targets",
    }),
  }),
});
export type Checks = z.infer<typeof readiness>["checks"];

export const service = {
  health: open
    .route({ method: "GET", path: "/healthz", tags: ["service"], summary: "Whether the process is alive" })
    .input(z.object({}))
    .output(answer(200, "Alive", z.object({ status: z.literal("ok") }))),
  ready: open
    .route({
      method: "GET",
      path: "/readyz",
      tags: ["service"],
      summary: "Whether it can do its work; 503 with the same checks otherwise",
    })
    .input(z.object({}))
    .output(answer(200, "Ready", readiness)),
  openapi: open
    .route({ method: "GET", path: "/v1/openapi.json", tags: ["service"], summary: "This document" })
    .input(z.object({}))
    .output(answer(200, "OpenAPI 3.1", z.looseObject({ openapi: z.string() }))),
};
