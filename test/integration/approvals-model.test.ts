/**
 * Random organisations in which people ask, review, take back, go away, name a delegate, come back, change groups and leave, on
 * the real store: after everything that happens each request is in the state that the naive approvals say.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { RequestId } from "../../src/base/ids.ts";
import { isRefusal, type Refusal } from "../../src/base/problem.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import type { Source, Step } from "../../src/domain/policy.ts";
import { cancelRequest } from "../../src/operations/cancel-request.ts";
import { lookAgainAtRequests } from "../../src/operations/look-again-at-requests.ts";
import { setAway, setBack } from "../../src/operations/set-away.ts";
import { reviewsOf } from "../../src/store/requests.ts";
import { configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { NaiveApprovals, type NaivePerson } from "../support/naive-approvals.ts";
import { createWorld, type World } from "../support/world.ts";

const LONG = process.env["TIDEGATE_LONG"] !== undefined;
const RUNS = LONG ? 2_000 : 60;
const RACES = LONG ? 500 : 25;
const SEED = Number(process.env["TIDEGATE_SEED"] ?? fc.sample(fc.integer(), 1)[0]);
const HOUR_MS = 3_600_000;

/** Few, so that it often matters who is there. */
const NAMES = ["alice", "bob", "carol", "dave", "ada"];
const GROUPS = ["owners", "security"];
const ENTITLEMENTS = ["read", "fix"];

const who = fc.constantFrom(...NAMES);
const some = fc.subarray(GROUPS, { minLength: 1 });
const source = fc.constantFrom<Source>("owners", ...GROUPS.map((group): Source => `group:${group}`), "user:?");
const sources: fc.Arbitrary<Source[]> = fc.tuple(source);
const step = fc.record({
  by: sources,
  count: fc.constantFrom(1, 1, 2),
  fallback: fc.option(sources, { freq: 1 }),
});
const organisation = fc.record({
  groups: fc.tuple(...NAMES.map(() => some)),
  rules: fc.tuple(...ENTITLEMENTS.map(() => fc.array(step, { minLength: 1, maxLength: 2 }))),
  named: who,
});
type Organisation = typeof organisation extends fc.Arbitrary<infer T> ? T : never;

const one = fc.nat(11);
const happening = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ what: fc.constant("ask"), by: who, entitlement: fc.constantFrom(...ENTITLEMENTS) }),
  },
  { weight: 12, arbitrary: fc.record({ what: fc.constant("approve"), by: who, one }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("deny"), by: who, one }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("take-back"), by: who, one }) },
  {
    weight: 6,
    arbitrary: fc.record({ what: fc.constant("away"), by: who, delegate: fc.option(who), byAdmin: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("back"), by: who }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("groups"), by: who, groups: some }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("leave"), by: who }) },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

let world: World;
let runs = 0;
before(async () => {
  world = await createWorld();
});
after(() => world.stop());

/** People of one run: nobody of an earlier one is left, and what they asked for ended with them. */
class Story {
  readonly model: NaiveApprovals;
  readonly #ids: RequestId[] = [];
  readonly #tag: string;
  readonly #steps: ReadonlyMap<string, readonly Step[]>;
  #changes = 0;

