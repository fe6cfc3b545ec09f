/** How routes are written: input as path, query and body; output as status and body; refusals by their codes. */
import { oc } from "@orpc/contract";
import { z } from "zod";
import { problems } from "./problem.ts";

/** What handling a call needs, beyond its input. */
export type RouteMeta = {
  /** Answers without a token. */
  readonly open?: boolean;
  /** Whether a repeated call with the same Idempotency-Key is answered with what the first did. */
  readonly idempotent?: boolean;
  /** The media type of a good answer, where it is not JSON. What is streamed has no end, so there is no HEAD for it. */
  readonly answers?: "text/event-stream" | "text/plain" | "application/jsonl";
};

const routes = oc.$meta<RouteMeta>({}).$route({ inputStructure: "detailed", outputStructure: "detailed" });

const ALWAYS = ["malformed-request", "head-too-large", "too-many-requests", "internal", "unavailable"] as const;

/** A route that answers without a token. */
export const open = routes.meta({ open: true }).errors(problems(...ALWAYS));

/** A route that reads: it needs a token. */
export const reads = routes.errors(
  problems(...ALWAYS, "invalid-input", "unauthenticated", "out-of-scope", "store-away", "quarantine"),
);

/** A route that reads and answers with text of another kind. */
export const readsAs = (type: NonNullable<RouteMeta["answers"]>) => reads.meta({ answers: type });

/** A route that takes a body. */
export const sends = reads.errors(
  problems("cross-site", "body-too-large", "unsupported-media-type", "request-timeout"),
);

/** A route that changes something, once for each Idempotency-Key. */
export const changes = sends.meta({ idempotent: true }).errors(problems("idempotency-mismatch"));

/** One way in which a route answers. */
export const answer = <Status extends number, Body extends z.ZodType>(
  status: Status,
  description: string,
  body: Body,
) => z.object({ status: z.literal(status).meta({ description }), body });
