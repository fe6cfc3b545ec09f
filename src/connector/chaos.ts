/**
 * Any connector, with faults: what targets and networks do to us, on purpose and as often as one likes. A seed decides, or
 * a script; what was done is recorded, so that an oracle can compare it and a person can read it.
 *
 *   const shaken = chaos(connector, { plan: { seed: 7, rates: 0.2 } });
 *   …give shaken.connector to whatever must stand it…
 *   console.log(shaken.story());
 */
import { setTimeout as timer } from "node:timers/promises";
import type { GrantId } from "../base/ids.ts";
import { elsewhere, type Session, shake, type Work } from "./chaos-faults.ts";
import { type ChaosCall, type ChaosEvent, type ChaosPlan, type ChaosVerb, faultFor } from "./chaos-plan.ts";
import {
  type Actor,
  type Connector,
  type Order,
  type Probe,
  type Provisioned,
  type Target,
  TargetError,
} from "./connector.ts";

export type ChaosOptions = {
  readonly plan: ChaosPlan;
  /** Waits; rejects when the signal aborts. Give one of your own to run on a clock of your own. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** The longest delay. A second, if nothing is said. */
  readonly delayMaxMs?: number;
  /** Told of every call once it was answered. */
  readonly onEvent?: (event: ChaosEvent) => void;
};

export type Chaos<Connection, Scope> = {
  readonly connector: Connector<Connection, Scope>;
  /** Every call, in the order in which they began; beyond 100,000 the oldest are let go. */
  readonly events: readonly ChaosEvent[];
  /** One line for each fault. */
  story(): string;
  /** No more faults from now on. */
  calm(): void;
  /** Every connection that is open dies, as when targets are started again. */
  restart(): void;
  /** Closes what nobody could close because nobody was told that it had been opened. */
  release(): Promise<void>;
};

const EVENTS_MAX = 100_000;
const DELAY_MAX_MS = 1_000;

export function chaos<Connection, Scope>(
  connector: Connector<Connection, Scope>,
  options: ChaosOptions,
): Chaos<Connection, Scope> {
  const { plan } = options;
  const sessions = new Set<Session>();
  const { events, begin } = recorder(plan);
  const world = {
    plan,
    sleep: options.sleep ?? ((ms, signal) => timer(ms, undefined, { signal })),
    delayMaxMs: options.delayMaxMs ?? DELAY_MAX_MS,
    kill: (place: string | null) => {
      for (const session of sessions) if (place === null || session.place === place) session.dead = true;
    },
  } satisfies Parameters<typeof shake>[0];
  let calm = false;

  const perform = async <T>(event: ChaosEvent, work: Work<T>): Promise<T> => {
    try {
      const value = await shake(world, event, work);
      event.answer = "ok";
      return value;
    } catch (error) {
      event.answer = error instanceof TargetError ? `${error.code}: ${error.message}` : String(error);
      throw error;
    } finally {
      options.onEvent?.(event);
    }
  };

  const openOne = async (connection: Connection, context: { signal: AbortSignal; actor: Actor }) => {
    const breakUp = new AbortController();
    const signal = AbortSignal.any([context.signal, breakUp.signal]);
    const target = await connector.open(connection, { ...context, signal });
    const session: Session = {
      place: JSON.stringify(connection),
      breakUp,
      dead: false,
      close: async () => {
        session.dead = true;
        sessions.delete(session);
        await target.close();
      },
    };
    sessions.add(session);
    return { target, session };
  };

  return {
    connector: {
      ...connector,
      open: async (connection, context) => {
        const { signal, actor } = context;
        const event = begin("open", actor, calm);
        const mine: Session[] = [];
        const { target, session } = await perform(event, {
          signal,
          session: null,
          run: async () => {
            const opened = await openOne(connection, context);
            mine.push(opened.session);
            return opened;
          },
        });
        const there = event.fault === null ? target : elsewhere(target, event.fault);
        return {
          ...shaken(there, (verb, work) => perform(begin(verb, actor, calm), { ...work, signal, session })),
          close: async () => void (await Promise.all(mine.map((one) => one.close()))),
        };
      },
    },
    events,
    story: () =>
      events
        .filter(({ fault }) => fault !== null)
        .map(lineOf)
        .join("\n"),
    calm: () => {
      calm = true;
    },
    restart: () => world.kill(null),
    release: async () => void (await Promise.allSettled(Array.from(sessions, (session) => session.close()))),
  };
}

