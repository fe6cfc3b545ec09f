import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { assertScimRefused, SCIM_TOKEN, scimCompany, scimProvider } from "../../support/scim.ts";
import { declared } from "../../support/signing-in.ts";

test("without a token of the provider SCIM opens for nobody, before a body is read, and the log says so", async (t) => {
  const it = await scimCompany(t);
  for (const token of [
    null,
    "",
    "x",
    SCIM_TOKEN.slice(1),
    `${SCIM_TOKEN}x`,
    SCIM_TOKEN.toUpperCase(),
    "x".repeat(5_000),
  ])
    for (const [method, path] of [
      ["GET", "/Users"],
      ["POST", "/Users"],
      ["PATCH", "/Groups/sg_0000000000000000"],
      ["GET", "/ServiceProviderConfig"],
      ["GET", "/Schemas"],
    ] as const) {
      const answered = await it.scim(method, path, method === "GET" ? undefined : { userName: "x" }, { token });
      if (answered.status !== 429) assertScimRefused(it, answered, 401, null, /Send a token of identity\.providers/);
    }
  const tired = await it.scim("GET", "/Users", undefined, { token: "y".repeat(40) });
  assertScimRefused(it, tired, 429, null, /Too many calls with a bad token/);
  assert.ok(Number(tired.headers["retry-after"]) > 0);
  assert.equal((await it.scim("GET", "/Users")).status, 200, "who has a good one is never locked out");
});

test("a token that is too short opens nothing, nor does one that is not there any more", async (t) => {
  const it = await scimCompany(t, scimProvider({ scim: { settings: { tokens: ["short"] }, claim: "sub" } }));
  assert.equal((await it.scim("GET", "/Users", undefined, { token: "short" })).status, 401);
  await it.provide(scimProvider());
  assert.equal((await it.scim("GET", "/Users")).status, 200);
  await it.provide(declared("https://company.example"));
  assert.equal((await it.scim("GET", "/Users")).status, 401);
});

test("a provider's calls are counted by themselves, and those with a bad token with all others of their address", async (t) => {
  const limits = { perAddress: { perSecond: 1, burst: 2 }, perProvider: { perSecond: 1, burst: 4 } };
  const clock = { ...systemClock, monotonicMs: () => 1_000 };
  const it = await scimCompany(t, scimProvider(), { clock, limits });
  const statusOf = async (token?: string): Promise<number> =>
    (await it.scim("GET", "/Users", undefined, token === undefined ? {} : { token })).status;
  const bad = "y".repeat(40);
  assert.deepEqual([await statusOf(bad), await statusOf(bad), await statusOf(bad)], [401, 401, 429]);
  for (let i = 0; i < 4; i += 1) assert.equal(await statusOf(), 200, "whatever others at its address do");
  const more = await it.scim("GET", "/Users");
  assertScimRefused(it, more, 429, null, /Too many calls came from your provider\. Wait/);
  assert.equal(more.headers["retry-after"], "1");
});
