/** What every rule works with: grants on the fixture's target, each verb in a claim of its own, and the person at the door. */
import nodeAssert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { JsonObject } from "../../base/canonical.ts";
import { hashOf } from "../../base/hash.ts";
import { type GrantId, grantId, type InstallationId, newInstallationId } from "../../base/ids.ts";
import { Secret } from "../../base/secret.ts";
import type { Delivery } from "../../domain/credential.ts";
import { type Connector, type Order, type Probe, type Provisioned, type Target, TargetError } from "../connector.ts";
import type { Place, Visit } from "./fixture.ts";

export const HOUR_MS = 3_600_000;
const CALL_DEADLINE_MS = 60_000;
/** How often the host would come back within a short time; what goes on failing is no passing trouble. */
const ATTEMPTS_MAX = 10;

/** One grant of the test: an order with what was remembered for it, and the person's part. */
export type Held = {
  readonly order: Order<unknown>;
  secret: Secret | null;
  /** Of the last provisioning. */
  delivery: Delivery | null;
};

export type Bench = {
  readonly connector: Connector;
  readonly place: Place;
  readonly installation: InstallationId;
  /** How long to wait for what must end with its signal. */
  readonly letGoMs: number;
  /** A grant that is not there yet. The same person as another one's, if given; our installation unless another is given. */
  grant(options?: { person?: string; installation?: InstallationId; scope?: unknown }): Held;
  /** Opens a target for a grant, with a fence above all earlier ones; it is closed at the end of the rule. */
  open(held: Held, options?: { signal?: AbortSignal; fence?: number }): Promise<Target<unknown>>;
  /** Opens one as a sweep does, for no grant. */
  openSweep(installation?: InstallationId, signal?: AbortSignal): Promise<Target<unknown>>;
  /** Does one thing in a claim of its own. */
  claim<T>(held: Held, work: (target: Target<unknown>) => Promise<T>): Promise<T>;
  /** As the host does it: whatever details come back are kept. */
  provision(held: Held): Promise<Provisioned>;
  /** With `keep` where another grant holds the same right, or it stood there. */
  revoke(held: Held, keep?: boolean): Promise<void>;
  probe(held: Held): Promise<Probe>;
  /** The person comes in; null when refused. */
  enter(held: Held): Promise<Visit | null>;
  /** Undoes what the rule did. */
  end(): Promise<void>;
};

export function makeBench(connector: Connector, place: Place, { letGoMs }: { letGoMs: number }): Bench {
  const installation = newInstallationId();
  let fences = 0;
  const grants: Held[] = [];
  const targets: Target<unknown>[] = [];
  const visits: Visit[] = [];
  const connection = connector.connection.parse(place.connection);
  const deadline = (): AbortSignal => AbortSignal.timeout(CALL_DEADLINE_MS);

  const bench: Bench = {
    connector,
    place,
    installation,
    letGoMs,
    grant: ({ person = somebody(), installation: whose = installation, scope = place.scope } = {}) => {
      const held = newGrant(connector, { installation: whose, person, scope });
      grants.push(held);
      return held;
    },
    open: async (held, { signal = deadline(), fence = ++fences } = {}) => {
      const actor = { installation: held.order.installation, grant: held.order.grant, fence };
      const target = await connector.open(connection, { signal, actor });
      targets.push(target);
      return target;
    },
    openSweep: async (whose = installation, signal = deadline()) => {
      const target = await connector.open(connection, {
        signal,
        actor: { installation: whose, grant: null, fence: 0 },
      });
      targets.push(target);
      return target;
    },
    claim: async (held, work) => {
      const actor = { installation: held.order.installation, grant: held.order.grant, fence: ++fences };
      const target = await connector.open(connection, { signal: deadline(), actor });
      try {
        return await work(target);
      } finally {
        await target.close();
      }
    },
    provision: async (held) => {
      const give = { secret: held.secret, remainingMs: HOUR_MS };
      const made = await bench.claim(held, (target) => target.provision(held.order, give));
      await held.order.remember(made.details);
      held.delivery = made.delivery;
      return made;
    },
    revoke: (held, keep = false) => bench.claim(held, (target) => target.revoke(held.order, { keep })),
    probe: (held) => bench.claim(held, (target) => target.probe(held.order)),
    enter: async ({ order, secret, delivery }) => {
      if (delivery === null) throw new nodeAssert.AssertionError({ message: "nothing was delivered" });
      const visit = await place.enter({ order, secret, delivery });
      if (visit !== null) visits.push(visit);
      return visit;
    },
    end: async () => {
      await Promise.allSettled(visits.map((visit) => visit.leave()));
      await Promise.allSettled(targets.map((target) => target.close()));
      // What a rule left because it failed must not be in the way of the next one. In turn: some hold the same right.
      for (const held of grants) await bench.revoke(held).catch(() => undefined);
    },
  };
  return bench;
}

