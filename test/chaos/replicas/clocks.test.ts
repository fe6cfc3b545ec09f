/** Servers whose clocks are an hour wrong, on one store whose clock is right. */
import assert from "node:assert/strict";
import { existsSync, globSync } from "node:fs";
import { after, before, test } from "node:test";
import { assertLivedOnce, leftOnTarget, logWithAllConfirmed } from "../crash/oracle.ts";
import { Fleet, soon } from "./fleet.ts";

/** The library of Debian's package faketime. */
const [library] = [
  ...globSync("/usr/lib/*/faketime/libfaketime.so.1"),
  "/usr/local/lib/faketime/libfaketime.so.1",
].filter((path) => existsSync(path));
if (library === undefined && process.env["CI"] === "true") throw new Error("CI is set and faketime is missing");
const skip = library === undefined ? "faketime is not installed" : false;

const SHIFTS = ["+1h", "-1h"];

let fleet: Fleet | null = null;
before(async () => {
  if (library === undefined) return;
  fleet = await Fleet.prepare(SHIFTS.length);
  // What measures how long something lasts is left alone: only the time of day is wrong.
  for (const [i, replica] of fleet.replicas.entries())
    Object.assign(replica.env, { LD_PRELOAD: library, FAKETIME: SHIFTS[i], FAKETIME_DONT_FAKE_MONOTONIC: "1" });
  await fleet.boot();
});
after(() => fleet?.stop());

test("row 13: with clocks an hour ahead and an hour behind, grants begin and end by the time of the store", {
  skip,
}, async () => {
  const servers = fleet ?? assert.fail("no servers");
  const [storeNow] = await servers.first.onTarget<{ now: string }>("select clock_timestamp()::text as now");
  const nowMs = Date.parse(storeNow?.now ?? "");
  for (const [i, replica] of servers.replicas.entries()) {
    const shown = /"time":"([^"]+)"/.exec(replica.output)?.[1] ?? "";
    const apartMs = Date.parse(shown) - nowMs;
    assert.ok(
      Math.abs(apartMs) > 1_800_000 && Math.sign(apartMs) === (SHIFTS[i] === "+1h" ? 1 : -1),
      `${shown} is shifted`,
    );
  }
  const ids: string[] = [];
  for (const replica of servers.replicas) {
    const erin = replica.client("erin");
    const incident = { entitlement: "orders-db:read", reason: "checkouts fail", ticket: "INC-42", duration: "20s" };
    const { grantId } = await erin.submitRequest(incident);
    const id = grantId ?? assert.fail("policy grants at once");
    ids.push(id);
    await soon("it to be active", async () => (await erin.getGrant(id)).state === "active");
  }
  const told = await logWithAllConfirmed(servers.first, ids);
  for (const id of ids) {
    assertLivedOnce(told, id);
    const of = (kind: string) => told.find((entry) => entry.kind === kind && entry.refs.grant === id);
    const endsMs = Date.parse(String(of("grant.created")?.data["expiresAt"]));
    assert.equal(of("grant.revoking")?.data["cause"], "expired");
    assert.ok(Date.parse(of("grant.revoking")?.at ?? "") >= endsMs, "not before its end");
    assert.ok(Math.abs(endsMs - Date.parse(of("grant.created")?.at ?? "") - 20_000) < 1_000, "as long as was granted");
  }
  assert.deepEqual(await leftOnTarget(servers.first), []);
});
