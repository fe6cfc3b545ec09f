/**
 * Sweeps every configured resource from time to time: one replica each resource at a time, after the revocations that wait
 * there, so many at once and no more. It has places and a deadline of its own, so that it never stands in the way of what
 * takes access away.
 */
import { type Chance, systemChance } from "../base/chance.ts";
import { systemTimers, type Timers } from "../base/clock.ts";
import { failpoint } from "../base/failpoint.ts";
import { TargetError } from "../connector/connector.ts";
import type { DriftPolicy } from "../domain/drift.ts";
import type { OtherAccess } from "../domain/observed.ts";
import type { Context } from "../operations/context.ts";
import {
  askSweeps,
  claimSweeps,
  dropSweep,
  endSweep,
  ensureSweeps,
  liveOnResource,
  type StoredFinding,
  type SweepClaim,
  sweepStates,
} from "../store/drift.ts";
import type { Connectors } from "./host.ts";
import { withTarget } from "./host.ts";
import type { Watch } from "./on-target.ts";
import { configured, orderFor, SWEEP_DEADLINE_MS, type Swept, sweep } from "./sweep.ts";

export type SweeperOptions = {
  readonly context: Context;
  readonly connectors: Connectors;
  /** Names this process in claims. */
  readonly owner: string;
  readonly log: (event: SweepEvent) => void;
  readonly watch?: Pick<Watch, "performed">;
  readonly clock?: Timers;
  readonly chance?: Chance;
  /** From one sweep of a resource to the next; a tenth more or less, so that they spread. */
  readonly everyMs?: number;
  readonly pollMs?: number;
  readonly claimLifetimeMs?: number;
  /** In place of what each resource says: for when a store cannot be trusted and its marks must go. */
  readonly policy?: () => Promise<DriftPolicy | undefined>;
};

/** For the log. `left-over-found` is the one that somebody must be woken for: access outlived a grant that was closed. */
export type SweepEvent = {
  readonly level: "info" | "warn" | "error";
  readonly what: "drift-found" | "drift-resolved" | "left-over-found" | "sweep-failed" | "sweep-lost";
  readonly resource: string;
  readonly finding?: string;
  readonly kind?: string;
  readonly grant?: string;
  readonly error?: string;
};

export type Sweeper = {
  /**
   * Sweeps these now and waits until they have been, by whichever replica, or `withinMs` has passed. Answers when that was
   * asked, by database time: what was swept before was not seen by it.
   */
  sweepNow(resources: readonly string[], withinMs: number, signal?: AbortSignal): Promise<number>;
  /** Asks the target who has access without a mark of ours; null where the connector cannot tell. Throws `TargetError`. */
  others(resource: string, signal: AbortSignal): Promise<readonly OtherAccess[] | null>;
  stop(): Promise<void>;
};

export const SWEEP_EVERY_MS = 5 * 60_000;
const POLL_MS = 2_000;
const CLAIM_LIFETIME_MS = 4_000;
const SWEEPS_AT_ONCE = 4;
/** Longer than any sweep: whoever holds the claim is then dead, or too late to write. */
const SWEEP_CLAIM_MS = SWEEP_DEADLINE_MS + 10_000;
/** The first sweeps after a resource was added, spread. */
const FIRST_WITHIN_MS = 10_000;
/** For so long revocations that wait go first. */
const PATIENCE_MS = 60_000;
/** After one that failed: sooner than otherwise, for what was not seen is not known. */
const AGAIN_MS = 30_000;
const ASKED_POLL_MS = 100;

