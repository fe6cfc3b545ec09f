/**
 * Approvals decided the slow way, by trying everything: who may review, what a review is worth, whether what was approved
 * is enough, and whether it still can become enough. Written from the rules in docs/policy.md, with nothing of ours.
 */
import type { Source, Step } from "../../src/domain/policy.ts";

export type NaivePerson = { readonly name: string; readonly groups: readonly string[]; readonly here: boolean };
type Away = { readonly delegate: string | null; readonly setBy: string };
type NaiveReview = { readonly by: string; readonly standsFor: readonly string[] };
type NaiveRequest = { readonly by: string; steps: Step[]; state: string; reviews: NaiveReview[] };
/** Somebody who decides, and whose decision that may be. */
type Voice = { readonly by: string; readonly rights: readonly string[] };

export class NaiveApprovals {
  readonly people = new Map<string, NaivePerson>();
  readonly requests: NaiveRequest[] = [];
  readonly #away = new Map<string, Away>();
  readonly #owners: readonly Source[];

  constructor(people: readonly NaivePerson[], owners: readonly Source[]) {
    for (const one of people) this.people.set(one.name, one);
    this.#owners = owners;
  }

  isHere = (name: string): boolean => this.people.get(name)?.here === true;

  /** `done`, or why not. */
  ask(by: string, steps: readonly Step[]): string {
    const request: NaiveRequest = { by, steps: [...steps], state: "pending", reviews: [] };
    this.#settle(request);
    if (request.state === "denied") return "no-approvers";
    this.requests.push(request);
    return "done";
  }

  review(at: number, by: string, verdict: "approve" | "deny"): string {
    const request = this.#request(at);
    if (by === request.by) return "self-review";
    if (request.state !== "pending") return "request-decided";
    const standsFor = this.#standsFor(by, request);
    if (![by, ...standsFor].some((right) => request.steps.some((step) => this.#isMeant(right, step, request))))
      return "not-an-approver";
    if (request.reviews.some((one) => one.by === by)) return "already-reviewed";
    request.reviews.push({ by, standsFor });
    if (verdict === "deny") request.state = "denied";
    else if (this.#isEnough(request, this.#given(request))) request.state = "approved";
    return "done";
  }

  takeBack(at: number, by: string): boolean {
    const request = this.#request(at);
    if ((request.by !== by && !by.startsWith("ada")) || request.state !== "pending") return false;
    request.state = "cancelled";
    return true;
  }

  away(name: string, delegate: string | null, setBy: string): void {
    this.#away.set(name, { delegate, setBy });
    this.#settleAll();
  }

  back(name: string): void {
    this.#away.delete(name);
    this.#settleAll();
  }

  become(name: string, more: Partial<NaivePerson>): void {
    const before = this.people.get(name);
    if (before !== undefined) this.people.set(name, { ...before, ...more });
    for (const request of this.requests)
      if (request.state === "pending" && !this.isHere(request.by)) request.state = "cancelled";
    this.#settleAll();
  }

  #request(at: number): NaiveRequest {
    const request = this.requests[at];
    if (request === undefined) throw new Error(`there is no request ${at}`);
    return request;
  }

  #settleAll(): void {
    for (const request of this.requests) if (request.state === "pending") this.#settle(request);
  }

  /** Falls back, is denied for want of people, or is approved by what was given already. */
  #settle(request: NaiveRequest): void {
    const short = this.#lacking(request);
    request.steps = request.steps.map((step, i) =>
      short[i] && step.fallback !== undefined ? { ...step, by: [...new Set([...step.by, ...step.fallback])] } : step,
    );
    if (!this.#isEnough(request, this.#possible(request))) request.state = "denied";
    else if (request.reviews.length > 0 && this.#isEnough(request, this.#given(request))) request.state = "approved";
  }

  #lacking(request: NaiveRequest): boolean[] {
    const places = request.steps.flatMap(({ count }, i) => Array<number>(count).fill(i));
    const filled = this.#fill(request, places, this.#possible(request));
    return request.steps.map(({ count }, i) => filled.filter((one) => one === i).length < count);
  }

  #isEnough(request: NaiveRequest, voices: readonly Voice[]): boolean {
    const places = request.steps.flatMap(({ count }, i) => Array<number>(count).fill(i));
    return this.#fill(request, places, voices).length === places.length;
  }

  /** Of these places (each the number of its step) as many as can be filled, earlier steps first: by trying everything. */
  #fill(
    request: NaiveRequest,
    places: readonly number[],
    voices: readonly Voice[],
    taken = new Set<string>(),
  ): number[] {
    const [first, ...rest] = places;
    if (first === undefined) return [];
    let best: number[] = [];
    const step = request.steps[first];
    for (const { by, rights } of voices) {
      if (taken.has(`by ${by}`) || step === undefined) continue;
      for (const right of rights) {
        if (taken.has(`of ${right}`) || !this.#isMeant(right, step, request)) continue;
        const more = [first, ...this.#fill(request, rest, voices, new Set([...taken, `by ${by}`, `of ${right}`]))];
        if (more.length > best.length) best = more;
        if (best.length === places.length) return best;
      }
    }
    const without = this.#fill(request, rest, voices, taken);
    return without.length > best.length ? without : best;
  }

  #given(request: NaiveRequest): Voice[] {
    const own = new Set(request.reviews.map(({ by }) => by));
    return request.reviews
      .filter(({ by }) => this.isHere(by))
      .map(({ by, standsFor }) => ({ by, rights: [by, ...standsFor.filter((one) => !own.has(one))] }));
  }

  #possible(request: NaiveRequest): Voice[] {
    const given = this.#given(request);
    const reviewed = new Set(request.reviews.map(({ by }) => by));
    const others = [...this.people.keys()].filter(
      (name) => this.isHere(name) && name !== request.by && !reviewed.has(name) && !this.#away.has(name),
    );
    return [...given, ...others.map((by) => ({ by, rights: [by, ...this.#standsFor(by, request)] }))];
  }

  /** In whose place: theirs who named them, did not approve themselves, and were not sent away by who asks, nor ask. */
  #standsFor(delegate: string, request: NaiveRequest): string[] {
    return [...this.#away]
      .filter(([name, away]) => away.delegate === delegate && name !== request.by && away.setBy !== request.by)
      .filter(([name]) => this.isHere(name) && !request.reviews.some(({ by }) => by === name))
      .map(([name]) => name);
  }

  #isMeant(name: string, step: Step, request: NaiveRequest): boolean {
    const one = this.people.get(name);
    if (one === undefined || !one.here || name === request.by) return false;
    const named = step.by.flatMap((source) => (source === "owners" ? this.#owners : [source]));
    return named.some((source) => source === `user:${name}` || one.groups.some((group) => source === `group:${group}`));
  }
}
