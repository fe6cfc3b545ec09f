import assert from "node:assert/strict";
import { test } from "node:test";
import type { Refusal } from "../base/problem.ts";
import { COMMENTS_MAX, COMMENTS_OF_ONE_MAX, type Comment, comment, mayComment, unanswered } from "./comment.ts";
import { NOW_MS } from "./grant-fixture.ts";
import { needing, principal, request, subject } from "./request-fixture.ts";

const alice = principal("alice");
const bob = principal("bob", { groups: ["owners"] });
const frank = principal("frank", { groups: ["owners"] });
const { resource } = subject([alice, bob, frank]);
const asked = request(alice.id, needing({ by: ["owners"], count: 1 }));

const written = (before: readonly Comment[], author: typeof alice, asks = false): readonly Comment[] => {
  const made = comment(asked, { text: "words", asks }, author, before, NOW_MS);
  assert.ok("comments" in made, "it is written");
  const changed = new Map(made.comments.map((one) => [one.id, one]));
  return [...before.map((one) => changed.get(one.id) ?? one), ...made.comments.slice(0, 1)];
};
const codeOf = (made: object): string => ("refused" in made ? (made as Refusal).refused : "done");

test("those who are concerned have a say: who asked, who may review, operators and admins", () => {
  assert.equal(mayComment(alice, asked, resource), true);
  assert.equal(mayComment(bob, asked, resource), true);
  for (const role of ["operator", "admin"] as const)
    assert.equal(mayComment(principal("otto", { roles: [role] }), asked, resource), true, role);
  for (const other of [principal("eve"), principal("audrey", { roles: ["auditor"] })])
    assert.equal(mayComment(other, asked, resource), false, other.handle);
  assert.equal(mayComment(bob, asked, null), false, "nobody reviews what is configured no more");
});

test("what the requester writes next answers every question, and nothing that others write does", () => {
  let all = written([], bob, true);
  all = written(all, frank, true);
  all = written(all, bob);
  assert.equal(unanswered(all).length, 2);
  all = written(all, alice);
  assert.equal(unanswered(all).length, 0);
  assert.deepEqual(
    all.map(({ answeredBy }) => answeredBy),
    [all[3]?.id, all[3]?.id, null, null],
  );
  assert.equal(unanswered(written(all, frank, true)).length, 1, "a later question is open again");
});

test("the entry tells a question, an answer and a remark apart, and keeps the text out of the log", () => {
  const question = written([], bob, true);
  const kinds = [
    comment(asked, { text: "why?", asks: true }, bob, [], NOW_MS),
    comment(asked, { text: "so", asks: false }, alice, question, NOW_MS),
    comment(asked, { text: "ah", asks: false }, bob, question, NOW_MS),
  ].map((made) => {
    assert.ok("entry" in made);
    assert.deepEqual(Object.keys(made.entry.personal ?? {}), ["text"]);
    assert.doesNotMatch(JSON.stringify(made.entry.data), /why\?|so"|ah"/);
    return made.entry.kind;
  });
  assert.deepEqual(kinds, ["request.asked-back", "request.answered", "request.commented"]);
});

test("the other side is told, and nobody of what they wrote themselves", () => {
  const told = (author: typeof alice, asks: boolean, before: readonly Comment[]) => {
    const made = comment(asked, { text: "words", asks }, author, before, NOW_MS);
    assert.ok("entry" in made);
    return (made.entry.tells ?? []).map(({ kind, to }) => [kind, ...to]);
  };
  const question = written([], bob, true);
  assert.deepEqual(told(bob, true, []), [["request.asked-back", alice.id]]);
  assert.deepEqual(told(alice, false, question), [["request.answered", bob.id]]);
  assert.deepEqual(told(frank, false, question), [["request.commented", alice.id]]);
  assert.deepEqual(told(alice, false, written(written(question, alice), frank)), [
    ["request.commented", bob.id, frank.id],
  ]);
  assert.deepEqual(told(alice, false, []), []);
});

test("only a request that waits can be made to wait for an answer, and nobody asks themselves", () => {
  const ask = (of: typeof asked, who = bob, nowMs = NOW_MS) =>
    codeOf(comment(of, { text: "why?", asks: true }, who, [], nowMs));
  assert.equal(ask(asked), "done");
  assert.equal(ask(asked, alice), "invalid-input");
  assert.equal(ask({ ...asked, state: "denied" }), "request-decided");
  assert.equal(ask(asked, bob, asked.expiresMs), "request-expired");
  assert.equal(codeOf(comment({ ...asked, state: "denied" }, { text: "sad", asks: false }, alice, [], NOW_MS)), "done");
});

test("a request holds so many comments and no more, and nobody takes the room of the others", () => {
  let all: readonly Comment[] = [];
  for (let i = 0; i < COMMENTS_OF_ONE_MAX; i += 1) all = written(all, alice);
  assert.equal(codeOf(comment(asked, { text: "more", asks: false }, alice, all, NOW_MS)), "comments-full");
  const author = (i: number) => ({ ...bob, id: `pr_${i}` as typeof bob.id });
  for (let i = 0; all.length < COMMENTS_MAX; i += 1) all = written(all, author(i));
  assert.equal(codeOf(comment(asked, { text: "more", asks: false }, frank, all, NOW_MS)), "comments-full");
});