export function startSweeper(options: SweeperOptions): Sweeper {
  const { context, connectors, owner, log, everyMs = SWEEP_EVERY_MS } = options;
  const clock = options.clock ?? systemTimers;
  const chance = options.chance ?? systemChance;
  const { db } = context;
  const flights = new Set<Promise<void>>();
  const stopped = new AbortController();
  let wakeUp: () => void = () => undefined;

  const resourcesNow = async (): Promise<string[]> => {
    const catalog = await context.catalog.active(context.ledger);
    return Object.keys(catalog?.configuration.resources ?? {});
  };
  const sleep = (ms: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = clock.after(ms, resolve);
    wakeUp = () => {
      stop();
      resolve();
    };
    return promise;
  };
  const jittered = (ms: number): number => Math.round(ms * (0.9 + chance.fraction() / 5));

  async function fly(claim: SweepClaim): Promise<void> {
    const beganMs = await context.ledger.nowMs();
    const begun = clock.monotonicMs();
    const { resource } = claim;
    let failure: string | null = null;
    try {
      const claimLifetimeMs = options.claimLifetimeMs ?? CLAIM_LIFETIME_MS;
      const watch = { performed: () => undefined, closed: () => undefined };
      const working = {
        context,
        connectors,
        claimLifetimeMs,
        signal: stopped.signal,
        watch,
        clock,
        chance,
        sweep: claim,
      };
      const swept = await sweep(working, await options.policy?.());
      tell(resource, swept);
      await failpoint("sweep.before-end");
      await endSweep(db, claim, { beganMs: swept.beganMs, target: swept.target, againInMs: jittered(everyMs) });
    } catch (error) {
      if (stopped.signal.aborted) return await dropSweep(db, claim).catch(() => undefined);
      const code = error instanceof TargetError ? error.code : "internal";
      failure = code;
      const message = error instanceof Error ? error.message : String(error);
      log({ level: "warn", what: isLost(error) ? "sweep-lost" : "sweep-failed", resource, error: message });
      if (!isLost(error))
        await endSweep(db, claim, {
          beganMs,
          error: { code, message },
          againInMs: jittered(Math.min(AGAIN_MS, everyMs)),
        });
    } finally {
      const seconds = (clock.monotonicMs() - begun) / 1_000;
      options.watch?.performed({ resource, action: "sweep", seconds, failure });
    }
  }

  function tell(resource: string, { recorded }: Swept): void {
    const about = ({ id, kind, grant }: StoredFinding) => ({
      resource,
      finding: id,
      kind,
      ...(grant === null ? {} : { grant }),
    });
    for (const { found, resolved } of recorded) {
      for (const one of found)
        log(
          one.kind === "left-over"
            ? { level: "error", what: "left-over-found", ...about(one) }
            : { level: one.kind === "standing" ? "info" : "warn", what: "drift-found", ...about(one) },
        );
      for (const one of resolved) log({ level: "info", what: "drift-resolved", ...about(one) });
    }
  }

  async function tick(): Promise<void> {
    const free = SWEEPS_AT_ONCE - flights.size;
    if (free <= 0) return;
    const resources = await resourcesNow();
    await ensureSweeps(db, resources, Math.min(FIRST_WITHIN_MS, everyMs));
    const wanted = { lifetimeMs: SWEEP_CLAIM_MS, patienceMs: PATIENCE_MS, limit: free };
    for (const claim of await claimSweeps(db, resources, owner, wanted)) {
      const flight: Promise<void> = fly(claim)
        .catch((error: unknown) =>
          log({ level: "error", what: "sweep-failed", resource: claim.resource, error: String(error) }),
        )
        .finally(() => flights.delete(flight));
      flights.add(flight);
    }
  }

  async function loop(): Promise<void> {
    while (!stopped.signal.aborted) {
      // While the store is away there is nothing to compare with; the reconciler says so.
      await tick().catch(() => undefined);
      if (stopped.signal.aborted) return;
      await sleep(options.pollMs ?? POLL_MS);
    }
  }
  const running = loop();

  return {
    async sweepNow(resources, withinMs, signal) {
      const askedMs = await askSweeps(db, resources, PATIENCE_MS);
      wakeUp();
      const deadline = clock.monotonicMs() + withinMs;
      for (;;) {
        const states = await sweepStates(db, resources);
        if (states.every(({ beganMs }) => beganMs !== null && beganMs >= askedMs)) return askedMs;
        if (clock.monotonicMs() >= deadline || signal?.aborted === true || stopped.signal.aborted) return askedMs;
        const { promise, resolve } = Promise.withResolvers<void>();
        clock.after(ASKED_POLL_MS, resolve);
        await promise;
      }
    },
    async others(name, signal) {
      const { resource, connector, connection } = await configured({ context, connectors }, name);
      const actor = { installation: context.installation, grant: null, fence: 0 };
      const live = await liveOnResource(db, name);
      const orders = live.map((grant) => orderFor(context, grant));
      const scopes = Object.values(resource.entitlements).map(({ ref, scope }) => ({
        entitlement: ref,
        scope: connector.scope.parse(scope),
      }));
      const ask = async (target: Parameters<Parameters<typeof withTarget>[5]>[0]) =>
        target.others === undefined ? null : target.others(scopes, orders);
      return withTarget(
        clock,
        connector,
        connection,
        actor,
        AbortSignal.any([signal, stopped.signal]),
        ask,
        SWEEP_DEADLINE_MS,
      );
    },
    async stop() {
      stopped.abort();
      wakeUp();
      await running;
      await Promise.all(flights);
    },
  };
}

const isLost = (error: unknown): boolean => error instanceof Error && error.name === "ClaimLost";
