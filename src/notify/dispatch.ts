/**
 * The way out of messages. Every replica settles which channels take what was written, and sends what is due; the store sees
 * to it that two do not send the same at once. A message goes out at least once: who dies between sending it and saying so
 * leaves it due again, under the same id. Nothing waits for any of this: whoever changes something has long been answered.
 *
 * Each channel is served on its own. One that fails is tried with one message at a time, and rests longer and longer in between.
 */
import type { JsonObject } from "../base/canonical.ts";
import type { Chance } from "../base/chance.ts";
import { type Repeating, repeat, type Timers } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import type { DeclaredChannel } from "../domain/channel.ts";
import { inWords, type Message, namedIn } from "../domain/message.ts";
import type { Context } from "../operations/context.ts";
import type { Db } from "../store/db.ts";
import { type Attempt, dropRemoved, handOver, markDelivered, markMissed, takeUp } from "../store/deliveries.ts";
import { contactsOf } from "../store/principals.ts";
import type { Channel, OpenChannel, Outgoing, Sent } from "./channel.ts";
import { CHANNELS } from "./channels.ts";

/** What was written is announced; what is due to be tried again is not. */
const LOOK_EVERY_MS = 1_000;
/** Many changes at once are looked at together. */
const PAUSE_MS = 100;
const TIDY_EVERY_MS = 60_000;
const BATCH_MAX = 500;
/** Messages of one channel on their way at once. */
const PLACES = 8;
const SEND_WITHIN_MS = 10_000;
/** Longer than a send and saying so take: nobody else tries meanwhile. */
const TAKEN_FOR_MS = 30_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 3_600_000;
/** A channel that fails is tried this often, however many messages wait for it. */
const REST_MAX_MS = 60_000;
/** So long nothing is sent to who wants nothing any more. */
const GONE_REST_MS = 3_600_000;
export const GIVE_UP_AFTER_MS = 3 * 86_400_000;
const RECIPIENTS_MAX = 100;

export type Outcome = "delivered" | "missed" | "given-up";

export type NotifyOptions = {
  readonly context: Pick<Context, "db" | "ledger" | "catalog">;
  readonly changes: { subscribe(heard: () => void): () => void };
  /** Puts secrets in the place of their references; throws a sentence, naming no secret, where one is missing. */
  readonly resolve: (settings: JsonObject) => JsonObject;
  readonly timers: Timers;
  readonly chance: Chance;
  readonly log: (level: "info" | "warn" | "error", what: string, more: Record<string, unknown>) => void;
  readonly attempted?: (channel: string, outcome: Outcome) => void;
  readonly kinds?: Readonly<Record<string, OpenChannel>>;
};

export type Notify = { stop(): Promise<void> };

export function startNotify(options: NotifyOptions): Notify {
  const dispatcher = new Dispatcher(options);
  return { stop: () => dispatcher.stop() };
}

/** How a channel does, as far as this process knows. */
type Standing = { attending: Promise<void> | null; failures: number; restsUntilMs: number };

class Dispatcher {
  readonly #options: NotifyOptions;
  readonly #standings = new Map<string, Standing>();
  readonly #ending = new AbortController();
  readonly #stopHearing: () => void;
  readonly #looking: Repeating;
  #tidyAtMs = 0;

  constructor(options: NotifyOptions) {
    this.#options = options;
    this.#stopHearing = options.changes.subscribe(() => this.#looking.wake());
    const { log, timers } = options;
    const look = () => this.#look().catch((error: unknown) => log("warn", "messages wait", { error: String(error) }));
    this.#looking = repeat(timers, LOOK_EVERY_MS, look, PAUSE_MS);
  }

