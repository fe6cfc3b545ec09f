/** Everything that goes wrong at the edge, as problem details (RFC 9457). */
import type { FastifyReply } from "fastify";
import type { z } from "zod";
import { parseDuration } from "../base/duration.ts";
import { type Refusal, refuse, toProblem } from "../base/problem.ts";
import { isScim, SCIM_TYPE, toScimError } from "./scim-error.ts";

/** Headers that go with some refusals. `retryAfterSeconds` of a refusal is sent as Retry-After too. */
function headersOf(refusal: Refusal): Record<string, string> {
  const { retryAfterSeconds, scope } = refusal.extra;
  return {
    ...(refusal.refused === "unauthenticated" ? { "www-authenticate": "Bearer" } : {}),
    ...(refusal.refused === "step-up-required" ? { "www-authenticate": stepUpChallenge(refusal) } : {}),
    ...(refusal.refused === "out-of-scope"
      ? { "www-authenticate": `Bearer error="insufficient_scope", scope="${String(scope ?? "")}"` }
      : {}),
    ...(typeof retryAfterSeconds === "number" ? { "retry-after": String(retryAfterSeconds) } : {}),
  };
}

/** RFC 9470. */
function stepUpChallenge({ extra }: Refusal): string {
  const { maxAge, acr } = extra["demand"] as { maxAge?: string | null; acr?: readonly string[] };
  const age = parseDuration(maxAge ?? "");
  return [
    'Bearer error="insufficient_user_authentication"',
    'error_description="A different authentication level is required"',
    ...(acr === undefined || acr.length === 0 ? [] : [`acr_values="${acr.join(" ")}"`]),
    ...(age.ok ? [`max_age="${age.value / 1_000}"`] : []),
  ].join(", ");
}

export function sendProblem(reply: FastifyReply, refusal: Refusal): FastifyReply {
  if (isScim(reply.request.url)) return sendScimError(reply, refusal);
  const problem = toProblem(refusal);
  return reply
    .code(problem.status)
    .headers(headersOf(refusal))
    .type("application/problem+json")
    .send(JSON.stringify(problem));
}

/** Where SCIM speaks everything does, also what is refused before its routes are reached. Each no is in the log. */
function sendScimError(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { status } = toProblem(refusal);
  const { scimType } = refusal.extra;
  reply.log.warn({ route: reply.request.routeOptions.url, code: refusal.refused, status, scimType }, "scim refused");
  return reply
    .code(status)
    .headers(headersOf(refusal))
    .type(SCIM_TYPE)
    .send(JSON.stringify(toScimError(refusal)));
}

type Issue = z.core.$ZodIssue;

/** What zod found, in words: `invalid-duration` where only durations are wrong, else `invalid-input`. */
export function refuseInput(issues: readonly Issue[]): Refusal {
  const errors = issues.map((issue) => ({ path: pathOf(issue), message: messageOf(issue) }));
  const [first] = errors;
  if (errors.every(({ path }) => path === "duration") && first !== undefined)
    return refuse("invalid-duration", sentence(first.message), { errors });
  return refuse("invalid-input", sentence(errors.map(inWords).join("; ")), { errors });
}

/** Paths begin with the part of the call (path, query or body), which the name makes clear by itself. */
const pathOf = (issue: Issue): string => issue.path.slice(1).map(String).join(".");

function messageOf(issue: Issue): string {
  if (issue.code === "unrecognized_keys") return `not known here: ${issue.keys.map(shown).join(", ")}`;
  if (issue.code === "invalid_type" && issue.input === undefined && issue.path.at(-1) !== "duration")
    return issue.path.length === 1 ? "send a JSON object" : "is missing";
  return issue.message;
}

const shown = (key: string): string => JSON.stringify(key.slice(0, 40).toWellFormed());
const inWords = ({ path, message }: { path: string; message: string }): string =>
  path === "" ? message : `${path}: ${message}`;
const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** What Fastify, the JSON parser or the store threw. `internal` says nothing of what it was: that is for the log. */
export function refuseError(error: unknown, requestId: string, bodyBytesMax: number = BODY_BYTES_MAX): Refusal {
  const code = codeOf(error);
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return refuse("body-too-large", `Send at most ${bodyBytesMax / 1024} KiB.`);
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return refuse("unsupported-media-type", "Send JSON, with Content-Type: application/json.");
    case "FST_ERR_CTP_INVALID_JSON_BODY":
      return refuse("malformed-request", "The body is not JSON.");
    case "FST_ERR_BAD_URL":
    case "FST_ERR_MAX_PARAM_LENGTH":
      return refuse("malformed-request", "The address is not a valid one.");
    default:
  }
  if (error instanceof SyntaxError && "statusCode" in error)
    return refuse("malformed-request", "The body is not JSON.");
  if (isStoreDown(error, code))
    return refuse("unavailable", "The store does not answer. Try again soon; what was granted still ends on time.", {
      retryAfterSeconds: 2,
    });
  if (statusOf(error) >= 400 && statusOf(error) < 500)
    return refuse("malformed-request", "The request could not be read.");
  return refuse("internal", `Something failed inside Tidegate. Its log says what, under ${requestId}.`, {
    instance: `urn:tidegate:call:${requestId}`,
  });
}

export const BODY_BYTES_MAX = 64 * 1024;

const CONNECTION_FAILURES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
]);
/** Shutting down, starting up, out of connections, cancelled by a deadline of ours. */
const STORE_SAYS_LATER = new Set([
  "57P01",
  "57P02",
  "57P03",
  "53300",
  "57014",
  "55P03",
  "25P03",
  "40001",
  "40P01",
  "53100",
  "53200",
  "25006",
]);
/** The driver gives these no code. */
const DRIVER_WORDS =
  /^(timeout exceeded when trying to connect|connection terminated|client has encountered a connection error|cannot use a pool after)/i;

function isStoreDown(error: unknown, code: string): boolean {
  if (STORE_SAYS_LATER.has(code) || code.startsWith("08")) return true;
  if (CONNECTION_FAILURES.has(code)) return true;
  return error instanceof Error && DRIVER_WORDS.test(error.message);
}

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "");
const statusOf = (error: unknown): number =>
  error instanceof Error && "statusCode" in error ? Number(error.statusCode) : 0;

/** An error as it goes into the log: never the values that were being worked with. */
export const loggable = (error: unknown): Record<string, unknown> =>
  error instanceof Error
    ? { name: error.name, code: codeOf(error), message: error.message, stack: error.stack }
    : { message: typeof error };
