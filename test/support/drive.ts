/** Takes a grant through its life without a target or a reconciler: the same transitions, applied by the test. */
import assert from "node:assert/strict";
import { defined } from "../../src/base/assert.ts";
import { type GrantId, leaseId } from "../../src/base/ids.ts";
import { Secret } from "../../src/base/secret.ts";
import type { Delivery } from "../../src/domain/credential.ts";
import {
  closeGrant,
  confirmGrant,
  type Grant,
  type GrantChange,
  provenGone,
  provisioned,
  type RevokedGrant,
  type RevokingGrant,
  reopenGrant,
  revokeGrant,
  rotated,
  startGrant,
  withTrouble,
} from "../../src/domain/grant.ts";
import { transact, type Work } from "../../src/operations/transact.ts";
import type { World } from "./world.ts";

const TARGET = { identity: "test-target", position: "1" };
const DAY_MS = 86_400_000;

export const PASSWORD_DELIVERY: Delivery = {
  kind: "password",
  host: "db.example.test",
  port: 5432,
  database: "orders",
  username: "tg_somebody",
  uri: "postgres://tg_somebody@db.example.test:5432/orders?sslmode=verify-full",
};

/** One transition in one transaction, as an operation would. */
async function change(
  world: World,
  id: GrantId,
  step: (grant: Grant, nowMs: number, work: Work) => GrantChange | null | Promise<GrantChange | null>,
): Promise<void> {
  const acting = { operation: "test", actor: { system: "reconciler" as const } };
  await transact(world.context, acting, async (work) => {
    const { grant, nowMs } = defined(await work.tx.lockGrant(id, null), `grant ${id}`);
    const changed = await step(grant, nowMs, work);
    if (changed !== null) await work.apply({ grants: [changed] }, nowMs);
    return null;
  });
}

const inState = <S extends Grant["state"]>(grant: Grant, state: S): Extract<Grant, { state: S }> => {
  assert.equal(grant.state, state);
  return grant as Extract<Grant, { state: S }>;
};

/** What is to be made is written down, and nothing is made yet: whoever crashes now leaves this. */
export async function writeLease(world: World, id: GrantId, secret: string | null = null): Promise<void> {
  await change(world, id, (grant) => startGrant(inState(grant, "scheduled")));
  await change(world, id, async (grant, nowMs, { tx }) => {
    const { sealing } = world.context;
    const membership: Delivery = { kind: "membership", account: "somebody", note: "Use your own account." };
    await tx.putLease({
      id: leaseId.make(),
      grantId: id,
      rightKey: `test ${id}`,
      names: {},
      origin: "made",
      scope: grant.scope,
      scopeHash: grant.scopeHash,
      account: { handle: "somebody", email: null },
      connector: {
        kind: "memory",
        resource: grant.resource,
        connection: {},
        sealedConnection: await tx.seal(sealing, "connection", new Secret("{}"), nowMs),
      },
      target: TARGET,
      state: "made",
      details: {},
      delivery: secret === null ? membership : PASSWORD_DELIVERY,
      secretId: secret === null ? null : await tx.seal(sealing, "credential", new Secret(secret), nowMs),
      fence: 0,
      createdMs: nowMs,
    });
    return null;
  });
}

/** From scheduled to active, with this secret to deliver (null: none). */
export async function makeActive(world: World, id: GrantId, secret: string | null = null): Promise<void> {
  await writeLease(world, id, secret);
  await change(world, id, (grant, nowMs) =>
    provisioned(inState(grant, "provisioning"), secret === null ? "none" : "ready", nowMs),
  );
}

/** The new secret that was asked for is there. */
export const rotate = (world: World, id: GrantId, secret: string): Promise<void> =>
  change(world, id, async (grant, nowMs, { tx }) => {
    const lease = defined(await tx.leaseOf(id), "lease");
    await tx.putLease({
      ...lease,
      secretId: await tx.seal(world.context.sealing, "credential", new Secret(secret), nowMs),
    });
    return rotated(inState(grant, "active"));
  });

/** The first proof: access is gone, something is left to clean up. */
export const proveGone = (world: World, id: GrantId): Promise<void> =>
  change(world, id, (grant) => provenGone(inState(grant, "revoking"), {}));

/** Closed, with the receipt. */
export const close = (world: World, id: GrantId, kind: "gone" | "standing" = "gone"): Promise<void> =>
  change(world, id, (grant, nowMs) => {
    const observations = [{ check: "login", saw: "refused", code: "28000" }];
    return closeGrant(inState(grant, "revoking"), { kind, target: TARGET, observations, coveredBy: [] }, nowMs, DAY_MS);
  });

/** Nothing more is looked for. */
export const confirm = (world: World, id: GrantId): Promise<void> =>
  change(world, id, (grant) => confirmGrant(inState(grant, "revoked"), {}));

/** A later probe saw access again. */
export const reopen = (world: World, id: GrantId): Promise<void> =>
  change(world, id, (grant) => reopenGrant(grant as RevokedGrant | RevokingGrant, {}));

export const trouble = (world: World, id: GrantId, message: string): Promise<void> =>
  change(world, id, async (grant, nowMs, { tx }) => {
    const troubled = withTrouble(grant, { code: "unreachable", message }, nowMs, nowMs + DAY_MS);
    if (troubled.entry !== null) return { grant: troubled.grant, entry: troubled.entry };
    await tx.putGrant(troubled.grant, null);
    return null;
  });

/** Time ends it. */
export const expire = (world: World, id: GrantId): Promise<void> =>
  change(world, id, (grant) =>
    revokeGrant(grant, { cause: "expired", by: null, reason: "" }, { system: "reconciler" }, { leaseWritten: true }),
  );
