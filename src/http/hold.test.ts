import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hold } from "./hold.ts";

/** A clock that moves only when somebody waits, and changes that come when told. */
function scene(changesAtMs: readonly number[]) {
  let nowMs = 0;
  const aborting = new AbortController();
  return {
    at: () => nowMs,
    aborting,
    options: (timeoutMs: number) => ({
      timeoutMs,
      signal: aborting.signal,
      clock: { monotonicMs: () => nowMs },
      next: async (waitMs: number) => {
        const change = changesAtMs.find((ms) => ms > nowMs) ?? Number.POSITIVE_INFINITY;
        // The time passes after the look that follows.
        await Promise.resolve();
        await Promise.resolve();
        nowMs = Math.min(nowMs + waitMs, change);
      },
    }),
  };
}

describe("holding an answer", () => {
  test("it ends with the change that matters", async () => {
    const { at, options } = scene([500, 900]);
    const seen = await hold(
      async () => at(),
      (ms) => ms >= 900,
      options(20_000),
    );
    assert.equal(seen, 900);
  });

  test("it ends with the time, and answers what is there then", async () => {
    const { at, options } = scene([]);
    assert.equal(
      await hold(
        async () => at(),
        () => false,
        options(5_000),
      ),
      5_000,
    );
  });

  test("a change that nobody told of is found by looking", async () => {
    const { at, options } = scene([]);
    const seen = await hold(
      async () => at(),
      (ms) => ms >= 3_000,
      options(60_000),
    );
    assert.ok(seen < 10_000, String(seen));
  });

  test("it listens before it looks, so that nothing is missed between", async () => {
    const order: string[] = [];
    const { options } = scene([]);
    const wanted = options(1_000);
    await hold(
      async () => order.push("look"),
      () => true,
      {
        ...wanted,
        next: (ms) => {
          order.push("listen");
          return wanted.next(ms);
        },
      },
    );
    assert.deepEqual(order, ["listen", "look"]);
  });

  test("it ends when nobody waits any more", async () => {
    const { aborting, options } = scene([]);
    const never = { ...options(60_000), next: () => new Promise<void>(() => undefined) };
    const held = hold(
      async () => "seen",
      () => false,
      never,
    );
    aborting.abort();
    assert.equal(await held, "seen");
  });
});
