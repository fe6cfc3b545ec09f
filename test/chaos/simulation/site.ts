/** Everything that is simulated: the ledger, the targets, the replicas, and what goes wrong with them. */
import { every } from "../../../src/base/clock.ts";
import type { GrantId, InstallationId } from "../../../src/base/ids.ts";
import { chaos } from "../../../src/connector/chaos.ts";
import { type ChaosCall, type ChaosVerb, type Fault, faultsOf } from "../../../src/connector/chaos-plan.ts";
import type { Connector } from "../../../src/connector/connector.ts";
import { compilePolicy, type Policy } from "../../../src/domain/evaluate.ts";
import { expireRequests } from "../../../src/operations/cancel-request.ts";
import { CatalogCache, type LedgerContext } from "../../../src/operations/context.ts";
import { lookAgainAtRequests } from "../../../src/operations/look-again-at-requests.ts";
import { startReconciler } from "../../../src/reconciler/driver.ts";
import { KeyRing, sealingKey } from "../../../src/store/sealed.ts";
import { GrantsTold, type ToldEntry } from "../grants-told.ts";
import { loginConnector, memberConnector } from "./connectors.ts";
import { Dice } from "./dice.ts";
import { Faults, FELT_MS } from "./faults.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import type { Drafted } from "./memory-tx.ts";
import type { Plan, Trouble } from "./plan.ts";
import { Process } from "./process.ts";
import { DatabaseServer, DirectoryServer, type Server } from "./servers.ts";
import { STANDING } from "./setting.ts";
import { linkLedger, StoreWeather } from "./store-link.ts";
import { Timeline } from "./timeline.ts";

export const BEGIN_MS = Date.UTC(2026, 0, 1);
const INSTALLATION = "5imu1ated".slice(0, 8) as InstallationId;
const JOBS_EVERY_MS = 1_000;
const NOTIFY_MS = 3;
/** The longest that chaos delays a call: within the deadline. */
const DELAY_MS_MAX = 3_000;
const FAILING_RATE = 0.6;
const BLIND_RATE = 0.3;

/** Compiled once for all histories: they change between the same few configurations. */
const POLICIES = new WeakMap<object, Policy>();
const compileOnce: typeof compilePolicy = (configuration) => {
  const known = POLICIES.get(configuration) ?? compilePolicy(configuration);
  POLICIES.set(configuration, known);
  return known;
};

export type Replica = { readonly process: Process; readonly context: LedgerContext; readonly wake: () => void };

export class Site {
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly ledger: MemoryLedger;
  readonly weather: StoreWeather;
  readonly servers: ReadonlyMap<string, Server>;
  readonly faults: Faults;
  readonly told = new GrantsTold();
  readonly log: ToldEntry[] = [];
  /** What the replicas say for their own logs. */
  readonly said: string[] = [];
  readonly onEntry: ((entry: ToldEntry) => void)[] = [];
  readonly #plan: Plan;
  readonly #replicas: Replica[] = [];
  readonly #sealing = new KeyRing([sealingKey(Buffer.alloc(32, 7))]);
  #started = 0;
  #deaf = 0;
  #shaky: { readonly rate: number; readonly verbs: readonly ChaosVerb[] | null; readonly dice: Dice } | null = null;
  #nobody: (() => void) | null = null;

