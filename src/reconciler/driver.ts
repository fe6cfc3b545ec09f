/**
 * Keeps the targets equal to the ledger. Claims what is due, per target no more than its bulkhead holds, so that one
 * target that hangs keeps only its own grants waiting. Woken by whoever changes something; looks by itself all the same.
 */
import { type Chance, systemChance } from "../base/chance.ts";
import { every, systemTimers, type Timers } from "../base/clock.ts";
import type { GrantId } from "../base/ids.ts";
import type { LedgerContext } from "../operations/context.ts";
import { type Claim, ClaimLost } from "../store/grants.ts";
import { type Alarm, execute } from "./execute.ts";
import type { Connectors } from "./host.ts";
import { Busy, type Watch } from "./on-target.ts";

export type ReconcilerOptions = {
  readonly context: LedgerContext;
  readonly connectors: Connectors;
  /** Names this process in claims. */
  readonly owner: string;
  readonly log: (event: ReconcilerEvent) => void;
  readonly clock?: Timers;
  readonly chance?: Chance;
  readonly watch?: Watch;
  /** A claim that is not renewed for this long may be taken over. */
  readonly claimLifetimeMs?: number;
  readonly pollMs?: number;
  readonly perTarget?: number;
};

/** For the log. `access-still-live` is the one that somebody must be woken for. */
export type ReconcilerEvent = {
  readonly level: "info" | "warn" | "error";
  readonly what: Alarm["what"] | "claim-lost" | "reconcile-failed" | "store-unreachable";
  readonly grant?: GrantId;
  readonly error?: string;
} & Partial<Omit<Alarm, "what">>;

export type ReconcilerHealth = {
  readonly running: boolean;
  readonly lastTickMs: number | null;
  readonly inFlight: number;
};

export type Reconciler = {
  /** Something may be due: look now. */
  wake(): void;
  health(): ReconcilerHealth;
  /** Takes nothing new, waits for what is under way (its targets are told to hurry after `graceMs`). */
  stop(graceMs?: number): Promise<void>;
};

const CLAIM_LIFETIME_MS = 4_000;
const POLL_MS = 2_000;
const PER_TARGET = 8;
const IN_FLIGHT_MAX = 64;
const BUSY_PAUSE_MS = 30;
const STORE_PAUSE_MS = 500;
const UNWATCHED: Watch = { performed: () => undefined, closed: () => undefined };
/**
 * While work is under way every step of it wakes us, and so many looks would take the store away from the work itself. So
 * then the next look waits this long, or until something lands and makes room.
 */
const LOOK_EVERY_MS = 20;

type Flight = {
  readonly claim: Claim;
  readonly abort: AbortController;
  readonly done: Promise<void>;
  /** By this process's own clock: from then on somebody else may hold the claim. */
  heldUntilMs: number;
};

