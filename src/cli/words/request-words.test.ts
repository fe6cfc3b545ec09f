import assert from "node:assert/strict";
import { test } from "node:test";
import { BOB, grantedView, grantView, NOW, requestView, revokedView } from "../../../test/e2e/cli-views.ts";
import type { RequestView } from "../../contract/access.ts";
import { plain } from "../output.ts";
import { outcomeLines } from "../request.ts";
import { either } from "./people.ts";
import { endOf, grantedHow, requestLines, stepLines, waitingFor } from "./request-words.ts";

const page = { paint: plain, width: 80, nowMs: Date.parse(NOW) };

const review = (changes: Partial<RequestView["reviews"][number]> = {}): RequestView["reviews"][number] => ({
  id: "rv_1",
  reviewer: BOB,
  verdict: "approve",
  comment: "",
  duration: null,
  entitlement: "orders-db:read",
  at: NOW,
  counts: true,
  ...changes,
});

const twoSteps = (changes: Partial<RequestView> = {}): RequestView =>
  requestView({
    decision: {
      outcome: "needs-approval",
      rule: "both",
      trace: [],
      steps: [
        { by: ["owners"], count: 2, have: 1, needs: "2 of owners", canApprove: ["bob", "frank"] },
        { by: ["group:security"], count: 1, have: 0, needs: "1 of group:security", canApprove: [] },
      ],
    },
    reviews: [review()],
    ...changes,
  });

test("who is waited for is told by name, without those who have approved", () => {
  assert.equal(waitingFor(requestView()), "waiting for approval by bob or frank");
  assert.equal(waitingFor(twoSteps()), "waiting for approval by frank, and by 1 of group:security (nobody can now)");
  assert.deepEqual(stepLines(twoSteps(), page), [
    "… 2 of owners, 1 of 2 so far: frank can approve",
    "… 1 of group:security, 0 of 1 so far: nobody can approve now",
  ]);
});

test("a long list of people is cut, and says how many more there are", () => {
  assert.equal(either(["a"]), "a");
  assert.equal(either(["a", "b", "c"]), "a, b or c");
  assert.equal(either(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e, f or 1 other");
});

test("an approver reads who asks, for what exactly, why, and what policy says", () => {
  const told = requestLines(requestView({ canReview: true, ticket: "INC-42" }), page).join("\n");
  for (const part of [
    "Alice Archer",
    "orders-db:read (Read orders, medium risk) for 1h",
    "SELECT on public.orders",
    "“slow checkouts”",
    "INC-42",
    "payments-engineers applies",
    "tidegate approve rq_",
  ])
    assert.ok(told.includes(part), part);
});

test("a request that waits for an answer says by whom, what was asked, and how it is answered", () => {
  const asked = requestView({ questions: [{ id: "cm_1", by: BOB, at: NOW, text: "Which customer?" }] });
  assert.equal(waitingFor(asked), "waiting for alice to answer bob: “Which customer?”");
  const told = requestLines(asked, page).join("\n");
  assert.match(told, /Waits for an answer by alice:\n {4}bob asks: “Which customer\?”/);
  assert.match(told, /Answer: tidegate comment rq_0000000000000001/);
  assert.match(
    requestLines(requestView({ canReview: true }), page).join("\n"),
    /tidegate comment rq_\w+ "your question" --ask/,
  );
});

test("what policy looked at is told, and how old it was", () => {
  const onCall = { tier: 0, source: "file", age: 0, unknown: null, words: "not on call, says file" };
  const about = { id: "INC-1", state: "closed" as const, status: "Done", mine: true, source: "jira", unknown: null };
  const facts = { onCall, ticket: { ...about, age: 12_400, words: "INC-1 is closed, says jira" } };
  const told = requestLines(requestView({ facts }), page).join("\n");
  assert.match(
    told,
    /What policy looked at:\n {4}not on call, says file\n {4}INC-1 is closed, says jira, 12s old then\n/,
  );
  assert.doesNotMatch(requestLines(requestView({ facts: null }), page).join("\n"), /looked at/);
});

test("the timeline tells when, who, what, and what they wrote", () => {
  const timeline = [
    { at: NOW, kind: "request.asked-back", by: BOB, what: "asks", text: "Which customer?" },
    { at: NOW, kind: "grant.active", by: null, what: "the access is there", text: "" },
  ];
  const told = requestLines(requestView({ timeline }), page).join("\n");
  assert.match(told, /What happened:\n.* {2}bob asks: “Which customer\?”\n.* {2}Tidegate the access is there/);
});

test("how a request ended is told with who denied it and why", () => {
  const denied = requestView({ state: "denied", reviews: [review({ verdict: "deny", comment: "use the replica" })] });
  assert.equal(endOf(denied), "bob (Bob) denied the request: “use the replica”.");
  assert.match(endOf(requestView({ state: "expired" })), /nobody decided in time/);
  assert.match(
    endOf(requestView({ state: "denied", endedBecause: "the policy was changed" })),
    /: the policy was changed\./,
  );
});

test("what was decided is told in plain words: granted by which rule until when, or waiting for whom", () => {
  const granted = outcomeLines({ ...grantedView(), grant: grantView() }, page).join("\n");
  assert.match(granted, /^Granted by rule on-call until .*, in 1h: orders-db:read, grant gr_0000000000000001/);
  const waiting = outcomeLines({ ...requestView(), grant: null }, page).join("\n");
  assert.match(waiting, /^Waiting for approval of orders-db:read for 1h \(rule payments-engineers\)/);
  assert.match(waiting, /bob or frank can approve/);
  const over = outcomeLines({ ...grantedView(), grant: revokedView() }, page).join("\n");
  assert.match(over, /^Granted, and over already/);
});

test("who granted it is told, and that it is less than was asked for", () => {
  assert.equal(grantedHow(grantedView(), grantView()), "by rule on-call");
  const approved = grantedView({ reviews: [review()] });
  assert.equal(
    grantedHow(approved, grantView({ duration: "30m" })),
    "by bob, less than you asked for (orders-db:read for 30m)",
  );
});
