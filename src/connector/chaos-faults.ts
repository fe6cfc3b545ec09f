/** What each fault does to one call. */
import { unreachable } from "../base/assert.ts";
import { type ChaosEvent, type ChaosPlan, chance, type Fault, pick } from "./chaos-plan.ts";
import { type Target, TargetError } from "./connector.ts";

/** One session that was really opened. */
export type Session = {
  /** Which target it leads to. */
  readonly place: string;
  /** Ends whatever is under way on it. */
  readonly breakUp: AbortController;
  dead: boolean;
  close(): Promise<void>;
};

export type Work<T> = {
  readonly signal: AbortSignal;
  /** Null while it is being opened. */
  readonly session: Session | null;
  /** Does it. `remembers`: how many calls of `remember` succeed. */
  readonly run: (remembers: number) => Promise<T>;
  /** An answer of the right shape, nothing done for it. */
  readonly pretend?: () => T;
};

type World = {
  readonly plan: ChaosPlan;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly delayMaxMs: number;
  /** Ends every session with this place. */
  readonly kill: (place: string | null) => void;
};

/** Errors that may mend themselves. */
const PASSING = ["unreachable", "cannot-sign-in", "not-permitted", "conflict", "failed"] as const;
/** How many calls of `remember` succeed before one fails. */
const REMEMBERED = [0, 1] as const;

const noAnswer = (why: string): TargetError => new TargetError("unreachable", `chaos: ${why}`);

/** Does the work as the event's fault wants it. */
export async function shake<T>(world: World, event: ChaosEvent, work: Work<T>): Promise<T> {
  const { plan } = world;
  const { signal, session } = work;
  const wait = (what: string): Promise<void> =>
    world.sleep(Math.floor(chance(plan, event, what) * (world.delayMaxMs + 1)), signal).catch(() => {
      throw noAnswer("no answer in time");
    });
  const alive = (): void => {
    if (session?.dead === true) throw noAnswer("the connection is dead");
  };
  const run = async (remembers = Number.POSITIVE_INFINITY): Promise<T> => {
    const before = event.did;
    event.did = "some";
    const value = await work.run(remembers);
    event.did = before === "nothing" ? "once" : "twice";
    alive();
    return value;
  };

  alive();
  switch (event.fault) {
    case null:
    case "another-server":
    case "older-copy":
      return run();
    case "error-before":
      throw new TargetError(pick(plan, event, "error", PASSING), "chaos: not now");
    case "refused-for-good":
      throw new TargetError("not-supported", "chaos: never");
    case "lost-reply":
      await run();
      throw noAnswer("the reply was lost");
    case "delay": {
      await wait("before");
      alive();
      const value = await run();
      await wait("after");
      alive();
      return value;
    }
    case "duplicate":
      await run().catch(() => undefined);
      return run();
    case "cut":
      return cut(event, work, run, wait("until"));
    case "forget":
      return run(pick(plan, event, "remembered", REMEMBERED));
    case "nothing":
    case "blind":
      if (work.pretend === undefined) throw noAnswer("nobody knows what to pretend");
      return work.pretend();
    case "restart":
      world.kill(session?.place ?? null);
      throw noAnswer("the target was started again");
    case "hang":
      return hang(signal);
    case "hang-after":
      await run();
      return hang(signal);
    default:
      return unreachable(event.fault);
  }
}

/** Lets the work begin, breaks the connection after a while, and says so whatever the work has come to. */
async function cut<T>(
  event: ChaosEvent,
  { session }: Work<T>,
  run: () => Promise<T>,
  until: Promise<void>,
): Promise<never> {
  const done = run().catch(() => undefined);
  await until.catch(() => undefined);
  if (session !== null) {
    session.dead = true;
    session.breakUp.abort();
  }
  await done;
  throw noAnswer(`the connection broke in the middle of ${event.verb}`);
}

function hang(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(noAnswer("no answer in time"));
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return promise;
}

/**
 * Where the address leads after a mistake: a server on which nothing of ours is and which does nothing for us, but says
 * who it is. Whoever does not ask takes its "gone" for an answer.
 */
export function elsewhere<Scope>(target: Target<Scope>, fault: Fault): Target<Scope> {
  if (fault !== "another-server" && fault !== "older-copy") return target;
  const empty = {
    own: "gone",
    right: "gone",
    remains: [],
    observations: [{ check: "the target", saw: "nothing" }],
  } as const;
  return {
    ...target,
    identify: async () => {
      const { identity, position } = await target.identify();
      // A copy without a position would look like the original in every way; nobody could tell.
      if (fault === "older-copy" && position !== null) return { identity, position: "0" };
      return { identity: `${identity}, another server`, position };
    },
    standing: async () => false,
    provision: async () => {
      throw new TargetError("failed", "chaos: this is another server");
    },
    extend: async () => {},
    revoke: async () => {},
    disable: async () => {},
    probe: async () => empty,
    observe: async () => [],
    remove: async () => empty,
    ...(target.mend !== undefined && { mend: async () => {} }),
    ...(target.others !== undefined && { others: async () => [] }),
  };
}
