/** What policy costs in a large organisation: making it ready, one decision, and the page of what there is to ask for. */
import { compilePolicy, evaluate } from "../../src/domain/evaluate.ts";
import { offeredBy } from "../../src/domain/partial-condition.ts";
import { createApi, tokenOf, withTokens } from "../support/api.ts";
import { createWorld } from "../support/world.ts";
import { largeConfiguration, manyPeople } from "./large-organisation.ts";
import { type Line, median, quantile, timed } from "./numbers.ts";

const DECISIONS = 2_000;
const PAGES = 20;
const PAGE = 50;
const UNHURRIED = { perSecond: 100_000, burst: 100_000 };

/** As the configuration would make them, at once. */
const INSERT_PEOPLE = `
  insert into principals (id, kind, handle, name, type, groups, roles, oncall_tier, active, created_at)
  select p ->> 'id', 'user', p ->> 'handle', p ->> 'name', p ->> 'type', p -> 'groups', p -> 'roles', 0, true, now()
  from jsonb_array_elements($1::jsonb) as p`;

export async function decide(rounds: number): Promise<Line[]> {
  const configuration = largeConfiguration("bench");
  const compiles: number[] = [];
  const decisions: number[] = [];
  const offered = offeredBy(configuration.resources);
  const people = manyPeople();
  for (let round = 0; round < rounds; round += 1) {
    const startedMs = performance.now();
    const policy = compilePolicy(configuration);
    compiles.push(performance.now() - startedMs);
    for (let n = 0; n < DECISIONS; n += 1) {
      const [user, one] = [people[(n * 7_919) % people.length], offered[(n * 104_729) % offered.length]];
      if (user === undefined || one === undefined) continue;
      const request = {
        durationMs: 3_600_000,
        reason: "checkouts fail",
        ticket: "INC-42",
        emergency: false,
        startMs: null,
      };
      const circumstances = { user, ...one, request, oncall: { tier: user.onCallTier }, nowMs: Date.now() };
      const fromMs = performance.now();
      evaluate(policy, circumstances);
      decisions.push(performance.now() - fromMs);
    }
  }
  const plain = { name: "decide", unit: "ms", floor: null } as const;
  const at = (measure: string, value: number, atMost: number, samples: number): Line => ({
    ...{ ...plain, measure, ours: value, value, target: { atMost }, samples },
  });
  return [
    at("policy of 1,000 rules made ready", median(compiles), 1_500, compiles.length),
    at("p99 of a decision, 1,000 rules", quantile(decisions, 0.99), 2, decisions.length),
    at(`GET /v1/resources, ${PAGE} of 500, 10,000 people`, await pageMs(rounds), 150, PAGES * rounds),
  ];
}

/** The median of a page, over the API with its store, by somebody who may ask for all 5,000 entitlements. */
async function pageMs(rounds: number): Promise<number> {
  const world = await createWorld();
  try {
    await world.configure(withTokens(largeConfiguration(world.directoryName)));
    await world.store.pool.query(INSERT_PEOPLE, [JSON.stringify(manyPeople())]);
    const api = createApi(world, { limits: { perPrincipal: UNHURRIED, perAddress: UNHURRIED } });
    const pages: number[] = [];
    for (let n = 0; n < PAGES * rounds; n += 1) {
      const url = `/v1/resources?limit=${PAGE}&cursor=db-${(n * 37) % 400}`;
      const headers = { authorization: `Bearer ${tokenOf("asker")}` };
      pages.push(await timed(() => api.app.inject({ method: "GET", url, headers })));
    }
    await api.close();
    return median(pages);
  } finally {
    await world.stop();
  }
}
