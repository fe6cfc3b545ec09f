/** The stream of events: entries of the log that are about requests and grants, to whoever may see those; and messages, to whom they are to. */
import { once } from "node:events";
import { PassThrough } from "node:stream";
import type { PrincipalId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { EventView } from "../contract/events.ts";
import type { EntryLeaf } from "../domain/audit.ts";
import type { Leaf } from "../store/audit.ts";
import type { Db } from "../store/db.ts";
import { droppedPart } from "../store/retention.ts";
import { type Viewer, visibleAmong } from "../store/visible.ts";
import type { Call, Handlers, ServerDeps } from "./call.ts";
import { droppedView } from "./dropped.ts";
import { LogTail, type Told } from "./log-tail.ts";
import { sceneFor } from "./scene.ts";

const STREAMS_PER_PRINCIPAL = 10;
const STREAMS_MAX = 1_000;
const HEARTBEAT_MS = 15_000;
/** Who does not read for so long is no longer there. */
const STALLED_MS = 30_000;
/** What a browser waits before it comes back. */
const RETRY_MS = 2_000;

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  // The connection ends with the stream: whoever stops the server need not wait for it to be idle.
  connection: "close",
  // Some proxies hold back what they think is a short answer.
  "x-accel-buffering": "no",
};

export function eventHandlers(deps: ServerDeps): Handlers<"events"> {
  const tail = new LogTail({ db: deps.context.db, changes: deps.changes });
  const places = new Places();
  return {
    async stream({ query, headers }, call) {
      const release = places.take(call.principal.id);
      if (isRefusal(release)) return release;
      const end = await tail.follow().catch((error: unknown) => {
        release();
        throw error;
      });
      const leave = () => {
        tail.leave();
        release();
      };
      const asked = headers["last-event-id"] || undefined;
      const after = asked === undefined ? (query.after ?? end) : Number(asked);
      if (after > end) {
        leave();
        return refuse(
          "invalid-input",
          `The log ends at ${end}; there is no event ${after}. Begin anew, without an id.`,
        );
      }
      const dropped = after < end ? await droppedPart(deps.context.db) : null;
      if (dropped !== null && after < dropped.to) {
        leave();
        return refuse("invalid-input", `${droppedView(dropped).says} What is left comes after=${dropped.to}.`);
      }
      const body = new PassThrough();
      deps.metrics.streams(1);
      void new EventStream(deps, tail, call, body).run(after).finally(() => {
        deps.metrics.streams(-1);
        leave();
      });
      return { status: 200, body, headers: HEADERS };
    },
  };
}

/** How many streams are open, and whose. */
class Places {
  readonly #open = new Map<PrincipalId, number>();
  #total = 0;

  /** A place, as the way to give it back; or why there is none. */
  take(id: PrincipalId): (() => void) | Refusal {
    const mine = this.#open.get(id) ?? 0;
    if (mine >= STREAMS_PER_PRINCIPAL || this.#total >= STREAMS_MAX) return tooMany(mine);
    this.#add(id, 1);
    return () => this.#add(id, -1);
  }

  #add(id: PrincipalId, change: 1 | -1): void {
    const count = (this.#open.get(id) ?? 0) + change;
    this.#total += change;
    if (count === 0) this.#open.delete(id);
    else this.#open.set(id, count);
  }
}

const tooMany = (mine: number): Refusal =>
  refuse(
    "too-many-requests",
    mine >= STREAMS_PER_PRINCIPAL
      ? `You have ${mine} streams open; that is the most. Close one, then try again.`
      : "There are as many streams open as this server serves. Try again later.",
    { retryAfterSeconds: 10 },
  );

/** One stream, from its first byte to its last. It never throws: whatever goes wrong ends it, and the client comes back. */
class EventStream {
  readonly #db: Db;
  readonly #deps: ServerDeps;
  readonly #tail: LogTail;
  readonly #call: Call;
  readonly #body: PassThrough;

  constructor(deps: ServerDeps, tail: LogTail, call: Call, body: PassThrough) {
    this.#db = deps.context.db;
    this.#deps = deps;
    this.#tail = tail;
    this.#call = call;
    this.#body = body;
  }

  async run(after: number): Promise<void> {
    this.#body.on("error", () => undefined);
    try {
      await this.#pump(after);
      this.#body.end();
    } catch {
      this.#body.destroy();
    }
  }

