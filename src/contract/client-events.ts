/** The stream of events, for the client: read piece by piece, and taken up again where it broke off. */
import { ProblemError, UnexpectedAnswer } from "./client-errors.ts";
import type { EventView } from "./events.ts";

export type EventOptions = {
  /** Ends the stream. */
  readonly signal?: AbortSignal;
  /** Begin after this position of the log; without it with what happens from now on. */
  readonly after?: number;
  /** Hears where in the log it is, also when nothing of it concerns you: keep it to go on there later. */
  readonly onPosition?: (seq: number) => void;
};

/** Opens the stream: after this id, or where the options say while it is null. A refusal is thrown as ProblemError. */
export type OpenStream = (lastEventId: string | null, signal: AbortSignal) => Promise<Response>;

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;
/** The server is heard from every fifteen seconds; a connection that says nothing for so long is dead. */
const SILENT_MS = 45_000;
/** An event is a few hundred characters; more than this in one line is not Tidegate's. */
const LINE_CHARS_MAX = 1_000_000;

type Frame = { readonly id: string | null; readonly data: string };

/**
 * Events without end, each exactly once. A connection that breaks is opened again after the last event; a refusal that
 * time does not mend, such as a token that is good no more, is thrown.
 */
export async function* followEvents(
  open: OpenStream,
  options: EventOptions,
): AsyncGenerator<EventView, void, undefined> {
  const end = options.signal ?? new AbortController().signal;
  let lastEventId = options.after === undefined ? null : String(options.after);
  let failures = 0;
  // A message has no id in the stream: where the connection breaks between it and its event, it comes again.
  const told = new Set<string | null>();
  while (!end.aborted) {
    const connection = new AbortController();
    const stop = () => connection.abort();
    end.addEventListener("abort", stop);
    try {
      const response = await open(lastEventId, connection.signal);
      for await (const { id, data } of frames(response, connection)) {
        failures = 0;
        const event = data === "" ? null : (JSON.parse(data) as EventView);
        if (id !== null) {
          lastEventId = id;
          options.onPosition?.(Number(id));
        }
        if (event !== null && !(event.about === "message" && told.has(event.messageId))) yield event;
        if (id !== null) told.clear();
        else if (event !== null) told.add(event.messageId);
      }
    } catch (error) {
      if (!mendsItself(error)) throw error;
    } finally {
      end.removeEventListener("abort", stop);
      connection.abort();
    }
    failures += 1;
    if (!end.aborted) await pause(Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 10)), end);
  }
}

/** Whatever is not an answer at all, and those answers that time may change. */
const mendsItself = (error: unknown): boolean =>
  error instanceof ProblemError || error instanceof UnexpectedAnswer
    ? error.status === 429 || error.status >= 500
    : true;

/** Frames of a stream until it ends, breaks, or says nothing for too long. */
async function* frames(response: Response, connection: AbortController): AsyncGenerator<Frame> {
  if (response.body === null) return;
  const silence = () => setTimeout(() => connection.abort(), SILENT_MS);
  let timer = silence();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = frameParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = silence();
      yield* parse(value);
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => undefined);
  }
}

/** Takes the text of a stream in pieces, however it was cut; answers the frames that are complete. */
export function frameParser(): (piece: string) => Frame[] {
  let rest = "";
  let [id, data] = [null as string | null, [] as string[]];
  return (piece) => {
    const lines = `${rest}${piece}`.split(/\r\n|\n|\r(?=[\s\S])/);
    rest = lines.pop() ?? "";
    if (rest.length > LINE_CHARS_MAX) throw new Error("a line of the stream of events is too long");
    const found: Frame[] = [];
    for (const line of lines) {
      if (line === "") {
        if (id !== null || data.length > 0) found.push({ id, data: data.join("\n") });
        [id, data] = [null, []];
      } else if (line.startsWith("id:")) id = line.slice(3).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
    return found;
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const stop = () => resolve();
  signal.addEventListener("abort", stop);
  await promise;
  signal.removeEventListener("abort", stop);
  clearTimeout(timer);
}
