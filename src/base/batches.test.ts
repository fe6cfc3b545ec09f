import assert from "node:assert/strict";
import { test } from "node:test";
import { askTogether, inBatches } from "./batches.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));
/** So many turns that whatever may begin has begun. */
const settled = async (): Promise<void> => {
  for (let i = 0; i < 5; i += 1) await turn();
};

/** Batches that go on until they are let go. */
function held(atOnce: number, most: number, keyOf?: (one: string) => unknown) {
  const begun: { batch: string[]; letGo: () => void }[] = [];
  const put = inBatches<string>(
    (batch) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      begun.push({ batch: [...batch], letGo: resolve });
      return promise;
    },
    { atOnce, most },
    keyOf,
  );
  return { begun, put, seen: () => begun.map(({ batch }) => batch.join("")) };
}

test("what comes in one turn goes together, and what comes while others are worked on goes together after them", async () => {
  const { begun, put, seen } = held(1, 10);
  for (const one of ["a", "b"]) put(one);
  await settled();
  for (const one of ["c", "d", "e"]) {
    put(one);
    await turn();
  }
  assert.deepEqual(seen(), ["ab"]);
  begun[0]?.letGo();
  await settled();
  assert.deepEqual(seen(), ["ab", "cde"]);
});

test("so many batches at once and no more, and so many in one and no more", async () => {
  const { begun, put, seen } = held(2, 2);
  for (const one of "abcdefg") put(one);
  await settled();
  assert.deepEqual(seen(), ["ab", "cd"]);
  begun[1]?.letGo();
  await settled();
  assert.deepEqual(seen(), ["ab", "cd", "ef"]);
  begun[0]?.letGo();
  await settled();
  assert.deepEqual(seen(), ["ab", "cd", "ef", "g"]);
});

test("two of one key are never in two batches at once; others pass them by", async () => {
  const { begun, put, seen } = held(2, 10, (one) => one.toLowerCase());
  for (const one of "ab") put(one);
  await settled();
  for (const one of "AcB") put(one);
  await settled();
  assert.deepEqual(seen(), ["ab", "c"]);
  begun[0]?.letGo();
  await settled();
  assert.deepEqual(seen(), ["ab", "c", "AB"]);
});

test("all who ask at the same moment are answered by one question, which names each key once", async () => {
  const asked: string[][] = [];
  const ask = askTogether(
    async (keys: readonly string[]) => {
      asked.push([...keys]);
      return new Map(keys.filter((key) => key !== "nobody").map((key) => [key, `the ${key}`]));
    },
    { atOnce: 1, most: 10 },
  );
  assert.deepEqual(await Promise.all(["cat", "nobody", "cat"].map(ask)), ["the cat", undefined, "the cat"]);
  assert.deepEqual(asked, [["cat", "nobody"]]);
});

test("no answer is older than the question: whoever asks while one is under way is answered by the next", async () => {
  const { promise: first, resolve: answerFirst } = Promise.withResolvers<void>();
  let [now, questions] = ["before", 0];
  const ask = askTogether(
    async (keys: readonly string[]) => {
      const seen = now;
      questions += 1;
      if (questions === 1) await first;
      return new Map(keys.map((key) => [key, seen]));
    },
    { atOnce: 1, most: 10 },
  );
  const early = ask("it");
  await settled();
  now = "after";
  const late = ask("it");
  answerFirst();
  assert.deepEqual([await early, await late], ["before", "after"]);
});

test("whoever asked what could not be answered is told why, and the next are answered", async () => {
  let works = false;
  const ask = askTogether(
    async (keys: readonly string[]) => {
      if (!works) throw new Error("the store is away");
      return new Map(keys.map((key) => [key, 1]));
    },
    { atOnce: 1, most: 10 },
  );
  const failed = await Promise.allSettled([ask("a"), ask("b")]);
  assert.deepEqual(
    failed.map((one) => one.status === "rejected" && String(one.reason)),
    ["Error: the store is away", "Error: the store is away"],
  );
  works = true;
  assert.equal(await ask("a"), 1);
});