  async #pump(after: number): Promise<void> {
    const { signal } = this.#call;
    let position = after;
    if (!(await this.#write(`retry: ${RETRY_MS}\n${positionOnly(position)}`))) return;
    while (!signal.aborted) {
      const leaves = await this.#tail.read(position);
      const last = leaves.at(-1);
      if (last === undefined) {
        const sinceMs = this.#deps.clock.monotonicMs();
        await this.#tail.next(position, HEARTBEAT_MS, signal);
        const silent = this.#deps.clock.monotonicMs() - sinceMs >= HEARTBEAT_MS;
        if (silent && ((await this.#viewer()) === null || !(await this.#write(positionOnly(position))))) return;
        continue;
      }
      const text = await this.#show(leaves);
      if (text === null) return;
      position = last.seq;
      if (text !== "" && !(await this.#write(text))) return;
    }
  }

  /** The part of these entries that the caller may see, as text; null when they may see nothing any more. */
  async #show(leaves: readonly Told[]): Promise<string | null> {
    const about = leaves.flatMap((leaf) => [...toldTo(this.#call.principal.id, leaf), ...toEvent(leaf)]);
    if (about.length === 0 && !leaves.some(mayEndTokens)) return "";
    const viewer = await this.#viewer();
    if (viewer === null) return null;
    if (viewer.seesAll) return about.map(written).join("");
    const seen = await visibleAmong(this.#db, viewer, {
      requests: [...new Set(about.flatMap((event) => (event.about === "request" ? (event.requestId ?? []) : [])))],
      grants: [...new Set(about.flatMap((event) => (event.about === "grant" ? (event.grantId ?? []) : [])))],
    });
    return about
      .filter((event) => event.about === "message" || seen.has(idOf(event) ?? ""))
      .map(written)
      .join("");
  }

  /** Who looks, asked anew each time: a token ends, people leave, and who approves what changes. */
  async #viewer(): Promise<Viewer | null> {
    const principal = await this.#call.again();
    if (isRefusal(principal)) return null;
    const scene = await sceneFor(this.#deps.context, principal);
    return isRefusal(scene) ? null : scene.viewer;
  }

  /** Waits until the client has room. False: it is gone, or has not read for too long. */
  async #write(text: string): Promise<boolean> {
    const { signal } = this.#call;
    if (signal.aborted || this.#body.destroyed) return false;
    if (this.#body.write(text)) return true;
    try {
      await once(this.#body, "drain", { signal: AbortSignal.any([signal, AbortSignal.timeout(STALLED_MS)]) });
      return true;
    } catch {
      this.#body.destroy();
      return false;
    }
  }
}

/** Moves the client's place in the log, tells it nothing, and keeps the connection alive. */
const positionOnly = (position: number): string => `id: ${position}\n: still here\n\n`;

const idOf = (event: EventView): string | null => (event.about === "request" ? event.requestId : event.grantId);

/** A message has no place in the log of its own: it comes before its entry, and again with it where the connection broke between. */
const written = (event: EventView): string =>
  `${event.about === "message" ? "" : `id: ${event.seq}\n`}event: ${event.about}\ndata: ${JSON.stringify(event)}\n\n`;

/** After such an entry somebody's token may be good no more. */
const mayEndTokens = ({ leaf: { kind } }: Leaf): boolean =>
  kind.startsWith("principal.") || kind === "config.activated";

/** The messages to this person that came with the entry. */
const toldTo = (person: PrincipalId, { seq, leaf, messages }: Told): EventView[] =>
  messages
    .filter(({ to }) => to.includes(person))
    .map(({ id, kind, requestId, grantId }) => ({
      ...{ seq, at: leaf.at, about: "message" as const, kind, requestId, grantId },
      ...{ entitlement: entitlementOf(leaf), messageId: id, state: null },
    }));

const entitlementOf = ({ data: { entitlement } }: EntryLeaf): string | null =>
  typeof entitlement === "string" ? entitlement : null;

/** An entry about a request or a grant, without anything that a person wrote; none for every other. */
function toEvent({ seq, leaf }: Leaf): EventView[] {
  const [noun] = leaf.kind.split(".");
  const about =
    noun === "grant" || noun === "credential" ? "grant" : noun === "request" || noun === "review" ? "request" : null;
  if (about === null) return [];
  const { request, grant } = leaf.refs;
  const { state } = leaf.data;
  return [
    {
      ...{ seq, at: leaf.at, about, kind: leaf.kind, requestId: request ?? null, grantId: grant ?? null },
      ...{ entitlement: entitlementOf(leaf), messageId: null, state: typeof state === "string" ? state : null },
    },
  ];
}
