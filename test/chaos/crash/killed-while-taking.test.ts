/** The server is killed between every two steps of taking access away, and of looking once more. */
import { test } from "node:test";
import type { FailpointName } from "../../../src/base/failpoint.ts";
import { until } from "../../support/until.ts";
import { assertAllLivedOnce, killedWhileRevoking, type Lives, place, proveGone, through } from "./lives.ts";

const LIVES: Lives = {
  "postgres.revoke.before-shut": killedWhileRevoking,
  "postgres.revoke.after-shut": killedWhileRevoking,
  "postgres.revoke.after-refusal": killedWhileRevoking,
  "postgres.revoke.after-sessions": killedWhileRevoking,
  "postgres.revoke.after-prepared": killedWhileRevoking,
  "postgres.clean-up.after-graveyard": killedWhileRevoking,
  "postgres.clean-up.after-reassign": killedWhileRevoking,
  "postgres.clean-up.before-commit": killedWhileRevoking,
  "postgres.clean-up.after-database": killedWhileRevoking,
  "postgres.revoke.before-drop": killedWhileRevoking,
  "postgres.revoke.after-drop": killedWhileRevoking,
  "postgres.revoke.before-collect": killedWhileRevoking,
  "postgres.collect.before-commit": killedWhileRevoking,
  "postgres.collect.after-commit": killedWhileRevoking,
  "revoke.after-target": killedWhileRevoking,
  "revoke.after-probe": killedWhileRevoking,
  "revoke.after-record": killedWhileRevoking,
  "confirm.after-probe": killedWhileRevoking,
  "confirm.after-record": killedWhileRevoking,
};

const points = Object.keys(LIVES) as FailpointName[];

for (const point of points)
  test(`rows 1–3: killed at ${point}, it ends as if nothing had happened`, () => through(LIVES, point));

test("6: a grant whose second look falls into the end of another of the same scope is confirmed, and never called live again", async () => {
  const [first, second] = [await place.inUse(), await place.inUse()];
  await place.erin.revokeGrant(first.id, {});
  await place.is(first.id, "revoked");
  // The login of the second is dropped, and the group that both used stands there without members.
  const point = "postgres.revoke.before-collect";
  await place.pauseAt(point, () => place.erin.revokeGrant(second.id, {}));
  await until(() => place.firedTimes(point) === 2, { what: "the second look at the first to find the group" });
  place.goOn(point);
  await proveGone(second);
  await proveGone(first);
});

test("14, rows 1–3: each of those grants has lived once, is confirmed, and no secret was shown twice", () =>
  assertAllLivedOnce(points.length, 2));
