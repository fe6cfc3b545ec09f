/**
 * The way of the audit log out. Every replica looks what is due at each sink and sends it; the store sees to it that two do
 * not at once. A sink has everything up to its position, which moves only when it has confirmed more: who dies between
 * sending and saying so sends again. So each entry arrives at least once, and for the first time in its order.
 *
 * Each sink is served on its own: one that hangs delays no other, and nothing waits for any but what the configuration says.
 */
import type { JsonObject } from "../base/canonical.ts";
import type { Chance } from "../base/chance.ts";
import { type Repeating, repeat, type Timers } from "../base/clock.ts";
import { failpoint } from "../base/failpoint.ts";
import type { EntryLeaf } from "../domain/audit.ts";
import type { DeclaredAnchor, DeclaredSink } from "../domain/sink.ts";
import type { Sent } from "../notify/channel.ts";
import type { Context } from "../operations/context.ts";
import { headPosition } from "../store/audit.ts";
import { entryLines } from "../store/audit-export.ts";
import type { Checkpoint } from "../store/audit-head.ts";
import { consistencyProof } from "../store/audit-tree.ts";
import { droppedPart } from "../store/retention.ts";
import { beginSink, confirmTurn, leaveTurn, missTurn, type Purpose, type Turn, takeTurn } from "../store/sinks.ts";
import { ANCHORS } from "./anchors.ts";
import type { Batch, Entry, OpenSink } from "./sink.ts";
import { SINKS } from "./sinks.ts";

const LOOK_EVERY_MS = 1_000;
const SEND_WITHIN_MS = 10_000;
/** A push of git takes longer. */
const ANCHOR_WITHIN_MS = 20_000;
/** Longer than a send and saying so take: nobody else tries meanwhile. */
const TAKEN_FOR_MS = 30_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** Nothing waits for an anchor: one that wants to be left alone for longer is. */
const ANCHOR_RESTS_MS_MAX = 300_000;
const ENTRIES_MAX = 200;
/** Entries after these are left for the next batch. */
const CHARS_MAX = 262_144;

export type SendingOptions = {
  readonly context: Pick<Context, "db" | "ledger" | "catalog" | "installation">;
  /** Puts secrets in the place of their references; throws a sentence, naming no secret, where one is missing. */
  readonly resolve: (settings: JsonObject) => JsonObject;
  readonly timers: Timers;
  readonly chance: Chance;
  readonly log: (level: "info" | "warn" | "error", what: string, more: Record<string, unknown>) => void;
  /** The checkpoint of now; null where none is signed, as in quarantine. */
  readonly checkpoint: () => Promise<Checkpoint | null>;
  readonly kinds?: Readonly<Record<string, OpenSink>>;
};

export type Sending = { stop(): Promise<void> };

export function startSending(options: SendingOptions): Sending {
  const sender = new Sender(options);
  return { stop: () => sender.stop() };
}

/** What came of a turn: up to where it has arrived, and when there is more to do; or that it has not. */
type Came = { readonly to: number; readonly againInMs: number; readonly note?: string | null } | Missed | null;
type Missed = Extract<Sent, { sent: false }>;

/** Something that is served turn by turn. */
type Served = {
  readonly purpose: Purpose;
  readonly name: string;
  readonly from: "beginning" | "now";
  readonly withinMs: number;
  /** For so long it is left alone at most, where the other side asks for it. */
  readonly restsMsMax: number;
  /** Null: there is nothing to send after all. */
  readonly serve: (turn: Turn, signal: AbortSignal) => Promise<Came>;
};

class Sender {
  readonly #options: SendingOptions;
  readonly #attending = new Map<string, Promise<void>>();
  readonly #begun = new Set<string>();
  readonly #ending = new AbortController();
  readonly #looking: Repeating;

  constructor(options: SendingOptions) {
    this.#options = options;
    const { log, timers } = options;
    const look = () =>
      this.#look().catch((error: unknown) => log("warn", "the audit log waits", { error: String(error) }));
    this.#looking = repeat(timers, LOOK_EVERY_MS, look);
  }

