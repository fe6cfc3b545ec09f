import assert from "node:assert/strict";
import { test } from "node:test";
import { CannotReach, ProblemError, UnexpectedAnswer } from "../contract/client-errors.ts";
import { CommandFailure, failureLines, reportFailure, usage } from "./failure.ts";
import { Interrupted } from "./interrupts.ts";
import { plain } from "./output.ts";

const page = { paint: plain, width: 80, nowMs: 0 };
const denied = new ProblemError(403, {
  type: "urn:tidegate:problem:policy-denied",
  title: "Policy does not allow this",
  status: 403,
  detail: "The rule no-contractors denies this.",
  code: "policy-denied",
  requestId: "rq_0123456789abcdef",
  trace: [
    { rule: "no-contractors", result: "denies", why: "it is the case" },
    { rule: "on-call", result: "does-not-apply", why: "not the case" },
    "something that is no line of a trace",
  ],
});

test("a denial is told with its trace, rule by rule, and leaves with 3", () => {
  const report = reportFailure(denied);
  assert.equal(report.exitCode, 3);
  assert.deepEqual(failureLines(report, page), [
    "Denied: The rule no-contractors denies this.",
    "  ✗ no-contractors denies: it is the case",
    "  · on-call does not apply: not the case",
  ]);
});

test("as JSON a problem of the server keeps every member that it came with", () => {
  const { problem } = reportFailure(denied);
  assert.equal(problem.type, "urn:tidegate:problem:policy-denied");
  assert.equal(problem.title, "Policy does not allow this");
  assert.equal(problem["status"], 403);
  assert.equal(problem["requestId"], "rq_0123456789abcdef");
  assert.equal((problem["trace"] as unknown[]).length, 3);
});

test("text of others cannot drive the terminal through a problem", () => {
  const evil = new ProblemError(403, { detail: "x\u001b[2Jy\u202ez", code: "forbidden" });
  assert.deepEqual(failureLines(reportFailure(evil), page), ["Denied: x�[2Jyz"]);
});

test("what the input lacked is told place by place", () => {
  const invalid = new ProblemError(400, {
    detail: "Not valid.",
    code: "invalid-input",
    errors: [{ path: "reason", message: "is too long" }],
  });
  const report = reportFailure(invalid);
  assert.equal(report.exitCode, 2);
  assert.deepEqual(failureLines(report, page), ["Not valid.", "  reason: is too long"]);
});

test("a server that is not there, or is something else, is a failure that says where to look", () => {
  const away = reportFailure(new CannotReach("http://127.0.0.1:1/", new Error("refused"), null));
  assert.equal(away.exitCode, 1);
  assert.equal(away.problem.code, "unreachable");
  assert.match(failureLines(away, page).join("\n"), /Cannot reach http:\/\/127\.0\.0\.1:1.*\n.*TIDEGATE_URL/);
  const strange = reportFailure(new UnexpectedAnswer("http://x/", 200, "<html>"));
  assert.equal(strange.exitCode, 1);
  assert.equal(strange.problem.code, "unexpected-answer");
});

test("a signal, a usage error and a failure of the command each leave with their own code", () => {
  assert.equal(reportFailure(new Interrupted("SIGINT", "Broken off.")).exitCode, 130);
  assert.equal(reportFailure(usage("Missing: --for.")).exitCode, 2);
  assert.equal(reportFailure(new CommandFailure("request-denied", "no")).exitCode, 3);
});

test("only a mistake of the program itself is called one", () => {
  assert.equal(reportFailure(new TypeError("x is undefined")).unexpected, true);
  const plainError = reportFailure(new Error("70000 is not a port"));
  assert.equal(plainError.unexpected, false);
  assert.equal(plainError.problem.detail, "70000 is not a port");
});