  constructor(plan: Plan, options: { keepLines: boolean }) {
    this.#plan = plan;
    this.timeline = new Timeline(BEGIN_MS, options);
    this.dice = new Dice(`site/${plan.seed}`);
    const clock = {
      nowMs: () => this.timeline.nowMs,
      after: (ms: number, act: () => void) => this.timeline.after(ms, act),
    };
    this.ledger = new MemoryLedger({ clock, committed: (entries) => this.#committed(entries) });
    this.weather = new StoreWeather(this.ledger);
    this.faults = new Faults(() => this.timeline.nowMs);
    const directory = new DirectoryServer("dir-1", this.timeline);
    directory.members.set(STANDING, { standing: true });
    const all = [new DatabaseServer("db-1", this.timeline), new DatabaseServer("db-2", this.timeline), directory];
    this.servers = new Map(all.map((server) => [server.identity, server]));
    for (const _ of plan.shiftsMs) this.#startReplica(this.#replicas.length);
  }

  /** One that answers, going round; null when none does. */
  replica(number: number): Replica | null {
    const alive = this.#replicas.filter(({ process }) => !process.dead);
    return alive[number % Math.max(1, alive.length)] ?? null;
  }

  /** So that a first configuration is there before anything goes wrong. */
  get first(): Replica {
    return this.#replicas[0] as Replica;
  }

  #startReplica(place: number): void {
    this.#started += 1;
    const name = `r${place}.${this.#started}`;
    const process = new Process(name, this.timeline, this.dice, this.#plan.shiftsMs[place] ?? 0);
    let wake = (): void => undefined;
    const context: LedgerContext = {
      ledger: linkLedger(process, this.ledger, this.weather),
      installation: INSTALLATION,
      sealing: this.#sealing,
      catalog: new CatalogCache(compileOnce),
      wake: () => wake(),
    };
    const kinds = [loginConnector(process, this.servers), memberConnector(process, this.servers)];
    const reconciler = startReconciler({
      context,
      connectors: {
        byKind: new Map(kinds.map((it): [string, Connector] => [it.kind, this.#shaken(it, process)])),
        resolve: (connection) => connection,
      },
      owner: name,
      log: (event) => {
        this.said.push(JSON.stringify(event));
        this.timeline.note(`${name} says ${event.what} of ${event.grant ?? "-"}: ${event.error ?? ""}`);
      },
      clock: process.clock,
      chance: this.dice.of(`chance of ${name}`),
    });
    wake = () => reconciler.wake();
    for (const job of [expireRequests, lookAgainAtRequests])
      every(process.clock, JOBS_EVERY_MS, () => void job(context).catch(() => undefined));
    this.#replicas[place] = { process, context, wake };
    this.#someoneHealthy();
  }

  #shaken(connector: Connector, process: Process): Connector {
    // What failed just now fails more easily again: it is the second fault that finds out what the first one left.
    let failing: GrantId | null = null;
    const script = (call: ChaosCall): Fault | null => {
      const shaky = this.#shaky;
      const rate = shaky !== null && failing !== null && failing === call.grant ? FAILING_RATE : shaky?.rate;
      const meant = shaky !== null && (shaky.verbs === null || shaky.verbs.includes(call.verb));
      const fails = meant && shaky.dice.happens(rate ?? 0);
      failing = fails ? call.grant : null;
      if (!fails) return null;
      const lease = call.grant === null ? null : (this.told.grants.get(call.grant)?.lease ?? null);
      const possible = faultsOf(call.verb).filter((fault) => {
        // A lease that names a server which nobody can reach again is for a person to mend, and so is access that a target says it gave.
        if (fault === "another-server" || fault === "older-copy") return lease !== null;
        return !(call.verb === "provision" && fault === "nothing");
      });
      const unseen = call.verb === "probe" && shaky.dice.happens(BLIND_RATE);
      const fault = unseen ? "blind" : shaky.dice.pick(possible);
      this.timeline.note(`${process.name} ${call.verb} of ${call.grant}: ${fault}`);
      return fault;
    };
    return chaos(connector, {
      plan: { seed: this.#plan.seed, script },
      delayMaxMs: DELAY_MS_MAX,
      sleep: (ms, signal) => {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        process.clock.after(ms, resolve);
        signal.addEventListener("abort", () => reject(new Error("told to stop")), { once: true });
        return promise;
      },
    }).connector;
  }

  #committed(entries: readonly Drafted[]): void {
    for (const { leaf, personal } of entries) {
      const entry: ToldEntry = { seq: this.log.length + 1, leafHash: "", leaf, personal };
      this.log.push(entry);
      this.told.take(entry);
      this.timeline.note(`${leaf.kind} ${leaf.refs.grant ?? leaf.refs.request ?? leaf.refs.principal ?? ""}`);
      for (const heard of this.onEntry) heard(entry);
    }
    if (this.#deaf > 0) return;
    this.timeline.after(NOTIFY_MS, () => {
      for (const { process, wake } of this.#replicas) if (process.healthy) wake();
    });
  }

  /** While no replica works, nothing can be asked of anybody. */
  #someoneHealthy(): void {
    const healthy = this.#replicas.some(({ process }) => process.healthy);
    if (healthy) this.#nobody?.();
    this.#nobody = healthy ? null : (this.#nobody ?? this.faults.begin("*", FELT_MS.worker));
  }

  /** The place of the replica that works on the grant; else of the one with that number. */
  #placeOf(number: number, about: GrantId | null): number {
    const owner = about === null ? null : this.ledger.rows.grants.rows.get(about)?.owner;
    const place = this.#replicas.findIndex(({ process }) => process.name === owner);
    return place < 0 ? number % this.#replicas.length : place;
  }

  /** Something goes wrong, until `forMs` have passed. */
  goWrong(what: Trouble, forMs: number, about: GrantId | null): void {
    const over = (place: string, feltMs: number, mend: () => void): void => {
      const end = this.faults.begin(place, feltMs);
      this.timeline.after(forMs, () => {
        mend();
        end();
      });
    };
    switch (what.do) {
      case "crash":
        this.#crash(this.#placeOf(what.replica, about), forMs);
        return;
      case "stand-still": {
        const { process } = this.#replicas[this.#placeOf(what.replica, about)] as Replica;
        process.standStill(forMs);
        this.#someoneHealthy();
        over("*", FELT_MS.worker, () => this.timeline.after(0, () => this.#someoneHealthy()));
        return;
      }
      case "store-away":
        this.weather.goAway();
        over("*", FELT_MS.store, () => {
          this.weather.away = false;
        });
        return;
      case "store-shaky":
        this.weather.commitsFail = { rate: what.rate, dice: this.dice.of("commits") };
        over("*", FELT_MS.store, () => {
          this.weather.commitsFail = null;
        });
        return;
      case "deaf":
        this.#deaf += 1;
        over("*", FELT_MS.deaf, () => {
          this.#deaf -= 1;
        });
        return;
      case "target-down":
      case "target-hangs":
      case "target-restart":
        this.#troubleAt(this.servers.get(what.server) as Server, what.do, over);
        return;
      case "target-shaky":
        this.#shaky = { rate: what.rate, verbs: what.verbs, dice: this.dice.of("shaky") };
        over("*", FELT_MS.unanswered, () => {
          this.#shaky = null;
        });
        return;
    }
  }

  #crash(place: number, forMs: number): void {
    const { process } = this.#replicas[place] as Replica;
    if (process.dead) return;
    process.die();
    this.faults.happened("*", FELT_MS.worker);
    this.#someoneHealthy();
    this.timeline.after(forMs, () => this.#startReplica(place));
  }

  #troubleAt(
    server: Server,
    how: "target-down" | "target-hangs" | "target-restart",
    over: (place: string, feltMs: number, mend: () => void) => void,
  ): void {
    this.timeline.note(`${server.identity}: ${how}`);
    if (how === "target-restart") {
      server.restart();
      this.faults.happened(server.identity, FELT_MS.refused);
    } else if (how === "target-down") {
      server.goDown();
      over(server.identity, FELT_MS.refused, () => server.comeUp());
    } else {
      server.hang();
      over(server.identity, FELT_MS.unanswered, () => server.goOn());
    }
  }
}
