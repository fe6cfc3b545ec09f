import type { FastifyRequest } from "fastify";
import { type Refusal, refuse } from "../base/problem.ts";

/** A page of another origin cannot send it without asking first, and is never told yes. */
export const PAGE_HEADER = "x-requested-with";

const READS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** A browser sends its cookie with whatever any page makes it send: what changes something must be sent by a page of ours. */
export function refuseCrossSite(request: FastifyRequest, origin: string): Refusal | null {
  if (READS.has(request.method)) return null;
  if (!isFromUs(request, origin))
    return refuse("cross-site", `A browser may change something only from a page of ${origin}. Programs send a token.`);
  if (request.headers[PAGE_HEADER] === undefined)
    return refuse("cross-site", "Send the header X-Requested-With with it: a page of another site could not.");
  return null;
}

/** What the browser itself says of where a call comes from; one that says nothing is no browser of today. */
export function isFromUs({ headers }: FastifyRequest, origin: string): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") return false;
  const said = headers.origin;
  return said === undefined ? site === "same-origin" : said === origin;
}
