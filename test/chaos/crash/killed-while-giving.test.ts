/** The server is killed between every two steps of giving access: making, handing over, extending, rotating; and at the end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FailpointName } from "../../../src/base/failpoint.ts";
import {
  assertAllLivedOnce,
  killedAtTheEnd,
  killedWhileDelivering,
  killedWhileExtending,
  killedWhileMaking,
  killedWhileRotating,
  type Lives,
  place,
  through,
} from "./lives.ts";

const LIVES: Lives = {
  "start.after-record": killedWhileMaking,
  "provision.after-right": killedWhileMaking,
  "provision.after-lease": killedWhileMaking,
  "postgres.provision.before-commit": killedWhileMaking,
  "postgres.provision.after-commit": killedWhileMaking,
  "provision.after-target": killedWhileMaking,
  "provision.after-record": killedWhileMaking,
  "deliver.after-record": killedWhileDelivering,
  "extend.after-target": killedWhileExtending,
  "extend.after-record": killedWhileExtending,
  "rotate.after-seal": killedWhileRotating,
  "rotate.after-target": killedWhileRotating,
  "rotate.after-record": killedWhileRotating,
  "expire.after-record": killedAtTheEnd,
};

const points = Object.keys(LIVES) as FailpointName[];

for (const point of points)
  test(`rows 1–3: killed at ${point}, it ends as if nothing had happened`, () => through(LIVES, point));

test("14, rows 1–3: each of those grants has lived once, is confirmed, and no secret was shown twice", () =>
  assertAllLivedOnce(points.length, 0));

test("a server with failpoints says so in its log, as an error", () => {
  assert.match(place.served.output, /"level":50.*TIDEGATE_FAILPOINTS is set.*tests/);
});
