import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { LIMITS, limitsFrom } from "./limits.ts";
import { addressKey, TokenBuckets } from "./token-buckets.ts";

describe("a bucket of tokens", () => {
  test("whatever comes when, no more is let in than the burst and what time gave back", () => {
    const waits = fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 200 });
    fc.assert(
      fc.property(
        waits,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        (pauses, perSecond, burst) => {
          let nowMs = 1_000;
          const buckets = new TokenBuckets({ perSecond, burst }, { monotonicMs: () => nowMs });
          let letIn = 0;
          for (const pauseMs of pauses) {
            nowMs += pauseMs;
            const { ok, left, waitSeconds } = buckets.take("somebody");
            if (ok) letIn += 1;
            assert.equal(waitSeconds > 0, !ok);
            assert.ok(left >= 0 && left <= burst);
          }
          assert.ok(letIn <= burst + ((nowMs - 1_000) / 1_000) * perSecond + 1e-6);
        },
      ),
    );
  });

  test("who waits as long as told is let in, and nobody pays for another", () => {
    let nowMs = 0;
    const buckets = new TokenBuckets({ perSecond: 2, burst: 3 }, { monotonicMs: () => nowMs });
    for (let i = 0; i < 3; i += 1) assert.ok(buckets.take("a").ok);
    const refused = buckets.take("a");
    assert.equal(refused.ok, false);
    assert.ok(buckets.take("b").ok);
    nowMs += refused.waitSeconds * 1_000;
    assert.ok(buckets.take("a").ok);
  });

  test("an IPv6 network is one, however its address is written; a mapped IPv4 address is that address", () => {
    assert.equal(addressKey("2001:db8:1:2:3:4:5:6"), addressKey("2001:0DB8:0001:2::9"));
    assert.notEqual(addressKey("2001:db8:1:2::1"), addressKey("2001:db8:1:3::1"));
    assert.equal(addressKey("::ffff:10.0.0.1"), "10.0.0.1");
    assert.equal(addressKey("::1"), "0:0:0:0::/64");
    assert.equal(addressKey("fe80::1%eth0"), "fe80:0:0:0::/64");
  });
});

describe("limits from the environment", () => {
  test("without any they are the usual ones; each is read, and off is off", () => {
    assert.deepEqual(limitsFrom({}), LIMITS);
    const limits = limitsFrom({
      TIDEGATE_RATE_PER_PRINCIPAL: "5/10",
      TIDEGATE_RATE_PER_ADDRESS: "off",
      TIDEGATE_RATE_PER_PROVIDER: "7/70",
      TIDEGATE_CONNECTIONS_MAX: "7",
      TIDEGATE_CONNECTIONS_PER_ADDRESS: "3",
      TIDEGATE_TRUSTED_PROXIES: "10.0.0.7, fd00::/8",
      TIDEGATE_REQUEST_ID_HEADER: "X-Request-Id",
    });
    assert.deepEqual(limits.perPrincipal, { perSecond: 5, burst: 10 });
    assert.equal(limits.perAddress, null);
    assert.deepEqual([limits.connections, limits.connectionsPerAddress], [7, 3]);
    assert.deepEqual(limits.trustedProxies, ["10.0.0.7", "fd00::/8"]);
    assert.equal(limits.requestIdHeader, "x-request-id");
  });

  test("what is not understood is named, with how to write it", () => {
    for (const [name, value] of [
      ["TIDEGATE_RATE_PER_PRINCIPAL", "fast"],
      ["TIDEGATE_RATE_PER_ADDRESS", "0/5"],
      ["TIDEGATE_CONNECTIONS_MAX", "0"],
      ["TIDEGATE_TRUSTED_PROXIES", "proxy.example.com"],
      ["TIDEGATE_TRUSTED_PROXIES", "10.0.0.0/8/9"],
      ["TIDEGATE_REQUEST_ID_HEADER", "x request"],
    ] as const)
      assert.throws(() => limitsFrom({ [name]: value }), new RegExp(`${name}.*[Ww]rite`));
  });
});