/** Nobody has this name; it can be searched for in what must not name people. */
const somebody = (): string => `person-${randomBytes(6).toString("hex")}`;

export const newSecret = (): Secret => new Secret(randomBytes(18).toString("base64url"));

function newGrant(
  connector: Connector,
  { installation, person, scope }: { installation: InstallationId; person: string; scope: unknown },
): Held {
  const grant: GrantId = grantId.make();
  const parsed = connector.scope.parse(scope);
  const principal = { handle: person, email: null };
  const intent = { installation, grant, scope: parsed, scopeHash: hashOf([connector.kind, scope]), principal };
  const details: JsonObject = {};
  return {
    // Through JSON, as a lease keeps them.
    order: {
      ...intent,
      names: JSON.parse(JSON.stringify(connector.intend(intent).names)) as JsonObject,
      details,
      remember: async (more) => void Object.assign(details, JSON.parse(JSON.stringify(more))),
    },
    secret: connector.credential === "password" ? newSecret() : null,
    delivery: null,
  };
}

/** What two grants have in common is kept at the end of the first. */
export const sameRight = ({ connector }: Bench, one: Held, two: Held): boolean =>
  connector.intend(one.order).right === connector.intend(two.order).right;

/** The person gets in, can do what the scope allows, and stays in. */
export async function enter(bench: Bench, held: Held, message: string): Promise<Visit> {
  const visit = await bench.enter(held);
  nodeAssert.ok(visit !== null, `${message}: the person is refused`);
  nodeAssert.ok(await visit.works(), `${message}: the person is in, and what the scope allows does not work`);
  return visit;
}

/** The person gets in, can do what the scope allows, and leaves. */
export async function assertIn(bench: Bench, held: Held, message: string): Promise<void> {
  await (await enter(bench, held, message)).leave();
}

export async function assertRefused(bench: Bench, held: Held, message: string): Promise<void> {
  const visit = await bench.enter(held);
  const works = visit !== null && (await visit.works());
  await visit?.leave();
  nodeAssert.ok(!works, `${message}: the person still gets in`);
}

/** Revoked and proven, as a closed grant must look. */
export async function assertGone(bench: Bench, held: Held, message: string): Promise<void> {
  if (held.delivery !== null) await assertRefused(bench, held, message);
  const { own, right, remains } = await bench.probe(held);
  nodeAssert.deepEqual({ own, right, remains }, { own: "gone", right: "gone", remains: [] }, `${message}: the probe`);
}

/** What is on the target with the mark, where a target has marks. */
export const marked = async ({ place }: Bench, installation: InstallationId): Promise<readonly string[]> =>
  (await place.marked?.(installation)) ?? [];

/** As the host does: again, while the error is one that may mend itself. */
export async function insist(work: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await work();
      return;
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !(error instanceof TargetError) || error.permanent) throw error;
    }
  }
}

/** The error of what must fail, which must be a target's. */
export async function refusal(promise: Promise<unknown>, message: string): Promise<TargetError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  nodeAssert.ok(error !== null, `${message}: it was not refused`);
  nodeAssert.ok(
    error instanceof TargetError,
    `${message}: it failed with what is no TargetError of this tidegate/connector: ${String(error)}`,
  );
  return error;
}