export function startReconciler(options: ReconcilerOptions): Reconciler {
  const { context, connectors, owner, log } = options;
  const clock = options.clock ?? systemTimers;
  const chance = options.chance ?? systemChance;
  const { ledger } = context;
  const watch = options.watch ?? UNWATCHED;
  const claimLifetimeMs = options.claimLifetimeMs ?? CLAIM_LIFETIME_MS;
  const flights = new Map<string, Set<Flight>>();
  let [stopping, woken, lastTickMs] = [false, false, null as number | null];
  let wakeUp: () => void = () => undefined;

  const inFlight = (): number => [...flights.values()].reduce((sum, set) => sum + set.size, 0);
  const wake = (): void => {
    woken = true;
    wakeUp();
  };

  async function fly(claim: Claim, abort: AbortController): Promise<void> {
    let release = true;
    let againInMs = 0;
    try {
      const alarm = await execute({
        context,
        connectors,
        claim,
        claimLifetimeMs,
        signal: abort.signal,
        watch,
        clock,
        chance,
      });
      if (alarm !== null)
        log({ level: alarm.what === "access-still-live" ? "error" : "warn", grant: claim.grant, ...alarm });
    } catch (error) {
      if (error instanceof Busy) againInMs = BUSY_PAUSE_MS;
      else if (error instanceof ClaimLost) log({ level: "warn", what: "claim-lost", grant: claim.grant });
      else {
        // A fault of ours or of the store, such as a row that cannot be read: the claim is kept until it runs out, so
        // that this grant comes back in a few seconds and the others go on meanwhile.
        release = false;
        log({
          level: "error",
          what: "reconcile-failed",
          grant: claim.grant,
          error: error instanceof Error ? error.message : String(error),
        });
      }
    }
    await (release ? ledger.releaseClaim(claim, againInMs) : ledger.releaseRight(claim)).catch(() => undefined);
  }

  function launch(resource: string, claim: Claim, heldUntilMs: number): void {
    const abort = new AbortController();
    const set = flights.get(resource) ?? new Set<Flight>();
    flights.set(resource, set);
    const flight: Flight = {
      claim,
      abort,
      heldUntilMs,
      done: fly(claim, abort).finally(() => {
        set.delete(flight);
        if (set.size === 0 && flights.get(resource) === set) flights.delete(resource);
        wake();
      }),
    };
    set.add(flight);
  }

  async function tick(): Promise<void> {
    for (const { resource } of await ledger.dueResources()) {
      const here = flights.get(resource)?.size ?? 0;
      // However many targets hang: one on which nothing is under way always gets a place.
      const spare = Math.max(IN_FLIGHT_MAX - inFlight(), here === 0 ? 1 : 0);
      const free = Math.min((options.perTarget ?? PER_TARGET) - here, spare);
      if (free <= 0) continue;
      const heldUntilMs = clock.monotonicMs() + claimLifetimeMs;
      for (const { claim } of await ledger.claimDue([{ resource, places: free }], owner, claimLifetimeMs))
        launch(resource, claim, heldUntilMs);
    }
    lastTickMs = clock.nowMs();
  }

  const pause = (ms: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.after(ms, resolve);
    return promise;
  };

  async function sleep(ms: number): Promise<void> {
    if (woken || stopping) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = clock.after(ms, resolve);
    wakeUp = resolve;
    await promise;
    stop();
    wakeUp = () => undefined;
  }

  async function loop(): Promise<void> {
    while (!stopping) {
      woken = false;
      let sleepMs = options.pollMs ?? POLL_MS;
      try {
        await tick();
        if (woken) {
          const landing = [...flights.values()].flatMap((set) => [...set]).map((flight) => flight.done);
          if (landing.length > 0) await Promise.race([pause(LOOK_EVERY_MS), ...landing]);
          continue;
        }
        const next = await ledger.msUntilDue();
        // What is due but could not be claimed waits for a flight to land, which wakes us; look again soon all the same.
        if (next !== null) sleepMs = Math.min(sleepMs, next <= 0 ? 100 : Math.ceil(next));
      } catch (error) {
        log({
          level: "error",
          what: "store-unreachable",
          error: error instanceof Error ? error.message : String(error),
        });
        sleepMs = STORE_PAUSE_MS;
      }
      await sleep(sleepMs);
    }
  }

  /** Claims are renewed while their work goes on; one that was taken over, or may have been, is stopped where it stands. */
  async function renew(): Promise<void> {
    const all = [...flights.values()].flatMap((set) => [...set]);
    if (all.length === 0) return;
    const heldUntilMs = clock.monotonicMs() + claimLifetimeMs;
    const ours = await ledger
      .renewClaims(
        all.map((f) => f.claim),
        claimLifetimeMs,
      )
      .catch(() => null);
    for (const flight of all) {
      if (ours?.has(flight.claim.grant) === true) flight.heldUntilMs = heldUntilMs;
      else if (ours !== null || clock.monotonicMs() >= flight.heldUntilMs) flight.abort.abort();
    }
  }
  const stopRenewing = every(clock, claimLifetimeMs / 3, () => void renew());
  const running = loop();

  return {
    wake,
    health: () => ({ running: !stopping, lastTickMs, inFlight: inFlight() }),
    async stop(graceMs = 5_000) {
      stopping = true;
      wake();
      await running;
      const all = [...flights.values()].flatMap((set) => [...set]);
      const unhurried = clock.after(graceMs, () => {
        for (const flight of all) flight.abort.abort();
      });
      await Promise.all(all.map((flight) => flight.done));
      unhurried();
      stopRenewing();
    },
  };
}
