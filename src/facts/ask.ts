/** One question to one service over HTTP: one deadline for everything, a bound on the answer, and no redirects. */
import type { Json } from "../base/canonical.ts";
import { formatDuration } from "../base/duration.ts";
import { type Question, SourceError } from "./source.ts";

export const ANSWER_BYTES_MAX = 1_048_576;
const RETRY_AFTER_MS_MAX = 60_000;
/** A connection that was kept open may be ended by the service just when it is used again: that says nothing about the service. */
const CONNECTION_ENDED = /UND_ERR_SOCKET|ECONNRESET|EPIPE/;

export type Answered = {
  /** Undefined: there is no such thing (404). */
  readonly body: Json | undefined;
  /** What the service or a cache before it says about the answer's age; 0 where they say nothing. */
  readonly ageMs: number;
};

/** How long a source may take in all, and what is left of it. */
type Patience = { readonly timeoutMs: number; readonly leftMs: number };

/** Throws a `SourceError` and nothing else. */
export async function askJson(
  { url, authorization, accept = "application/json" }: Question,
  { timeoutMs, leftMs }: Patience,
): Promise<Answered> {
  const headers = {
    accept,
    "cache-control": "no-cache",
    "user-agent": "tidegate",
    ...(authorization === null ? {} : { authorization: authorization.reveal() }),
  };
  const signal = AbortSignal.timeout(Math.max(1, Math.ceil(leftMs)));
  try {
    const send = (): Promise<Response> => fetch(url, { headers, redirect: "manual", signal });
    const response = await send().catch((error: unknown) => {
      if (CONNECTION_ENDED.test(codeOf(error))) return send();
      throw error;
    });
    const refused = refusal(response);
    if (refused !== null || response.status === 404) {
      await response.body?.cancel();
      if (refused !== null) throw refused;
      return { body: undefined, ageMs: 0 };
    }
    return { body: parse(await bounded(response)), ageMs: seconds(response.headers.get("age")) ?? 0 };
  } catch (error) {
    if (error instanceof SourceError) throw error;
    if (signal.aborted) throw new SourceError("too-slow", `did not answer within ${formatDuration(timeoutMs)}`);
    throw new SourceError("unreachable", `cannot be reached${codeOf(error)}`);
  }
}

function refusal({ status, headers }: Response): SourceError | null {
  if (status === 404 || (status >= 200 && status < 300)) return null;
  if (status === 401 || status === 403)
    return new SourceError("sign-in", `did not accept the sign-in (HTTP ${status})`);
  if (status === 429) {
    const retryAfterMs = Math.min(seconds(headers.get("retry-after")) ?? 0, RETRY_AFTER_MS_MAX);
    return new SourceError("busy", "wants to be asked less often (HTTP 429)", retryAfterMs);
  }
  // `manual` makes some of them status 0.
  if (status === 0 || (status >= 300 && status < 400))
    return new SourceError("redirect", "answered with a redirect, which is not followed");
  return new SourceError("failed", `failed (HTTP ${status})`);
}

async function bounded(response: Response): Promise<string> {
  const tooLarge = () => new SourceError("too-large", `answered with more than ${ANSWER_BYTES_MAX} bytes`);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop ends the connection.
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    if (bytes > ANSWER_BYTES_MAX) throw tooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new SourceError("not-json", "answered with something that is not JSON");
  }
}

/** A header of whole seconds; null for anything else. */
const seconds = (header: string | null): number | null =>
  header !== null && /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : null;

/** The code alone: messages of the system name addresses. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? ` (${code})` : "";
}
