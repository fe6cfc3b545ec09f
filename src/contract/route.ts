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
  /** The media type, where it is not JSON. What is streamed has no end of its own, so there is no HEAD for it. */
  readonly streams?: "text/event-stream";
};

const routes = oc.$meta<RouteMeta>({}).$route({ inputStructure: "detailed", outputStructure: "detailed" });

const ALWAYS = ["malformed-request", "invalid-input", "internal", "unavailable"] as const;

/** A route that answers without a token. */
export const open = routes.meta({ open: true }).errors(problems("internal", "unavailable"));

/** A route that reads: it needs a token. */
export const reads = routes.errors(problems(...ALWAYS, "unauthenticated", "too-many-requests"));

/** A route that answers piece by piece for as long as both sides want. */
export const streams = (type: NonNullable<RouteMeta["streams"]>) => reads.meta({ streams: type });

/** A route that takes a body. */
export const sends = reads.errors(problems("body-too-large", "unsupported-media-type"));

/** A route that changes something, once for each Idempotency-Key. */
export const changes = sends.meta({ idempotent: true }).errors(problems("idempotency-mismatch"));

/** One way in which a route answers. */
export const answer = <Status extends number, Body extends z.ZodType>(
  status: Status,
  description: string,
  body: Body,
) => z.object({ status: z.literal(status).meta({ description }), body });
