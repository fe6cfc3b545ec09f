import assert from "node:assert/strict";
import { test } from "node:test";
import { askTogether, inBatches } from "./batches.ts";

/** So many turns that whatever may begin has begun. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

const UNHURRIED = { most: 10, lateMs: 60_000 };

/** Batches that go on until they are let go, and time that passes when it is told to. */
function held(most: number) {
  const begun: { batch: string; letGo: () => void }[] = [];
  const told: string[] = [];
  const late = new Set<() => void>();
  const timers = {
    after(_ms: number, act: () => void) {
      late.add(act);
      return () => void late.delete(act);
    },
  };
  const put = inBatches<string>(
    (all) => {
      const batch = all.join("");
      const { promise, resolve } = Promise.withResolvers<() => void>();
      begun.push({ batch, letGo: () => resolve(() => told.push(`${batch} after ${begun.length}`)) });
      return promise;
    },
    { most, lateMs: 1, timers },
  );
  const passes = (): void => {
    for (const act of [...late]) act();
  };
  return { begun, told, put, late, passes, seen: () => begun.map(({ batch }) => batch) };
}

test("what comes in one turn goes together, and what comes while others are worked on goes together after them", async () => {
  const { begun, put, seen } = held(10);
  for (const one of "ab") put(one);
  await settled();
  for (const one of "cde") {
    put(one);
    await settled();
  }
  assert.deepEqual(seen(), ["ab"]);
  begun[0]?.letGo();
  await settled();
  assert.deepEqual(seen(), ["ab", "cde"]);
});

test("so many together and no more; and those who waited are told once the next have begun", async () => {
  const { begun, told, put, late, seen } = held(2);
  for (const one of "abc") put(one);
  await settled();
  assert.deepEqual(seen(), ["ab"]);
  begun[0]?.letGo();
  await settled();
  assert.deepEqual([seen(), told], [["ab", "c"], ["ab after 2"]]);
  begun[1]?.letGo();
  await settled();
  assert.deepEqual([told[1], late.size], ["c after 2", 0]);
});

test("a batch that takes too long is left to itself, and told in the end all the same", async () => {
  const { begun, told, put, passes, seen } = held(10);
  put("a");
  await settled();
  put("b");
  passes();
  await settled();
  put("c");
  await settled();
  assert.deepEqual(seen(), ["a", "b"]);
  begun[0]?.letGo();
  await settled();
  assert.deepEqual([seen(), told], [["a", "b"], ["a after 2"]], "it makes no room a second time");
  begun[1]?.letGo();
  await settled();
  assert.deepEqual(seen(), ["a", "b", "c"]);
});

test("all who ask at the same moment are answered by one question, which names each key once", async () => {
  const asked: string[][] = [];
  const ask = askTogether(async (keys: readonly string[]) => {
    asked.push([...keys]);
    return new Map(keys.filter((key) => key !== "nobody").map((key) => [key, `the ${key}`]));
  }, UNHURRIED);
  assert.deepEqual(await Promise.all(["cat", "nobody", "cat"].map(ask)), ["the cat", undefined, "the cat"]);
  assert.deepEqual(asked, [["cat", "nobody"]]);
});

test("no answer is older than the question: whoever asks while one is under way is answered by the next", async () => {
  const { promise: first, resolve: answerFirst } = Promise.withResolvers<void>();
  let [now, questions] = ["before", 0];
  const ask = askTogether(async (keys: readonly string[]) => {
    const seen = now;
    questions += 1;
    if (questions === 1) await first;
    return new Map(keys.map((key) => [key, seen]));
  }, UNHURRIED);
  const early = ask("it");
  await settled();
  now = "after";
  const late = ask("it");
  answerFirst();
  assert.deepEqual([await early, await late], ["before", "after"]);
});

test("whoever asked what could not be answered is told why, and the next are answered", async () => {
  let works = false;
  const ask = askTogether(async (keys: readonly string[]) => {
    if (!works) throw new Error("the store is away");
    return new Map(keys.map((key) => [key, 1]));
  }, UNHURRIED);
  const failed = await Promise.allSettled([ask("a"), ask("b")]);
  assert.deepEqual(
    failed.map((one) => one.status === "rejected" && String(one.reason)),
    ["Error: the store is away", "Error: the store is away"],
  );
  works = true;
  assert.equal(await ask("a"), 1);
});
