import assert from "node:assert/strict";
import { test } from "node:test";
import { createCircuit } from "./circuit.ts";

function setting() {
  let nowMs = 1_000_000;
  const circuit = createCircuit(8, () => nowMs);
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { circuit, pass };
}

test("a target that did not answer three times in a row is asked by one flight, and by a few while they hang", () => {
  const { circuit, pass } = setting();
  for (let failure = 0; failure < 3; failure += 1) {
    assert.equal(circuit.atMost("db", 0), 8);
    circuit.failed("db");
  }
  assert.deepEqual(circuit.silent(), ["db"]);
  assert.equal(circuit.atMost("db", 8), 8, "what is under way is not more than may be");
  assert.equal(circuit.atMost("db", 0), 0, "it was asked just now");
  pass(1_000);
  assert.equal(circuit.atMost("db", 0), 1);
  circuit.launched("db");
  assert.equal(circuit.atMost("db", 1), 1);
  pass(5_000);
  assert.equal(circuit.atMost("db", 1), 2, "the first hangs");
  circuit.launched("db");
  pass(60_000);
  assert.equal(circuit.atMost("db", 2), 3);
  circuit.launched("db");
  pass(60_000);
  assert.equal(circuit.atMost("db", 3), 3, "never more than a few");
});

test("one answer, and all may ask again; failures before it do not count", () => {
  const { circuit } = setting();
  for (let round = 0; round < 5; round += 1) {
    circuit.failed("db");
    circuit.failed("db");
    assert.equal(circuit.answered("db"), false);
  }
  assert.equal(circuit.atMost("db", 0), 8);
  for (let failure = 0; failure < 9; failure += 1) circuit.failed("db");
  assert.equal(circuit.answered("db"), true, "it had been silent");
  assert.equal(circuit.atMost("db", 0), 8);
  assert.equal(circuit.atMost("other", 0), 8);
});
