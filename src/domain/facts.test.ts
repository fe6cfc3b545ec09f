import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../base/canonical.ts";
import { evaluate } from "./evaluate.ts";
import { approve, deny, given, HOUR, policy } from "./evaluate-fixture.ts";
import {
  factsForTheLog,
  type OnCallFact,
  storedFacts,
  TICKET_STATES,
  type TicketFact,
  ticketFactFor,
  unknownTicket,
} from "./facts.ts";

const ticket = (over: Partial<TicketFact> = {}): TicketFact => ({
  ...{ id: "INC-42", state: "open", status: "In Progress", assignee: "alice@example.com", mine: true },
  ...{ source: "jira", ageMs: 0, goodForMs: 30_000, ...over },
});
const asking = (fact: TicketFact | undefined, oncall: Partial<OnCallFact> = {}) => ({
  ...given({ request: { ticket: "INC-42" } }),
  oncall: { tier: 0, source: "pager", ageMs: 0, ...oncall },
  ...(fact === undefined ? {} : { ticket: fact }),
});
const NOT_THERE = unknownTicket("INC-42", "jira did not answer within 5s", "jira");
const decide = (when: string, fact: TicketFact | undefined, oncall: Partial<OnCallFact> = {}) =>
  evaluate(policy(approve("auto", when)), asking(fact, oncall));

describe("conditions on a ticket", () => {
  test("an open ticket of one's own meets them; the raw status is the tracker's", () => {
    for (const when of [
      "ticket.exists && ticket.open && ticket.mine",
      'ticket.status == "In Progress"',
      "ticket.known",
    ])
      assert.equal(decide(when, ticket()).outcome, "automatic", when);
  });

  test("a rule that a closed ticket does not meet is passed over, and the trace says what the ticket is", () => {
    const { outcome, trace } = decide("ticket.open", ticket({ state: "closed", status: "Done", mine: false }));
    assert.equal(outcome, "denied");
    assert.deepEqual(trace, [
      {
        rule: "auto",
        result: "does-not-apply",
        why: "not the case: ticket.open (INC-42 is closed (Done) and assigned to somebody else, says jira)",
      },
    ]);
  });

  test("what is not known is an error where it is looked at: no approval, whichever way it is asked", () => {
    for (const when of [
      ...["ticket.open", "!ticket.open", "ticket.exists", "!ticket.exists", "!ticket.closed", "ticket.mine"],
      ...[
        'ticket.status == ""',
        'ticket.status != "Done"',
        'ticket.assignee == ""',
        "!(ticket.exists && ticket.closed)",
      ],
    ]) {
      const { outcome, trace } = decide(when, NOT_THERE);
      assert.equal(outcome, "denied", when);
      assert.equal(trace[0]?.result, "error", when);
      assert.match(trace[0]?.why ?? "", /ticket\.\w+ is not known: jira did not answer within 5s/);
    }
  });

  test("what does not depend on it is decided all the same, and a policy can ask whether it is known", () => {
    for (const when of [
      'ticket.open || "payments" in user.groups',
      "ticket.known ? ticket.open : true",
      "!ticket.known",
    ])
      assert.equal(decide(when, NOT_THERE).outcome, "automatic", when);
    assert.equal(decide('ticket.open && "nobody" in user.groups', NOT_THERE).trace[0]?.result, "does-not-apply");
  });

  test("a deny rule on what is not known denies", () => {
    const rules = policy(deny("frozen", 'ticket.status == "Frozen"'), approve("a", null));
    assert.equal(evaluate(rules, asking(NOT_THERE)).rule, "frozen");
    assert.equal(evaluate(rules, asking(ticket())).outcome, "automatic");
  });

  test("facts about another ticket, or none at all, say nothing about this one", () => {
    for (const fact of [undefined, ticket({ id: "INC-43" })]) {
      assert.equal(ticketFactFor("INC-42", fact).state, "unknown");
      assert.equal(decide("ticket.open", fact).outcome, "denied");
    }
    assert.equal(
      evaluate(policy(approve("a", "!ticket.exists")), given({ request: { ticket: "" } })).outcome,
      "automatic",
    );
  });
});

