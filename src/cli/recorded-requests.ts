/** Requests as policy was asked about them: from a server, or from a file that was exported from one. */
import { readFile } from "node:fs/promises";
import { toTimestamp } from "../base/clock.ts";
import type { Client } from "../contract/client.ts";
import type { RecordedRequestView } from "../contract/policy.ts";
import { usage } from "./failure.ts";
import { given, type TimeSpan } from "./list-options.ts";

const PAGE_MAX = 1_000;
/** The first line of a file of requests. */
const HEADER = { tidegate: "recorded-requests", version: 1 } as const;

export type Wanted = TimeSpan & { readonly limit: number };

/** Newest first. `more`: there are further ones that were not asked for. */
export type Recorded = { readonly requests: RecordedRequestView[]; readonly more: boolean };

export async function requestsOfServer(client: Client, wanted: Wanted): Promise<Recorded> {
  const requests: RecordedRequestView[] = [];
  const span = given({ from: wanted.from, until: wanted.until });
  let cursor: string | null = null;
  do {
    const limit = Math.min(PAGE_MAX, wanted.limit - requests.length);
    const page: Awaited<ReturnType<Client["listRecordedRequests"]>> = await client.listRecordedRequests({
      ...span,
      limit,
      ...(cursor === null ? {} : { cursor }),
    });
    requests.push(...page.requests);
    cursor = page.next;
  } while (cursor !== null && requests.length < wanted.limit);
  return { requests, more: cursor !== null };
}

/** Those within the span; the order is that of the file. */
export async function requestsOfFile(path: string, { from, until, limit }: Wanted): Promise<Recorded> {
  const { recordedRequest } = await import("../contract/policy.ts");
  const written = await readFile(path, "utf8").catch((error: unknown) => {
    throw usage(`${path} cannot be read: ${messageOf(error)}.`);
  });
  const [header, ...lines] = written.split("\n").map(parsed);
  if (!isHeader(header))
    throw usage(`${path} holds no recorded requests. Make such a file with: tidegate policy requests --out ${path}`);
  const all = lines.slice(0, lines.at(-1) === null ? -1 : undefined).map((line, index) => {
    const read = recordedRequest.safeParse(line);
    if (read.success) return read.data;
    const { path: where = [], message = "" } = read.error.issues[0] ?? {};
    throw usage(`${path}:${index + 2}: this is no recorded request: ${[...where.map(String), message].join(": ")}.`);
  });
  const within = all.filter(({ at }) => (from === undefined || at >= from) && (until === undefined || at < until));
  return { requests: within.slice(0, limit), more: within.length > limit };
}

function parsed(line: string): unknown {
  if (line === "") return null;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const isHeader = (line: unknown): boolean =>
  typeof line === "object" &&
  line !== null &&
  "tidegate" in line &&
  line.tidegate === HEADER.tidegate &&
  "version" in line &&
  line.version === HEADER.version;

/** What `requestsOfFile` reads: a line that says what this is, then a request in each. */
export function* linesOf(requests: readonly RecordedRequestView[], span: TimeSpan, nowMs: number): Generator<object> {
  yield { ...HEADER, exportedAt: toTimestamp(nowMs), ...given({ from: span.from, until: span.until }) };
  yield* requests;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
