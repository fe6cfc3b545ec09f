/**
 * What it costs that a call is somebody's. Two calls that do nothing else are sent in turns on one connection: one that is
 * refused for the role of whoever sends it, and one to an address where nothing is, which looks at nobody. Both are
 * problems of about the same size, so what lies between them is the question who it is, and nothing that a page does.
 */
import { hashToken, newSecretText } from "../../src/base/token.ts";
import type { BenchWorld } from "./bench-world.ts";
import { type Line, median, timed } from "./numbers.ts";

const WARM_UP = 1_000;
const CALLS = 1_500;
/** Erin is a member: this is not for her, and nothing but her role is looked at. */
const REFUSED = { path: "/v1/targets", status: 403 };
const NOWHERE = { path: "/v1/nowhere", status: 404 };

type Way = { readonly path: string; readonly status: number; readonly lines: readonly string[] };

export async function auth(world: BenchWorld, rounds: number): Promise<Line[]> {
  const ways: Readonly<Record<"nobody" | "bearer" | "cookie", Way>> = {
    nobody: { ...NOWHERE, lines: [] },
    bearer: { ...REFUSED, lines: [`authorization: Bearer ${world.token("erin")}`] },
    cookie: { ...REFUSED, lines: [`cookie: tidegate-session=${await signedIn(world)}`] },
  };
  await inTurns(world, ways, WARM_UP);
  const seen: Record<keyof typeof ways, number>[] = [];
  for (let round = 0; round < rounds * 2; round += 1) seen.push(await inTurns(world, ways, CALLS));
  const line = (way: "bearer" | "cookie", measure: string): Line => {
    const value = median(seen.map((round) => round[way] - round.nobody));
    const samples = CALLS * seen.length;
    return { name: "auth", measure, unit: "ms", ours: value, floor: null, value, target: { atMost: 0.3 }, samples };
  };
  return [
    line("bearer", "p50 of a call by token over one by nobody"),
    line("cookie", "p50 of a call by cookie over one by nobody"),
  ];
}

/** The median of each way, the calls of all ways interleaved: what disturbs one disturbs all. */
async function inTurns<Name extends string>(
  world: BenchWorld,
  ways: Readonly<Record<Name, Way>>,
  calls: number,
): Promise<Record<Name, number>> {
  const connection = world.connection();
  const names = Object.keys(ways) as Name[];
  const samples = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (let n = 0; n < calls; n += 1)
    for (const name of names) {
      const { path, status, lines } = ways[name];
      const ms = await timed(async () => {
        const answer = await connection.send("GET", path, lines);
        if (answer.status !== status) throw new Error(`${path} answered ${answer.status}: ${answer.body}`);
      });
      samples.get(name)?.push(ms);
    }
  connection.close();
  return Object.fromEntries(names.map((name) => [name, median(samples.get(name) ?? [])])) as Record<Name, number>;
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
