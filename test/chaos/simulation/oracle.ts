/** Watches a history from outside: the targets and the log after every event, the rows where an invariant is about rows. */
import type { ToldEntry } from "../grants-told.ts";
import * as invariants from "../invariants.ts";
import { DatabaseServer } from "./servers.ts";
import { ADMIN_PASSWORD, STANDING } from "./setting.ts";
import type { Site } from "./site.ts";

const STOOD = [`dir-1/member/${STANDING}`];
const LOOK_EVERY_MS = 250;

export class Oracle {
  readonly handed: invariants.Handed[] = [];
  readonly wrong: string[] = [];
  readonly #site: Site;
  readonly #waits: invariants.Wait[] = [];
  readonly #fenced: invariants.FencedWrite[] = [];
  #entries = 0;
  #changes = 0;
  #lookedMs = 0;

  constructor(site: Site) {
    this.#site = site;
    site.onEntry.push((entry) => this.#heard(entry));
    for (const server of site.servers.values())
      if (server instanceof DatabaseServer)
        server.onCut = (grant) => {
          const state = site.told.grants.get(grant)?.state;
          if (state === "active") this.wrong.push(`S07, S08: somebody was cut off, and their ${grant} is ${state}`);
        };
  }

  /** After every event. */
  look(): void {
    const { timeline, log, servers } = this.#site;
    let changes = 0;
    for (const { position } of servers.values()) changes += position;
    const [told, changed] = [log.length !== this.#entries, changes !== this.#changes];
    if (!(told || changed) && timeline.nowMs < this.#lookedMs + LOOK_EVERY_MS) return;
    [this.#entries, this.#changes, this.#lookedMs] = [log.length, changes, timeline.nowMs];
    const world = this.#world();
    this.wrong.push(...invariants.alwaysTrue(world), ...invariants.standingStays(world, STOOD));
    if (told) this.wrong.push(...this.#rows());
  }

  /** Whether nothing more is to happen to any grant. */
  get allIsOver(): boolean {
    return [...this.#site.told.grants.values()].every(({ state, confirmed }) => state === "cancelled" || confirmed);
  }

  /** When everything should have ended. */
  conclude(): void {
    this.look();
    const { told, ledger, said, log } = this.#site;
    const { leases, secrets, grants } = ledger.rows;
    for (const { id, state, confirmed } of told.grants.values())
      if (state !== "cancelled" && !confirmed) this.wrong.push(`${id} is ${state} at the end of time`);
    const [world, held] = [this.#world(), [...leases.rows.values()]];
    this.wrong.push(...invariants.nothingIsLeft(world, held, secrets.rows.size));
    this.wrong.push(...invariants.fencesNeverDecrease(this.#fenced), ...invariants.neighboursDoNotWait(this.#waits));
    const texts = [said, log, [...grants.rows.values()], held].map((it) => JSON.stringify(it));
    this.wrong.push(...invariants.secretsAreKept(world, this.handed, texts));
    const known = [...this.#site.servers.values()].flatMap((server) => [...server.secrets]);
    for (const text of texts) {
      // The connection as configured may hold a password; in a message or an entry it must not stand.
      if (known.some((secret) => text.includes(secret))) this.wrong.push("14: a password stands in the clear");
    }
    const told14 = [JSON.stringify(said), JSON.stringify(log)];
    if (told14.some((text) => text.includes(ADMIN_PASSWORD))) this.wrong.push("14: the admin's password was told");
  }

  #heard({ leaf }: ToldEntry): void {
    const { told, faults, timeline } = this.#site;
    const grant = leaf.refs.grant === undefined ? undefined : told.grants.get(leaf.refs.grant);
    if (grant === undefined) return;
    const fence = this.#site.ledger.rows.leases.rows.get(grant.id)?.fence;
    if (fence !== undefined) this.#fenced.push({ grant: grant.id, fence });
    if (leaf.kind !== "grant.revoking" || leaf.data["cause"] !== "expired") return;
    const [target = ""] = grant.lease === null ? [] : [grant.lease.identity];
    const clearMs = faults.clearSince(target);
    if (clearMs === null || !faults.elsewhere(target)) return;
    this.#waits.push({ target, waitedMs: timeline.nowMs - Math.max(clearMs, grant.expiresMs) });
  }

  #world(): invariants.World {
    const { timeline, told, servers, faults } = this.#site;
    const targets = Array.from(servers.values(), (server) => ({
      identity: server.identity,
      clearSinceMs: faults.clearSince(server.identity),
      things: server.things(),
      changes: server.changes,
    }));
    return { nowMs: timeline.nowMs, told, targets };
  }

  #rows(): string[] {
    const { rows } = this.#site.ledger;
    const grants = Array.from(rows.grants.rows.values(), ({ grant }) => grant);
    const [requests, reviews] = [[...rows.requests.rows.values()], [...rows.reviews.rows.values()]];
    // Every call gives its number as the reason.
    const reasons = requests.map(({ requesterId, reason }) => `${requesterId} ${reason}`);
    const twice = reasons.filter((reason, i) => reasons.indexOf(reason) !== i);
    return [
      ...twice.map((reason) => `S21: one call made two requests: ${reason}`),
      ...invariants.activeGrantsEnd(grants, requests),
      ...invariants.grantsAreApproved(grants, requests, reviews),
      ...invariants.logTellsTheSame(this.#world(), grants),
    ];
  }

  /** For people's sign-ins, who know where a login is. */
  database(identity: string): DatabaseServer | null {
    const server = this.#site.servers.get(identity);
    return server instanceof DatabaseServer ? server : null;
  }
}
