/** A real server whose every failpoint can be made to wait, so that it is killed there; and people who use it. */
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { FAILPOINTS, type FailpointName } from "../../../src/base/failpoint.ts";
import type { GrantView } from "../../../src/contract/access.ts";
import { Served } from "../../support/served.ts";
import { until } from "../../support/until.ts";
import { wrongNow } from "./seen.ts";

type Password = Awaited<ReturnType<Served["credential"]>>;

/** Generous: a server that was killed takes its store over again while other jobs have the processors. */
const TIMEOUT_MS = 60_000;

export class Place {
  readonly served: Served;
  /** Every secret that anybody was handed. */
  readonly handed: { grant: string; password: string }[] = [];
  readonly #waits: string;
  readonly #fired: string;
  #armedFrom = 0;

  private constructor(served: Served) {
    this.served = served;
    this.#waits = join(served.dir, "waits");
    this.#fired = join(served.dir, "fired");
    mkdirSync(this.#waits);
    appendFileSync(this.#fired, "");
    served.env = {
      TIDEGATE_FAILPOINTS: Object.keys(FAILPOINTS)
        .map((name) => `${name}=pause:${join(this.#waits, name)}`)
        .join(","),
      TIDEGATE_FAILPOINTS_FILE: this.#fired,
    };
  }

  static async prepare(settings: Readonly<Record<string, string>> = {}): Promise<Place> {
    const place = new Place(await Served.prepare(settings));
    await place.served.onTarget("create schema workshop");
    return place;
  }

  /**
   * Does something, and kills the server with `kill -9` when it has come to the point; then starts it again, with nothing
   * wrong. Whether it came there is read in what the server wrote before it waited: that this returns asserts it.
   */
  async dieAt(name: FailpointName, doing: () => Promise<unknown>): Promise<void> {
    await this.killedAt(name, doing);
    assert.deepEqual(await this.wrong(), [], `just after the death at ${name}`);
  }

  /** The invariants that do not hold now, as sentences. */
  wrong(): Promise<string[]> {
    return wrongNow(this.served, this.handed);
  }

  /** The same where something is wrong on purpose, such as access that was made by hand. */
  async killedAt(name: FailpointName, doing: () => Promise<unknown>): Promise<void> {
    try {
      await this.pauseAt(name, doing);
      await this.served.end("SIGKILL");
    } finally {
      this.goOn(name);
    }
    await this.served.boot();
  }

  /** The same, without the death: the server waits there until `goOn`. */
  async pauseAt(name: FailpointName, doing: () => Promise<unknown>): Promise<void> {
    this.#armedFrom = this.#lines().length;
    writeFileSync(join(this.#waits, name), "");
    // Its answer may never come.
    void doing().catch(() => undefined);
    await until(() => this.firedTimes(name) > 0, {
      what: `the failpoint ${name}`,
      timeoutMs: TIMEOUT_MS,
    });
  }

  goOn(name: FailpointName): void {
    rmSync(join(this.#waits, name), { force: true });
  }

  #lines(): string[] {
    return readFileSync(this.#fired, "utf8").split("\n").filter(Boolean);
  }

  /** How often the point was reached since it was last switched on, by the server that runs. */
  firedTimes(name: FailpointName): number {
    return this.#lines()
      .slice(this.#armedFrom)
      .filter((line) => line === `${name} pause ${this.served.pid}`).length;
  }

  get erin() {
    return this.served.client("erin");
  }

  /** Erin is on call: policy grants at once. */
  async ask(duration = "1h"): Promise<void> {
    await this.erin.submitRequest({
      entitlement: "orders-db:read",
      reason: "checkouts fail",
      ticket: "INC-42",
      duration,
    });
  }

  /** Erin's newest grant: whoever was killed may not have told its id. */
  async newest(): Promise<string> {
    const { grants } = await this.erin.listGrants({ limit: 1 });
    const [grant] = grants;
    if (grant === undefined) throw new Error("erin has no grant");
    return grant.id;
  }

  grantWhen(id: string, holds: (grant: GrantView) => boolean, what: string): Promise<GrantView> {
    return until(
      async () => {
        const grant = await this.erin.getGrant(id);
        return holds(grant) ? grant : null;
      },
      { what: `grant ${id}: ${what}`, timeoutMs: TIMEOUT_MS },
    );
  }

  is(id: string, state: string): Promise<GrantView> {
    return this.grantWhen(id, (grant) => grant.state === state, state);
  }

  async credential(id: string): Promise<Password> {
    const password = await this.served.credential(id);
    this.handed.push({ grant: id, password: password.password });
    return password;
  }

  /** A grant in use: a session is open, and something belongs to its login. */
  async inUse(duration = "1h"): Promise<{ id: string; credential: Password; session: pg.Client }> {
    await this.ask(duration);
    const id = await this.newest();
    await this.is(id, "active");
    const credential = await this.credential(id);
    const session = await signIn(credential);
    await this.owns(credential.username);
    return { id, credential, session };
  }

  /** Gives the login a table of its own, as the DBA, so that it does not matter what the scope allows. */
  async owns(username: string): Promise<void> {
    await this.served.onTarget(
      `create table workshop.${username} (); alter table workshop.${username} owner to ${username}`,
    );
  }
}

export async function signIn({
  host,
  port,
  database,
  username: user,
  password,
}: Pick<Password, "host" | "port" | "database" | "username" | "password">): Promise<pg.Client> {
  const client = new pg.Client({ host, port, database, user, password, connectionTimeoutMillis: 30_000 });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}
