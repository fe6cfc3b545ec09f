/** Runs one history from its plan to its end. The same plan has the same history, to the last event. */
import type { GrantId } from "../../../src/base/ids.ts";
import { activateConfiguration } from "../../../src/operations/activate-config.ts";
import { Dice } from "./dice.ts";
import { Oracle } from "./oracle.ts";
import { People } from "./people.ts";
import { FAULTS_MS, isTrouble, type Moment, type Plan, type Planned } from "./plan.ts";
import { CONFIGURATIONS } from "./setting.ts";
import { BEGIN_MS, Site } from "./site.ts";

/** All faults are over by then, counted from the beginning of the plan. */
const CALM_MS = FAULTS_MS + 5_000;
/** Whatever was given has ended by then, has been taken away and was looked at once more. */
const END_MS = 200_000;

export type Outcome = {
  /** What broke first; empty when nothing did. */
  readonly wrong: readonly string[];
  /** Over everything that happened, in order. */
  readonly digest: string;
  readonly grants: number;
  readonly closed: number;
  readonly lines: readonly string[];
};

export async function runHistory(plan: Plan, options: { keepLines: boolean } = { keepLines: false }): Promise<Outcome> {
  const restore = seededIds(new Dice(`ids/${plan.seed}`));
  try {
    const site = new Site(plan, options);
    const oracle = new Oracle(site);
    const people = new People(site, oracle);
    const { timeline } = site;
    let ready = false;
    void activateConfiguration(site.first.context, CONFIGURATIONS[0] as never, "sim").then(() => {
      ready = true;
    });
    await timeline.run(BEGIN_MS + 10_000, () => ready);
    const beginMs = timeline.nowMs;
    let left = plan.events.length;
    const happen = (event: Planned, about: GrantId | null): void => {
      left -= 1;
      const leftMs = beginMs + CALM_MS - timeline.nowMs;
      if (leftMs <= 0) return;
      timeline.note(`${event.number}: ${JSON.stringify(event.what)} ${about ?? ""}`);
      const { what } = event;
      if (isTrouble(what)) site.goWrong(what, "forMs" in what ? Math.min(what.forMs, leftMs) : 0, about);
      else people.act(event.number, what, about);
    };
    for (const event of plan.events)
      if (event.moment === null) timeline.after(event.atMs, () => happen(event, null));
      else waitFor(site, event.moment, (about) => happen(event, about), beginMs + FAULTS_MS);
    const pending = (): boolean =>
      left > 0 || [...site.ledger.rows.requests.rows.values()].some(({ state }) => state === "pending");
    await timeline.run(beginMs + END_MS, () => {
      oracle.look();
      return oracle.wrong.length > 0 || (timeline.nowMs > beginMs + CALM_MS && !pending() && oracle.allIsOver);
    });
    if (oracle.wrong.length === 0) oracle.conclude();
    for (const sentence of oracle.wrong) timeline.note(`WRONG: ${sentence}`);
    const all = [...site.told.grants.values()];
    return {
      wrong: oracle.wrong,
      digest: timeline.digest(),
      grants: all.length,
      closed: all.filter(({ confirmed }) => confirmed).length,
      lines: timeline.lines ?? [],
    };
  } finally {
    restore();
  }
}

/** Calls back once, in the moment; with null when it has not come by then. */
function waitFor(site: Site, moment: Moment, act: (about: GrantId | null) => void, untilMs: number): void {
  const { timeline, told } = site;
  const kind = moment.after === "end" ? "grant.active" : moment.after;
  let [seen, waiting] = [0, true];
  site.onEntry.push(({ leaf }) => {
    const about = leaf.refs.grant;
    if (!waiting || leaf.kind !== kind || about === undefined) return;
    seen += 1;
    if (seen !== moment.nth) return;
    waiting = false;
    const fromMs = moment.after === "end" ? (told.grants.get(about)?.expiresMs ?? 0) : timeline.nowMs;
    timeline.after(fromMs + moment.ms - timeline.nowMs, () => act(about));
  });
  timeline.after(untilMs - timeline.nowMs, () => {
    if (waiting) act(null);
    waiting = false;
  });
}

/** Identifiers are made with Web Crypto, wherever they are made: while a history runs, that is the dice. */
function seededIds(dice: Dice): () => void {
  const own = Object.getOwnPropertyDescriptor(globalThis.crypto, "getRandomValues");
  const value = <T extends ArrayBufferView>(into: T): T => {
    new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(dice.bytes(into.byteLength));
    return into;
  };
  Object.defineProperty(globalThis.crypto, "getRandomValues", { value, configurable: true, writable: true });
  return () => {
    if (own === undefined) Reflect.deleteProperty(globalThis.crypto, "getRandomValues");
    else Object.defineProperty(globalThis.crypto, "getRandomValues", own);
  };
}
