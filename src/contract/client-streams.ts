/** Answers that go on and on, for the client. */
import { defined } from "../base/assert.ts";
import type { ClientOptions } from "./client.ts";
import { readAnswer } from "./client-answers.ts";
import { UnexpectedAnswer } from "./client-errors.ts";
import type { OpenStream } from "./client-events.ts";
import { contract } from "./contract.ts";

export const TIMEOUT_MS = 30_000;

/** Only the answer has a deadline; what follows goes on. */
async function openStream(
  { url, token, timeoutMs = TIMEOUT_MS, fetch: given = fetch }: ClientOptions,
  path: string,
  accept: string,
  signal: AbortSignal,
  more: Record<string, string> = {},
): Promise<Response> {
  const base = baseOf(url);
  const headers = new Headers({ accept, ...more });
  if (token !== null) headers.set("authorization", `Bearer ${token}`);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  try {
    const both = AbortSignal.any([signal, late.signal]);
    const response = await given(new URL(path.slice(1), base), { headers, signal: both, redirect: "error" });
    if (!response.ok) await readAnswer(response, base);
    if (response.headers.get("content-type")?.startsWith(accept) === true) return response;
    throw new UnexpectedAnswer(base.href, response.status, `no ${accept}`);
  } finally {
    clearTimeout(timer);
  }
}

export function baseOf(url: string): URL {
  const base = URL.parse(url.endsWith("/") ? url : `${url}/`);
  if (base === null || !["http:", "https:"].includes(base.protocol))
    throw new TypeError(`${JSON.stringify(url)} is not an address; write http://HOST:PORT`);
  return base;
}

/** The export of the log, as it comes. */
export async function* exported(
  options: ClientOptions,
  personal: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const path = `${defined(contract.audit.export["~orpc"].route.path, "path of the export")}?personal=${personal}`;
  const { body } = await openStream(options, path, "application/jsonl", signal);
  yield* (body ?? []) as AsyncIterable<Uint8Array>;
}

/** The receipt, byte for byte. */
export async function receiptOf(
  options: ClientOptions,
  id: string,
  personal: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const path = defined(contract.grants.receipt["~orpc"].route.path, "path of a receipt");
  const of = `${path.replace("{id}", encodeURIComponent(id))}?personal=${personal}`;
  return new Uint8Array(await (await openStream(options, of, "text/plain", signal)).arrayBuffer());
}

/** Opens the stream of events. */
export function opener(options: ClientOptions): OpenStream {
  const path = defined(contract.events.stream["~orpc"].route.path, "path of the stream");
  return (lastEventId, signal) =>
    openStream(
      options,
      path,
      "text/event-stream",
      signal,
      lastEventId === null ? {} : { "last-event-id": lastEventId },
    );
}
