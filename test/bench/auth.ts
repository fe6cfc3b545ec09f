/**
 * What it costs that a call is somebody's. Two calls that do nothing else are sent in turns on one connection: one that is
 * refused for the role of whoever sends it, and one to an address where nothing is, which looks at nobody. Both are
 * problems of about the same size, so what lies between them is the question who it is, and nothing that a page does.
 */
import pg from "pg";
import { hashToken, newSecretText } from "../../src/base/token.ts";
import type { BenchWorld } from "./bench-world.ts";
import { type Line, median, timed } from "./numbers.ts";

const WARM_UP = 1_000;
const CALLS = 1_500;
const WANTED = { atMost: 0.3 };
/** Erin is a member: this is not for her, and nothing but her role is looked at. */
const REFUSED = { path: "/v1/targets", status: 403 };
const NOWHERE = { path: "/v1/nowhere", status: 404 };

/** The question that a token asks of the store, as anybody would ask it. */
const QUESTION = `select p.*, t.id as token, t.scopes from api_tokens t join principals p on p.id = t.principal_id
  where t.hash = $1 and t.revoked_at is null and (t.expires_at is null or t.expires_at > clock_timestamp()) and p.active`;

type Way = { readonly path: string; readonly status: number; readonly lines: readonly string[] };

export async function auth(world: BenchWorld, rounds: number): Promise<Line[]> {
  const ways: Readonly<Record<"nobody" | "bearer" | "cookie", Way>> = {
    nobody: { ...NOWHERE, lines: [] },
    bearer: { ...REFUSED, lines: [`authorization: Bearer ${world.token("erin")}`] },
    cookie: { ...REFUSED, lines: [`cookie: tidegate-session=${await signedIn(world)}`] },
  };
  const store = new pg.Client({ connectionString: world.storeUrl });
  await store.connect();
  const hash = hashToken(world.token("erin"));
  const bare = () => store.query({ name: "who", text: QUESTION, values: [hash] });
  await inTurns(world, ways, bare, WARM_UP);
  const seen: Record<keyof typeof ways | "bare", number>[] = [];
  for (let round = 0; round < rounds * 2; round += 1) seen.push(await inTurns(world, ways, bare, CALLS));
  await store.end();
  const line = (measure: string, value: number, target: Line["target"]): Line => ({
    ...{ name: "auth", measure, unit: "ms", ours: value, floor: null, value, target, samples: CALLS * seen.length },
  });
  const over = (way: "bearer" | "cookie"): number => median(seen.map((round) => round[way] - round.nobody));
  const asked = median(seen.map((round) => round.bare));
  return [
    line("p50 of a call by token over one by nobody", over("bearer"), WANTED),
    line("p50 of a call by cookie over one by nobody", over("cookie"), WANTED),
    line("p50 of the same question by a bare client", asked, null),
  ];
}

/** The median of each way, the calls of all ways interleaved: what disturbs one disturbs all. */
async function inTurns<Name extends string>(
  world: BenchWorld,
  ways: Readonly<Record<Name, Way>>,
  bare: () => Promise<unknown>,
  calls: number,
): Promise<Record<Name | "bare", number>> {
  const connection = world.connection();
  const names = Object.keys(ways) as Name[];
  const samples = new Map<string, number[]>([...names, "bare"].map((name) => [name, []]));
  for (let n = 0; n < calls; n += 1) {
    samples.get("bare")?.push(await timed(bare));
    for (const name of names) {
      const { path, status, lines } = ways[name];
      const ms = await timed(async () => {
        const answer = await connection.send("GET", path, lines);
        if (answer.status !== status) throw new Error(`${path} answered ${answer.status}: ${answer.body}`);
      });
      samples.get(name)?.push(ms);
    }
  }
  connection.close();
  const medians = Array.from(samples, ([name, ms]) => [name, median(ms)]);
  return Object.fromEntries(medians) as Record<Name | "bare", number>;
}

/** Erin's browser, as if she had signed in with it. Answers its cookie. */
async function signedIn(world: BenchWorld): Promise<string> {
  const cookie = newSecretText();
  await world.inStore(
    `insert into sign_in_sessions (id, principal_id, hash, provider, issuer, subject, user_agent, idle_ms, created_at, seen_at, expires_at)
     select $1, id, $2, 'bench', 'http://127.0.0.1:1', 'erin', '', 3600000, now(), now(), now() + interval '1 hour'
       from principals where handle = 'erin' and active`,
    [
      `se_${newSecretText()
        .toLowerCase()
        .replaceAll(/[^0-9a-hjkmnp-tv-z]/g, "0")
        .slice(0, 16)}`,
      hashToken(cookie),
    ],
  );
  return cookie;
}
