/** Takes a grant through its life without a target: what the reconciler would record, recorded by the test. */
import assert from "node:assert/strict";
import type { GrantId } from "../../src/base/ids.ts";
import { Secret } from "../../src/base/secret.ts";
import type { Delivery } from "../../src/domain/credential.ts";
import { recordProof } from "../../src/operations/close-grant.ts";
import {
  expireGrant,
  noteTrouble,
  prepareRotation,
  recordProvisioned,
  recordRotated,
  writeLease,
} from "../../src/operations/provision-grant.ts";
import { startGrant } from "../../src/operations/start-grant.ts";
import { type Claim, claimDue, releaseClaim } from "../../src/store/grants.ts";
import type { World } from "./world.ts";

const TARGET = { identity: "test-target", position: "1" };
const LIFETIME_MS = 60_000;

export const PASSWORD_DELIVERY: Delivery = {
  kind: "password",
  host: "db.example.test",
  port: 5432,
  database: "orders",
  username: "tg_somebody",
  uri: "postgres://tg_somebody@db.example.test:5432/orders?sslmode=verify-full",
};

/** Claims what is due of this grant, does the work, and lets go. */
async function claimed(world: World, id: GrantId, work: (claim: Claim) => Promise<unknown>): Promise<void> {
  const { resource } = await world.grant(id);
  const claims = await claimDue(world.store.db, resource, "test", LIFETIME_MS, 1_000);
  const claim = claims.find(({ grant }) => grant === id);
  assert.ok(claim, `nothing is due for grant ${id}`);
  await work(claim);
  for (const each of claims) await releaseClaim(world.store.db, each);
}

/** From scheduled to active, with this secret to deliver (null: none). */
export async function makeActive(world: World, id: GrantId, secret: string | null = null): Promise<void> {
  await claimed(world, id, (claim) => startGrant(world.context, claim));
  await claimed(world, id, async (claim) => {
    await writeLease(world.context, claim, {
      rightKey: `test ${id}`,
      names: {},
      standing: false,
      connector: { kind: "memory", resource: "test", connection: {} },
      connectionSecret: new Secret("{}"),
      target: TARGET,
      credential: secret === null ? null : new Secret(secret),
    });
    const membership: Delivery = { kind: "membership", account: "somebody", note: "Use your own account." };
    const delivery = secret === null ? membership : PASSWORD_DELIVERY;
    await recordProvisioned(world.context, claim, { details: {}, delivery });
  });
  assert.equal((await world.grant(id)).state, "active");
}

export const rotate = (world: World, id: GrantId, secret: string): Promise<void> =>
  claimed(world, id, async (claim) => {
    await prepareRotation(world.context, claim, new Secret(secret));
    await recordRotated(world.context, claim);
  });

/** A proof of what the probe saw; with all of it gone and clean, it closes the grant. */
export const prove = (world: World, id: GrantId, seen: { accessGone: boolean; clean: boolean }): Promise<void> =>
  claimed(world, id, (claim) =>
    recordProof(
      world.context,
      claim,
      {
        ...seen,
        observations: [{ check: "login", saw: "refused", code: "28000" }],
        target: TARGET,
        shared: { coveredBy: [], standing: false },
      },
      LIFETIME_MS,
    ),
  );

export const trouble = (world: World, id: GrantId, message: string): Promise<void> =>
  claimed(world, id, (claim) => noteTrouble(world.context, claim, { code: "unreachable", message }, 0));

/** Ends a grant whose time has come. */
export const expire = (world: World, id: GrantId): Promise<void> =>
  claimed(world, id, (claim) => expireGrant(world.context, claim));