  constructor({ groups, rules, named }: Organisation) {
    runs += 1;
    this.#tag = `r${runs}`;
    const people = NAMES.map(
      (name, i): NaivePerson => ({ name: this.handle(name), groups: groups[i] ?? [], here: true }),
    );
    this.model = new NaiveApprovals(people, ["group:owners"]);
    const concrete = (all: readonly Source[]): Source[] =>
      all.map((it): Source => (it === "user:?" ? `user:${this.handle(named)}` : it));
    this.#steps = new Map(
      ENTITLEMENTS.map((name, i) => [
        name,
        (rules[i] ?? []).map(({ by, count, fallback }) => ({
          ...{ by: concrete(by), count },
          ...(fallback === null ? {} : { fallback: concrete(fallback) }),
        })),
      ]),
    );
  }

  handle = (name: string): string => `${name}-${this.#tag}`;

  configure(): Promise<unknown> {
    return world.configure(this.#configuration());
  }

  #configuration(): Configuration {
    const resource = directoryResource(
      "dir",
      world.directoryName,
      Object.fromEntries(ENTITLEMENTS.map((name) => [name, { group: name }])),
      { owners: ["group:owners"] },
    );
    return configuration({
      resources: [resource],
      principals: [...this.model.people.values()].map(({ name, groups, here }) =>
        person(name, { groups, active: here, ...(name.startsWith("ada") ? { roles: ["admin"] } : {}) }),
      ),
      policies: [...this.#steps].map(([name, steps]) => ({
        ...needs(name, ...steps),
        when: `entitlement.name == "${name}"`,
      })),
    });
  }

  async tell(it: Happening): Promise<void> {
    const by = this.handle(it.by);
    if (!this.model.isHere(by)) return;
    if ("entitlement" in it) await this.#ask(by, it.entitlement);
    else if ("one" in it) await this.#decide(it.what, by, it.one);
    else if ("delegate" in it) await this.#away(by, it.delegate === null ? null : this.handle(it.delegate), it.byAdmin);
    else if ("groups" in it) await this.#become(by, { groups: it.groups });
    else if (it.what === "leave") await this.#become(by, { here: false });
    else await this.#back(by);
    while ((await lookAgainAtRequests(world.context)) > 0);
    await this.hold();
  }

  async #ask(by: string, entitlement: string): Promise<void> {
    const answer = await world.ask(by, `dir:${entitlement}`);
    const expected = this.model.ask(by, this.#steps.get(entitlement) ?? []);
    assert.equal(codeOf(answer), expected);
    if (!isRefusal(answer)) this.#ids.push(answer.requestId);
  }

  async #decide(what: string, by: string, one: number): Promise<void> {
    const at = this.#ids.length === 0 ? 0 : one % this.#ids.length;
    const id = this.#ids[at];
    if (id === undefined) return;
    if (what === "take-back") {
      const asked = this.model.requests[at]?.by ?? by;
      for (const taking of new Set([by, this.model.isHere(asked) ? asked : by])) {
        const answer = await cancelRequest(world.context, await world.principal(taking), id);
        assert.equal(isRefusal(answer), !this.model.takeBack(at, taking));
      }
      return;
    }
    const verdict = what === "deny" ? "deny" : "approve";
    assert.equal(codeOf(await world.review(by, id, { verdict })), this.model.review(at, by, verdict));
  }

  async #away(by: string, delegate: string | null, byAdmin: boolean): Promise<void> {
    const ada = this.handle("ada");
    const setBy = byAdmin && this.model.isHere(ada) ? ada : by;
    if (delegate === by || (delegate !== null && !this.model.isHere(delegate))) return;
    // Each until another time: the same again would change nothing, also not who said it.
    this.#changes += 1;
    const untilMs = Date.now() + HOUR_MS + this.#changes * 1_000;
    const answer = await setAway(world.context, await world.principal(setBy), by, { untilMs, delegate });
    assert.ok(!isRefusal(answer), codeOf(answer));
    this.model.away(by, delegate, setBy);
  }

  async #back(by: string): Promise<void> {
    const answer = await setBack(world.context, await world.principal(by), by);
    assert.ok(!isRefusal(answer), codeOf(answer));
    this.model.back(by);
  }

  async #become(by: string, more: Partial<NaivePerson>): Promise<void> {
    this.model.become(by, more);
    await this.configure();
  }

  /** What is stored is what the model says, and approvals are what they must be. */
  async hold(): Promise<void> {
    const requests = await Promise.all(this.#ids.map((id) => world.request(id)));
    assert.deepEqual(
      requests.map(({ state }) => state),
      this.model.requests.map(({ state }) => state),
    );
    for (const request of requests) {
      assert.equal(request.grantId !== null, request.state === "approved", "a grant exactly where it was approved");
      const reviews = await reviewsOf(world.store.db, request.id);
      const reviewers = reviews.filter(({ voidedMs }) => voidedMs === null).map(({ reviewerId }) => reviewerId);
      assert.equal(new Set(reviewers).size, reviewers.length, "nobody reviews twice");
      assert.ok(!reviewers.includes(request.requesterId), "nobody reviews what they ask for");
    }
  }

  async askFirst(): Promise<RequestId | null> {
    await this.#ask(this.handle("alice"), "read");
    return this.#ids[0] ?? null;
  }
}

const codeOf = (answer: unknown): string => (isRefusal(answer as Refusal) ? (answer as Refusal).refused : "done");

test("whatever happens in whatever order, requests are decided as the naive approvals say", async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const met = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(organisation, fc.array(happening, { minLength: 12, maxLength: 30 }), async (people, all) => {
      const story = new Story(people);
      await story.configure();
      for (const it of all) await story.tell(it);
      for (const { state } of story.model.requests) met.set(state, (met.get(state) ?? 0) + 1);
    }),
    { seed: SEED, numRuns: RUNS, endOnFailure: process.env["TIDEGATE_SHRINK"] === undefined },
  );
  t.diagnostic([...met].map(([state, times]) => `${times} ${state}`).join(", "));
  for (const state of ["approved", "denied", "pending", "cancelled"])
    assert.ok((met.get(state) ?? 0) >= RUNS / 20, `${state}: met ${met.get(state) ?? 0} times`);
});

test("S09 all who may decide at the same moment: one grant at most, and the same as one after another", async (t) => {
  t.diagnostic(`seed ${SEED}`);
  await fc.assert(
    fc.asyncProperty(
      organisation,
      fc.array(fc.record({ by: who, delegate: who }), { maxLength: 3 }),
      async (people, away) => {
        const story = new Story(people);
        await story.configure();
        for (const { by, delegate } of away) await story.tell({ what: "away", by, delegate, byAdmin: false });
        const id = await story.askFirst();
        if (id === null) return;
        const handles = NAMES.map(story.handle);
        await Promise.all([...handles, ...handles].map((by) => world.review(by, id)));
        // Whoever was first: as many approve as may, until it is decided.
        for (const by of handles) story.model.review(0, by, "approve");
        await story.hold();
        const made = (await world.grants()).filter(({ requestId }) => requestId === id);
        assert.equal(made.length, story.model.requests[0]?.state === "approved" ? 1 : 0);
      },
    ),
    { seed: SEED, numRuns: RACES, endOnFailure: true },
  );
});
