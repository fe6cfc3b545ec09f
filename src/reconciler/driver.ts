/**
 * Keeps the targets equal to the ledger. Claims what is due, per target no more than its bulkhead holds, so that one
 * target that hangs keeps only its own grants waiting. Woken by whoever changes something; looks by itself all the same.
 */
import { type Chance, systemChance } from "../base/chance.ts";
import { every, systemTimers, type Timers } from "../base/clock.ts";
import type { GrantId } from "../base/ids.ts";
import type { Urgency } from "../domain/plan.ts";
import type { LedgerContext } from "../operations/context.ts";
import { expireEnded } from "../operations/expire-ended.ts";
import type { ClaimedGrant, GrantSeen } from "../store/due.ts";
import { type Claim, ClaimLost } from "../store/grants.ts";
import { BOUNDS, type Bounds } from "./bounds.ts";
import { createCircuit } from "./circuit.ts";
import { type Alarm, execute } from "./execute.ts";
import type { Connectors } from "./host.ts";
import { Busy, type Watch, type Worker } from "./on-target.ts";
import { createPace } from "./pace.ts";
import { places } from "./places.ts";

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
} & Partial<Pick<Bounds, "perTarget" | "inFlightMax">>;

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
  /** Resources whose target has not answered several times in a row, as far as this process knows. */
  readonly silent: readonly string[];
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
const BUSY_PAUSE_MS = 30;
const STORE_PAUSE_MS = 500;
/** What is due and may not be claimed, since its target is silent or another replica has it, is looked for again after this. */
const BLOCKED_PAUSE_MS = 100;
const UNWATCHED: Watch = { performed: () => undefined, closed: () => undefined };
/** With more due than could be claimed, who has something due is asked this often; in between, it is claimed from those. */
const ASK_EVERY_MS = 100;
/** How many ended grants are expired in one go, as long as so few of them wait to be claimed; else this often. */
const EXPIRE_TOGETHER = 100;
const EXPIRED_AHEAD = 128;
const EXPIRE_EVERY_MS = 5_000;
/** More than can have been tried since a target went silent, as long as it was not silent for hours. */
const HASTENED_MAX = 1_000;
const ON_TARGET = new Set(["provision", "extend", "rotate", "revoke", "confirm"]);
const UNREACHED = new Set(["unreachable", "cannot-sign-in"]);

type Flight = {
  readonly claim: Claim;
  readonly abort: AbortController;
  readonly done: Promise<void>;
  /** By this process's own clock: from then on somebody else may hold the claim. */
  heldUntilMs: number;
};