describe("conditions on who is on call", () => {
  test("S16 tier 3 is not tiers 1 and 2", () => {
    const { outcome, trace } = decide("oncall.tier in [1, 2]", ticket(), { tier: 3 });
    assert.equal(outcome, "denied");
    assert.equal(trace[0]?.why, "not the case: oncall.tier in [1, 2] (on call at tier 3, says pager)");
    assert.equal(decide("oncall.tier in [1, 2]", ticket(), { tier: 2 }).outcome, "automatic");
  });

  test("S16 while nobody can tell who is on call, no condition on it holds: not even that somebody is not", () => {
    for (const when of ["oncall.tier in [1, 2]", "oncall.tier == 0", "!(oncall.tier in [1, 2])", "oncall.tier < 3"])
      assert.equal(decide(when, ticket(), { unknown: "pager cannot be reached" }).outcome, "denied", when);
    assert.equal(decide("!oncall.known", ticket(), { unknown: "pager cannot be reached" }).outcome, "automatic");
  });
});

test("a condition that holds while a fact is unknown holds whatever the fact may be", () => {
  const atoms = [
    ...[
      "ticket.open",
      "ticket.closed",
      "ticket.exists",
      "ticket.mine",
      'ticket.status == "Done"',
      'ticket.assignee != ""',
    ],
    ...[
      "oncall.tier in [1, 2]",
      "oncall.tier == 0",
      "oncall.tier > 2",
      "true",
      '"payments" in user.groups',
      "1 / 0 == 1",
    ],
  ];
  const { condition } = fc.letrec<{ condition: string }>((tie) => ({
    condition: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(...atoms),
      fc
        .tuple(tie("condition"), fc.constantFrom("&&", "||"), tie("condition"))
        .map(([a, op, b]) => `(${a} ${op} ${b})`),
      tie("condition").map((a) => `!(${a})`),
      fc.tuple(tie("condition"), tie("condition"), tie("condition")).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    ),
  }));
  const fact = fc.record({
    state: fc.constantFrom(...TICKET_STATES),
    status: fc.constantFrom("", "Done"),
    assignee: fc.constantFrom("", "alice@example.com"),
    mine: fc.boolean(),
  });
  let held = 0;
  fc.assert(
    fc.property(condition, fact, fc.nat(4), (when, seen, tier) => {
      const unknown = decide(when, NOT_THERE, { unknown: "pager cannot be reached" });
      if (unknown.outcome !== "automatic") return;
      held += 1;
      assert.equal(decide(when, ticket(seen), { tier }).outcome, "automatic", when);
    }),
    { numRuns: 2_000 },
  );
  assert.ok(held > 100);
});

describe("facts as they are stored with a request", () => {
  const stored = (facts: object) => facts as unknown as JsonObject;

  test("they age with it, and are not known once they are older than their source allows", () => {
    const facts = stored({ oncall: { tier: 1, source: "pager", ageMs: 5_000, goodForMs: 60_000 }, ticket: ticket() });
    assert.deepEqual(storedFacts(facts, 0), facts);
    assert.deepEqual(storedFacts(facts, 30_000).oncall.tier, 1);
    const later = storedFacts(facts, HOUR);
    assert.equal(later.oncall.tier, 0);
    assert.match(later.oncall.unknown ?? "", /out of date/);
    assert.equal(later.ticket?.state, "unknown");
  });

  test("what the file says does not age, and rows of earlier versions know no ticket", () => {
    const facts = stored({ oncall: { tier: 1, source: "file", ageMs: 0 } });
    assert.deepEqual(storedFacts(facts, 24 * HOUR), { oncall: { tier: 1, source: "file", ageMs: 0 } });
    assert.match(storedFacts({}, 0).oncall.unknown ?? "", /nobody/);
  });

  test("the log does not learn who somebody is in the tracker", () => {
    const logged = factsForTheLog(stored({ oncall: { tier: 1, source: "file", ageMs: 0 }, ticket: ticket() }));
    assert.doesNotMatch(JSON.stringify(logged), /alice@/);
    assert.match(JSON.stringify(logged), /"mine":true/);
  });
});