  /** What is being sent is broken off: it is due again. */
  async stop(): Promise<void> {
    this.#ending.abort();
    this.#stopHearing();
    await this.#looking.stop();
    await Promise.all([...this.#standings.values()].map(async ({ attending }) => attending));
  }

  async #look(): Promise<void> {
    const { db, ledger, catalog } = this.#options.context;
    const active = await catalog.active(ledger);
    if (active === null) return;
    const channels = Object.values(active.configuration.notify ?? {});
    while ((await handOver(db, channels, BATCH_MAX)) === BATCH_MAX);
    const { timers } = this.#options;
    if (timers.monotonicMs() >= this.#tidyAtMs) {
      await dropRemoved(
        db,
        channels.map(({ name }) => name),
      );
      this.#tidyAtMs = timers.monotonicMs() + TIDY_EVERY_MS;
    }
    for (const channel of channels) this.#serve(channel);
  }

  #serve(channel: DeclaredChannel): void {
    const standing = this.#standings.get(channel.name) ?? { attending: null, failures: 0, restsUntilMs: 0 };
    this.#standings.set(channel.name, standing);
    if (standing.attending !== null || this.#options.timers.monotonicMs() < standing.restsUntilMs) return;
    standing.attending = this.#attend(channel, standing)
      .catch((error: unknown) => this.#failed(channel, standing, String(error), null))
      .finally(() => {
        standing.attending = null;
      });
  }

  /** Sends what is due, until nothing is or the channel fails. */
  async #attend(channel: DeclaredChannel, standing: Standing): Promise<void> {
    const { context, resolve, kinds = CHANNELS } = this.#options;
    while (!this.#ending.signal.aborted) {
      // Anew each time: a secret in a file may be another by now.
      const through = kinds[channel.channel](resolve(channel.settings));
      const places = standing.failures > 0 ? 1 : PLACES;
      const attempts = await takeUp(context.db, channel.name, places, TAKEN_FOR_MS);
      if (attempts.length === 0) return;
      const outgoing = await outgoingOf(context.db, attempts);
      const sent = await Promise.all(outgoing.map(([attempt, message]) => this.#send(through, attempt, message)));
      if (this.#ending.signal.aborted) return;
      const failure = sent.find((one) => !one.sent && one.gone === true) ?? sent.find((one) => !one.sent);
      if (failure === undefined || failure.sent) this.#worked(channel, standing);
      else return this.#failed(channel, standing, failure.why, failure.gone === true ? GONE_REST_MS : null);
    }
  }

  /** One attempt, and what came of it in the store. */
  async #send(through: Channel, attempt: Attempt, message: Outgoing): Promise<Sent> {
    const { context, attempted = () => undefined } = this.#options;
    const { signal: ending } = this.#ending;
    const deadline = AbortSignal.any([ending, AbortSignal.timeout(SEND_WITHIN_MS)]);
    const sent = await through
      .send(message, deadline)
      .catch((error: unknown): Sent => ({ sent: false, why: String(error) }));
    if (sent.sent) {
      await markDelivered(context.db, attempt);
      attempted(attempt.channel, "delivered");
      return sent;
    }
    const retryInMs = ending.aborted ? 0 : Math.max(this.#backOff(attempt.attempt, RETRY_MAX_MS), sent.afterMs ?? 0);
    const state = await markMissed(context.db, attempt, {
      error: sent.why,
      retryInMs,
      giveUpAfterMs: GIVE_UP_AFTER_MS,
    });
    attempted(attempt.channel, state === "failed" ? "given-up" : "missed");
    return sent;
  }

  /** Doubled each time, and between half of that and all of it, so that what failed together is not tried together. */
  #backOff(failures: number, mostMs: number): number {
    const wholeMs = Math.min(mostMs, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 20));
    return wholeMs * (0.5 + this.#options.chance.fraction() / 2);
  }

  #worked({ name }: DeclaredChannel, standing: Standing): void {
    if (standing.failures > 0) this.#options.log("info", "messages go out again", { channel: name });
    standing.failures = 0;
  }

  #failed({ name }: DeclaredChannel, standing: Standing, why: string, restMs: number | null): void {
    standing.failures += 1;
    const restsMs = restMs ?? this.#backOff(standing.failures, REST_MAX_MS);
    standing.restsUntilMs = this.#options.timers.monotonicMs() + restsMs;
    if (standing.failures === 1 || restMs !== null)
      this.#options.log("warn", "messages do not go out; they are kept, and tried again", { channel: name, why });
  }
}

/** The messages of these attempts as channels get them, with people by name. */
async function outgoingOf(db: Db, attempts: readonly Attempt[]): Promise<(readonly [Attempt, Outgoing])[]> {
  const named = attempts.flatMap(({ message }) => [...firstOf(message), ...namedIn(message)]);
  const people = await contactsOf(db, named);
  return attempts.map((attempt) => {
    const { message } = attempt;
    const { id, kind, atMs, requestId, grantId, data } = message;
    const to = firstOf(message).flatMap((one) => people.get(one) ?? []);
    const words = inWords(message, (one) => people.get(one)?.handle ?? one);
    return [
      attempt,
      { id, kind, atMs, ...words, to, recipients: message.to.length, requestId, grantId, details: data },
    ];
  });
}

const firstOf = ({ to }: Message): readonly PrincipalId[] => to.slice(0, RECIPIENTS_MAX);
