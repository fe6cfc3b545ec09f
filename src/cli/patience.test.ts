import assert from "node:assert/strict";
import { test } from "node:test";
import { CannotReach, ProblemError } from "../contract/client-errors.ts";
import { patiently } from "./patience.ts";

const away = (): CannotReach => new CannotReach("http://127.0.0.1:1", new Error("refused"), null);

test("what is passing is borne, and told", async () => {
  const failures = [away(), new ProblemError(503, { code: "unavailable", detail: "starting" })];
  const told: string[] = [];
  const ask = async (): Promise<string> => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    return "answer";
  };
  assert.equal(await patiently(ask, { withinMs: 10_000, onTrouble: (why) => told.push(why) }), "answer");
  assert.equal(told.length, 2);
});

test("a no is not asked for again", async () => {
  let asked = 0;
  const ask = async (): Promise<never> => {
    asked += 1;
    throw new ProblemError(403, { code: "policy-denied", detail: "no" });
  };
  await assert.rejects(patiently(ask, { withinMs: 10_000 }), { code: "policy-denied" });
  assert.equal(asked, 1);
});

test("patience ends", async () => {
  await assert.rejects(
    patiently(
      async () => {
        throw away();
      },
      { withinMs: 0 },
    ),
    CannotReach,
  );
});

test("a signal breaks the waiting off", async () => {
  const controller = new AbortController();
  const asking = patiently(
    async () => {
      throw away();
    },
    { withinMs: 60_000, signal: controller.signal, onTrouble: () => controller.abort() },
  );
  await assert.rejects(asking, { name: "AbortError" });
});
