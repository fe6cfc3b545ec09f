import { systemClock } from "../../base/clock.ts";
import type { GrantView } from "../../contract/access.ts";
import type { Context } from "../connect.ts";
import { pause } from "../patience.ts";
import { extendHint } from "../words/grant-words.ts";
import { moment } from "../words/time.ts";
import { endedWords, isClosed } from "./give-back.ts";
import { warningTimes } from "./warnings.ts";

const HOLD_SECONDS = 20;
const AFTER_FAILURE_MS = 5_000;
const LOOK_AGAIN_MS = 1_000;
/** Longer ones overflow, and would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Keeps an eye on the grant while psql runs: warns before the end, on the end as it is now, however it was extended
 * meanwhile, and says when access was ended. That the server does not answer for a while disturbs nobody's work.
 */
export class GrantWatch {
  readonly #context: Context;
  readonly #controller = new AbortController();
  #grant: GrantView;
  #spanMs: number;
  #timers: NodeJS.Timeout[] = [];
  #warnedAt = new Set<number>();
  #saidEnded = false;
  #saidProven = false;

  constructor(context: Context, grant: GrantView) {
    this.#context = context;
    this.#grant = grant;
    this.#spanMs = Date.parse(grant.expiresAt) - systemClock.nowMs();
  }

  /** Whether it was said already that the access ended, and that this is proven. */
  get saidProven(): boolean {
    return this.#saidProven;
  }

  start(): void {
    this.#planWarnings();
    void this.#look();
  }

  stop(): void {
    this.#controller.abort();
    this.#clearTimers();
  }

  async #look(): Promise<void> {
    const { signal } = this.#controller;
    while (!signal.aborted && !isClosed(this.#grant)) {
      try {
        const hold = { signal, waitSeconds: HOLD_SECONDS, while: this.#grant.state };
        const askedMs = systemClock.monotonicMs();
        this.#take(await this.#context.client.getGrant(this.#grant.id, hold));
        if (systemClock.monotonicMs() - askedMs < LOOK_AGAIN_MS) await pause(LOOK_AGAIN_MS, signal);
      } catch {
        // Stopped, or the server is away; access ends on time without us, and the next look tells.
        await pause(AFTER_FAILURE_MS, signal).catch(() => undefined);
      }
    }
  }

  #take(grant: GrantView): void {
    const longer = grant.expiresAt !== this.#grant.expiresAt;
    this.#grant = grant;
    if (grant.state === "active") {
      if (longer) this.#spanMs = Date.parse(grant.expiresAt) - systemClock.nowMs();
      // Planned anew at every look: timers stand still while a laptop sleeps.
      this.#planWarnings();
      return;
    }
    this.#clearTimers();
    this.#sayEnded(grant);
  }

  #sayEnded(grant: GrantView): void {
    if (isClosed(grant)) {
      this.#saidProven = true;
      this.#say("red", `${endedWords(grant)}.${this.#leave}`);
    } else if (!this.#saidEnded) this.#say("red", `Access is being ended.${this.#leave}`);
    this.#saidEnded = true;
  }

  get #leave(): string {
    return this.#context.output.interactive ? " Leave psql with \\q" : "";
  }

  #planWarnings(): void {
    this.#clearTimers();
    const nowMs = systemClock.nowMs();
    for (const atMs of warningTimes(Date.parse(this.#grant.expiresAt), this.#spanMs, nowMs)) {
      if (this.#warnedAt.has(atMs) || atMs - nowMs > TIMER_MS_MAX) continue;
      this.#timers.push(setTimeout(() => this.#warn(atMs), atMs - nowMs));
    }
  }

  #warn(atMs: number): void {
    this.#warnedAt.add(atMs);
    const { id, expiresAt } = this.#grant;
    this.#say(
      "yellow",
      `Access ends ${moment(expiresAt, systemClock.nowMs())}. For more time, in another terminal: ${extendHint(id)}`,
    );
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }

  /** On a line of its own: psql's prompt is on this one. */
  #say(style: "red" | "yellow", text: string): void {
    const { output } = this.#context;
    output.note(`${output.live ? "\n" : ""}${output.notePage.paint(style, `tidegate: ${text}`)}`);
  }
}
