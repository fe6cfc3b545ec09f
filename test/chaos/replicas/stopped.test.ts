/** A server that is stopped (SIGSTOP) in the middle of making access, past its claim, and wakes when the grant has ended. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { FailpointName } from "../../../src/base/failpoint.ts";
import { assertLivedOnce, leftOnTarget, log, logWithAllConfirmed } from "../crash/oracle.ts";
import { Fleet, soon } from "./fleet.ts";

const POINTS: readonly FailpointName[] = ["provision.after-lease", "postgres.provision.before-commit"];

let fleet: Fleet;
before(async () => {
  fleet = await Fleet.prepare(2);
  for (const replica of fleet.replicas) {
    const gates = POINTS.map((point) => `${point}=pause:${gate(point)}`);
    Object.assign(replica.env, { TIDEGATE_FAILPOINTS: gates.join(","), TIDEGATE_FAILPOINTS_FILE: fired() });
  }
  await fleet.boot();
});
after(() => fleet.stop());

const gate = (point: FailpointName): string => join(fleet.first.dir, point);
const fired = (): string => join(fleet.first.dir, "fired");

/** Who waits at the point. */
const waiting = (point: FailpointName): Promise<number> =>
  soon(`a replica to be at ${point}`, async () => {
    const lines = existsSync(fired()) ? readFileSync(fired(), "utf8").split("\n") : [];
    return Number(lines.find((line) => line.startsWith(`${point} pause`))?.split(" ")[2] ?? 0);
  });

for (const point of POINTS)
  test(`S29, row 12: stopped at ${point} past its claim, it wakes after the grant was revoked, and makes nothing`, async (t) => {
    writeFileSync(gate(point), "");
    const incident = { entitlement: "orders-db:read", reason: "checkouts fail", ticket: "INC-42", duration: "1h" };
    const { grantId } = await fleet.first.client("erin").submitRequest(incident);
    const id = grantId ?? assert.fail("policy grants at once");
    const pid = await waiting(point);
    const sleeper = fleet.byPid(pid);
    const other = fleet.replicas.find((replica) => replica !== sleeper) ?? fleet.first;
    process.kill(pid, "SIGSTOP");
    t.after(() => sleeper.end("SIGKILL").then(() => sleeper.boot()));
    rmSync(gate(point));
    const erin = other.client("erin");
    const is = (state: string) =>
      soon(`grant ${id} to be ${state}`, async () => ((await erin.getGrant(id)).state === state ? state : null));
    await is("active");
    await erin.revokeGrant(id, {});
    await is("revoked");
    const told = await logWithAllConfirmed(other, [id]);
    assertLivedOnce(told, id);
    assert.deepEqual(await leftOnTarget(other), []);

    process.kill(pid, "SIGCONT");
    await soon("the sleeper to see that it has lost its claim", async () => /claim-lost/.test(sleeper.output));
    assert.deepEqual(await leftOnTarget(other), [], "nothing was made");
    const ofGrant = (await log(other)).filter(({ refs }) => refs.grant === id);
    assert.deepEqual(
      ofGrant.map(({ seq }) => seq),
      told.filter(({ refs }) => refs.grant === id).map(({ seq }) => seq),
      "and nothing was written about it",
    );
  });