  /** What is being sent is broken off: it is due again. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#looking.stop();
    await Promise.all(this.#attending.values());
  }

  async #look(): Promise<void> {
    const { ledger, catalog } = this.#options.context;
    const audit = (await catalog.active(ledger))?.configuration.audit;
    for (const sink of Object.values(audit?.sinks ?? {})) this.#attend(this.#sink(sink));
    for (const anchor of Object.values(audit?.anchors ?? {})) this.#attend(this.#anchor(anchor));
  }

  #attend(served: Served): void {
    const key = `${served.purpose} ${served.name}`;
    if (this.#attending.has(key)) return;
    const attending = this.#serve(served, key)
      .catch((error: unknown) =>
        this.#options.log("warn", "the audit log waits", { sink: served.name, error: String(error) }),
      )
      .finally(() => this.#attending.delete(key));
    this.#attending.set(key, attending);
  }

  /** Turn after turn, until nothing is due or one failed. */
  async #serve(served: Served, key: string): Promise<void> {
    const { db } = this.#options.context;
    const { purpose, name, from, restsMsMax } = served;
    if (!this.#begun.has(key)) await beginSink(db, purpose, name, from);
    this.#begun.add(key);
    const { signal: ending } = this.#ending;
    while (!ending.aborted) {
      const turn = await takeTurn(db, purpose, name, TAKEN_FOR_MS);
      if (turn === null) return;
      const signal = AbortSignal.any([ending, AbortSignal.timeout(served.withinMs)]);
      const came = await served
        .serve(turn, signal)
        .catch((error: unknown) => ({ sent: false as const, why: String(error) }));
      if (came === null || (ending.aborted && "why" in came)) return leaveTurn(db, turn);
      if ("why" in came) return this.#missed(turn, came, restsMsMax);
      await confirmTurn(db, turn, { ...came, position: came.to });
      if (turn.attempts > 0)
        this.#options.log("info", "the audit log arrives again", { sink: name, position: came.to });
    }
  }

  async #missed(turn: Turn, { why, afterMs = 0 }: Missed, restsMsMax: number): Promise<void> {
    const { context, chance, log } = this.#options;
    const wholeMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(turn.attempts, 20));
    const retryInMs = Math.max(wholeMs * (0.5 + chance.fraction() / 2), Math.min(restsMsMax, afterMs));
    await missTurn(context.db, turn, { error: why, retryInMs });
    const more = { sink: turn.name, position: turn.position, why };
    if (turn.attempts === 0) log("warn", "the audit log does not arrive; it is sent again", more);
  }

  #sink(sink: DeclaredSink): Served {
    const { context, log, resolve, kinds = SINKS } = this.#options;
    return {
      purpose: "entries",
      name: sink.name,
      from: sink.from,
      withinMs: SEND_WITHIN_MS,
      restsMsMax: RETRY_MAX_MS,
      serve: async (turn, signal) => {
        // Retention waits for no sink that was out of the configuration: one that comes back goes on with what there is.
        const from = Math.max(turn.position, (await droppedPart(context.db))?.to ?? 0);
        const batch = await this.#batchAfter(from, sink.personal);
        const last = batch?.entries.at(-1)?.seq;
        if (batch === null || last === undefined) return null;
        // Anew each time: a secret in a file may be another by now.
        const sent = await kinds[sink.sink](resolve(sink.settings)).send(batch, signal);
        if (!sent.sent) return sent;
        await failpoint("sink.after-send");
        if (from === turn.position) return { to: last, againInMs: 0 };
        const note = `${turn.position + 1} to ${from} were dropped, and not sent`;
        log("warn", "the audit log arrives again", { sink: sink.name, note });
        return { to: last, againInMs: 0, note };
      },
    };
  }

  /** Signs nothing, and nothing waits for it. */
  #anchor({ name, anchor, settings, everyMs }: DeclaredAnchor): Served {
    const { context, resolve, checkpoint: signed } = this.#options;
    const prove = (first: number, second: number) => consistencyProof(context.db, first, second);
    return {
      ...{ purpose: "checkpoints", name, from: "beginning" },
      ...{ withinMs: ANCHOR_WITHIN_MS, restsMsMax: ANCHOR_RESTS_MS_MAX },
      serve: async (turn, signal) => {
        const checkpoint = await signed();
        if (checkpoint === null) return { sent: false, why: "nothing is signed just now" };
        const came = await ANCHORS[anchor](resolve(settings), prove).put(checkpoint, turn.position, signal);
        return came.sent ? { to: checkpoint.size, againInMs: everyMs, note: came.note ?? null } : came;
      },
    };
  }

  async #batchAfter(position: number, personal: boolean): Promise<Batch | null> {
    const { db, installation } = this.#options.context;
    const to = Math.min(position + ENTRIES_MAX, await headPosition(db));
    const entries: Entry[] = [];
    let chars = 0;
    for (const { seq, leaf, line } of await entryLines(db, { from: position, to }, personal)) {
      // What comes after a hole must not look as if it came after what was before it.
      if (leaf === null || seq !== position + entries.length + 1) break;
      if (entries.length > 0 && chars + line.length > CHARS_MAX) break;
      chars += line.length;
      entries.push(entryOf(seq, leaf, line));
    }
    if (entries.length === 0 && to > position) throw new Error(`the log lacks position ${position + 1}`);
    return entries.length === 0 ? null : { installation, personal, entries };
  }
}

function entryOf(seq: number, leaf: string, line: string): Entry {
  const { kind, at, actor } = JSON.parse(leaf) as EntryLeaf;
  return { seq, kind, at, actor: "principal" in actor ? actor.principal : actor.system, leaf, line };
}
