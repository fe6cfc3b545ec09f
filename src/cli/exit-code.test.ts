import assert from "node:assert/strict";
import { test } from "node:test";
import { PROBLEMS } from "../base/problem.ts";
import { EXIT, exitCodeOfProblem, exitCodeOfSignal } from "./exit-code.ts";

test("every no of the server that is about who may do what leaves with 3", () => {
  const forbidden = Object.entries(PROBLEMS).filter(([, [status]]) => status === 403);
  assert.ok(forbidden.length >= 6);
  for (const [code] of forbidden) assert.equal(exitCodeOfProblem(code), EXIT.denied, code);
});

test("what was written wrongly leaves with 2, what is not there yet with 4, all else with 1", () => {
  assert.equal(exitCodeOfProblem("invalid-duration"), EXIT.usage);
  assert.equal(exitCodeOfProblem("malformed-request"), EXIT.usage);
  assert.equal(exitCodeOfProblem("grant-not-active"), EXIT.pending);
  for (const code of ["not-found", "unauthenticated", "grant-ended", "internal", "a-code-from-the-future"])
    assert.equal(exitCodeOfProblem(code), EXIT.failed, code);
});

test("a signal leaves as a shell would say it", () => {
  assert.equal(exitCodeOfSignal("SIGINT"), 130);
  assert.equal(exitCodeOfSignal("SIGTERM"), 143);
  assert.equal(exitCodeOfSignal("SIGHUP"), 129);
});
