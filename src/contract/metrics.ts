/** Figures for Prometheus. */
import { z } from "zod";
import { problems } from "./problem.ts";
import { answer, readsAs } from "./route.ts";

export const metrics = {
  read: readsAs("text/plain")
    .route({
      method: "GET",
      path: "/metrics",
      tags: ["service"],
      summary: "Figures in the text form of Prometheus",
      description:
        "For operators, auditors and admins. With --metrics-port the same figures are there without a token, for this machine only.",
    })
    .input(z.object({ query: z.strictObject({}) }))
    .output(answer(200, "The figures", z.string()))
    .errors(problems("forbidden")),
};