export function startReconciler(options: ReconcilerOptions): Reconciler {
  const { context, owner, log } = options;
  const clock = options.clock ?? systemTimers;
  const { ledger } = context;
  const claimLifetimeMs = options.claimLifetimeMs ?? CLAIM_LIFETIME_MS;
  const inFlightMax = options.inFlightMax ?? BOUNDS.inFlightMax;
  const circuit = createCircuit(options.perTarget ?? BOUNDS.perTarget, () => clock.monotonicMs());
  const flights = new Map<string, Set<Flight>>();
  const pace = createPace(clock, inFlight);
  const ended = createEnded(options, clock);
  let [stopping, turn, lastTickMs] = [false, 0, null as number | null];
  /** Who had something due that was not claimed, when that was last seen. */
  let [backlog, askedMs] = [new Map<string, Urgency>(), Number.NEGATIVE_INFINITY];

  function inFlight(): number {
    return allFlights().length;
  }
  function allFlights(): Flight[] {
    return [...flights.values()].flatMap((set) => [...set]);
  }

  function launch({ claim, resource, seen }: ClaimedGrant, heldUntilMs: number): void {
    const abort = new AbortController();
    const set = flights.get(resource) ?? new Set<Flight>();
    flights.set(resource, set);
    circuit.launched(resource);
    const watch = watching(resource, abort.signal);
    const done = fly(options, claim, seen, { clock, claimLifetimeMs, signal: abort.signal, watch });
    const flight: Flight = {
      claim,
      abort,
      heldUntilMs,
      done: done.finally(() => {
        set.delete(flight);
        if (set.size === 0 && flights.get(resource) === set) flights.delete(resource);
        pace.landed();
      }),
    };
    set.add(flight);
  }

  /** Learns from how work on a target went whether it answers. When it does again, what waits for it need not wait longer. */
  function watching(resource: string, signal: AbortSignal): Watch {
    const watch = options.watch ?? UNWATCHED;
    return {
      closed: (grant) => watch.closed(grant),
      performed(action) {
        watch.performed(action);
        // A fault of ours or of the store says nothing about the target.
        if (!ON_TARGET.has(action.action) || action.failure === "internal" || signal.aborted) return;
        if (action.failure !== null && UNREACHED.has(action.failure)) circuit.failed(resource);
        else if (circuit.answered(resource))
          ledger.hasten(resource, HASTENED_MAX).then(
            () => pace.wake(),
            () => undefined,
          );
      },
    };
  }

  async function tick(): Promise<void> {
    const nowMs = clock.monotonicMs();
    if (backlog.size === 0 || inFlight() === 0 || nowMs - askedMs >= ASK_EVERY_MS) {
      backlog = new Map((await ledger.dueResources()).map(({ resource, urgency }) => [resource, urgency]));
      askedMs = nowMs;
    }
    const due = [...backlog].map(([resource, urgency]) => {
      const here = flights.get(resource)?.size ?? 0;
      return { resource, urgency, inFlight: here, atMost: circuit.atMost(resource, here) };
    });
    turn += 1;
    const wanted = places(due, inFlightMax - inFlight(), turn);
    const heldUntilMs = clock.monotonicMs() + claimLifetimeMs;
    const claimed = wanted.length === 0 ? [] : await ledger.claimDue(wanted, owner, claimLifetimeMs);
    for (const one of claimed) launch(one, heldUntilMs);
    const got = (resource: string): number => claimed.filter((one) => one.resource === resource).length;
    for (const { resource, places: asked } of wanted) if (got(resource) < asked) backlog.delete(resource);
    ended.claimed(claimed);
    if ([...backlog.values()].includes(0)) ended.expire();
    lastTickMs = clock.nowMs();
  }

  async function loop(): Promise<void> {
    let dueNow = true;
    while (!stopping) {
      pace.looking();
      let sleepMs = options.pollMs ?? POLL_MS;
      try {
        // With nothing under way, who has something due is asked only when anything is: that is one row of an index.
        const next: number | null = dueNow || inFlight() > 0 || backlog.size > 0 ? 0 : await ledger.msUntilDue();
        dueNow = false;
        if (next !== null && next <= 0) {
          await tick();
          if (await pace.busy(backlog.size > 0)) continue;
          // What is due but could not be claimed is looked for again soon.
          const later = await ledger.msUntilDue();
          if (later !== null) sleepMs = Math.min(sleepMs, later <= 0 ? BLOCKED_PAUSE_MS : Math.ceil(later));
          dueNow = later !== null && later <= sleepMs;
        } else {
          lastTickMs = clock.nowMs();
          if (next !== null) sleepMs = Math.min(sleepMs, Math.ceil(next));
          dueNow = next !== null && next <= sleepMs;
        }
      } catch (error) {
        log({ level: "error", what: "store-unreachable", error: messageOf(error) });
        sleepMs = STORE_PAUSE_MS;
      }
      if (!stopping) await pace.sleep(sleepMs);
    }
  }

  /** Claims are renewed while their work goes on; one that was taken over, or may have been, is stopped where it stands. */
  async function renew(): Promise<void> {
    const all = allFlights();
    if (all.length === 0) return;
    const heldUntilMs = clock.monotonicMs() + claimLifetimeMs;
    const claims = all.map((flight) => flight.claim);
    const ours = await ledger.renewClaims(claims, claimLifetimeMs).catch(() => null);
    for (const flight of all) {
      if (ours?.has(flight.claim.grant) === true) flight.heldUntilMs = heldUntilMs;
      else if (ours !== null || clock.monotonicMs() >= flight.heldUntilMs)
        flight.abort.abort(new ClaimLost("it was taken over, or may have been"));
    }
  }
  const stopRenewing = every(clock, claimLifetimeMs / 3, () => void renew());
  const running = loop();

  return {
    wake: () => pace.wake(),
    health: () => ({ running: !stopping, lastTickMs, inFlight: inFlight(), silent: circuit.silent() }),
    async stop(graceMs = 5_000) {
      stopping = true;
      pace.wake();
      await running;
      const all = allFlights();
      const unhurried = clock.after(graceMs, () => {
        for (const flight of all) flight.abort.abort(new Busy("the process ends"));
      });
      await Promise.all([...all.map((flight) => flight.done), ended.settled()]);
      unhurried();
      stopRenewing();
    },
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Works on one claim until nothing is due or something goes wrong, says so, and lets go. */
async function fly(
  { context, connectors, log, chance = systemChance }: ReconcilerOptions,
  claim: Claim,
  seen: GrantSeen | null,
  by: Pick<Worker, "clock" | "claimLifetimeMs" | "signal" | "watch">,
): Promise<void> {
  const { ledger } = context;
  let release = true;
  let againInMs = 0;
  try {
    const { alarm, released } = await execute({ context, connectors, claim, chance, ...by }, seen);
    if (released) return;
    if (alarm !== null)
      log({ level: alarm.what === "access-still-live" ? "error" : "warn", grant: claim.grant, ...alarm });
  } catch (error) {
    if (error instanceof Busy) againInMs = BUSY_PAUSE_MS;
    else if (error instanceof ClaimLost) log({ level: "warn", what: "claim-lost", grant: claim.grant });
    else {
      // A fault of ours or of the store, such as a row that cannot be read: the claim is kept until it runs out, so
      // that this grant comes back in a few seconds and the others go on meanwhile.
      release = false;
      log({ level: "error", what: "reconcile-failed", grant: claim.grant, error: messageOf(error) });
    }
  }
  await (release ? ledger.releaseClaim(claim, againInMs) : ledger.releaseRight(claim)).catch(() => undefined);
}

/** When many have ended at once, that is recorded for many at a time, ahead of their being worked on. */
function createEnded({ context, log }: ReconcilerOptions, clock: Timers) {
  let ahead = 0;
  let full = true;
  let nextMs = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | null = null;
  const run = async (): Promise<void> => {
    nextMs = clock.monotonicMs() + EXPIRE_EVERY_MS;
    try {
      const count = await expireEnded(context, EXPIRE_TOGETHER);
      ahead += count;
      // What there was is done, or somebody works on it: not worth asking again at every look.
      full = count === EXPIRE_TOGETHER;
    } catch (error) {
      // Each is expired by itself when it is claimed: this only saves time.
      log({ level: "warn", what: "reconcile-failed", error: messageOf(error) });
      full = false;
    }
    running = null;
  };
  return {
    claimed(grants: readonly ClaimedGrant[]): void {
      const count = grants.filter(({ seen }) => seen?.grant.state === "revoking").length;
      ahead = Math.max(0, ahead - count);
    },
    expire(): void {
      if (running !== null || ((!full || ahead >= EXPIRED_AHEAD) && clock.monotonicMs() < nextMs)) return;
      running = run();
    },
    settled: async (): Promise<void> => void (await running),
  };
}