type Do = <T>(verb: ChaosVerb, work: Pick<Work<T>, "run" | "pretend">) => Promise<T>;

/** The target with every verb given to `perform`. */
function shaken<Scope>(target: Target<Scope>, perform: Do): Omit<Target<Scope>, "close"> {
  const nothing = (): void => {};
  return {
    identify: () => perform("identify", { run: () => target.identify() }),
    standing: (order) => perform("standing", { run: () => target.standing(order) }),
    provision: (order, grant) =>
      perform("provision", {
        run: (remembers) => target.provision(forgetful(order, remembers), grant),
        pretend: () => claimed(order, grant.secret !== null),
      }),
    extend: (order, grant) => perform("extend", { run: () => target.extend(order, grant), pretend: nothing }),
    revoke: (order, options) =>
      perform("revoke", {
        run: (remembers) => target.revoke(forgetful(order, remembers), options),
        pretend: nothing,
      }),
    disable: (order, options) => perform("disable", { run: () => target.disable(order, options), pretend: nothing }),
    probe: (order) =>
      perform("probe", {
        run: () => target.probe(order),
        pretend: () => BLIND,
      }),
    observe: (installation, orders) => perform("observe", { run: () => target.observe(installation, orders) }),
    remove: (observed) => perform("remove", { run: () => target.remove(observed), pretend: () => BLIND }),
    ...(target.mend !== undefined && {
      mend: (order, options) => perform("mend", { run: async () => target.mend?.(order, options), pretend: nothing }),
    }),
    ...(target.others !== undefined && {
      others: (scopes, orders) => perform("others", { run: async () => (await target.others?.(scopes, orders)) ?? [] }),
    }),
  };
}

const BLIND: Probe = {
  own: "unknown",
  right: "unknown",
  remains: [],
  observations: [{ check: "the target", saw: "it could not be looked at" }],
};

/** The order with a `remember` that fails after so many calls, before anything was stored. */
function forgetful<Scope>(order: Order<Scope>, remembers: number): Order<Scope> {
  if (!Number.isFinite(remembers)) return order;
  let left = remembers;
  return {
    ...order,
    remember: async (details) => {
      if (left-- <= 0) throw new Error("chaos: nothing can be remembered now");
      await order.remember(details);
    },
  };
}

/** What a target answers that has made nothing and says that it has. */
const claimed = <Scope>({ principal }: Order<Scope>, secret: boolean): Provisioned => ({
  details: {},
  delivery: secret
    ? { kind: "password", host: "chaos.invalid", port: 1, database: "chaos", username: "chaos", uri: "chaos://invalid" }
    : { kind: "membership", account: principal.handle, note: "you are in now" },
});

function recorder(plan: ChaosPlan) {
  const events: ChaosEvent[] = [];
  const grants = new Map<GrantId, number>();
  const counts = new Map<string, number>();
  let number = 0;
  const begin = (verb: ChaosVerb, { grant, fence }: Actor, calm: boolean): ChaosEvent => {
    if (grant !== null && !grants.has(grant)) grants.set(grant, grants.size + 1);
    const grantNumber = grant === null ? 0 : (grants.get(grant) ?? 0);
    const nth = (counts.get(`${grantNumber}/${verb}`) ?? 0) + 1;
    counts.set(`${grantNumber}/${verb}`, nth);
    const call: ChaosCall = { number: ++number, verb, grant, fence, grantNumber, nth };
    const event: ChaosEvent = { ...call, fault: calm ? null : faultFor(plan, call), did: "nothing", answer: null };
    if (events.length === EVENTS_MAX) events.splice(0, EVENTS_MAX / 2);
    events.push(event);
    return event;
  };
  return { events, begin };
}

/** `12 revoke of grant 3, fence 7, call 2: lost-reply; done once; unreachable: …` */
const lineOf = ({ number, verb, grantNumber, fence, nth, fault, did, answer }: ChaosEvent): string =>
  `${number} ${verb} of ${grantNumber === 0 ? "no grant" : `grant ${grantNumber}`}, fence ${fence}, call ${nth}: ${fault}; did ${did}; ${answer ?? "no answer yet"}`;
