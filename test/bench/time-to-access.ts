/** From the request to a credential that signs in, against the same SQL by a bare script and three durable commits. */
import { type BenchWorld, type Models, openCommits } from "./bench-world.ts";
import { type Line, quantile, ratioLine, timed } from "./numbers.ts";
import { newStand, replay, signIn } from "./replay.ts";

const PAIRS_PER_ROUND = 40;
/** The request with its grant, the lease, active. */
const COMMITS = 3;

export async function timeToAccess(world: BenchWorld, models: Models, rounds: number): Promise<Line[]> {
  const connection = world.connection();
  const commits = await openCommits(world, 1);

  const ours = async (): Promise<void> => {
    const id = await world.request(connection, "2h");
    await world.grantIs(connection, id, "active");
    await signIn(await world.credential(connection, id));
  };
  const floor = async (): Promise<void> => {
    const stand = newStand(models.access, models.role);
    await commits.commit(0, 1);
    await commits.commit(0, COMMITS - 1);
    await replay(models.access, stand, world.adminUrl);
    const url = new URL(world.adminUrl);
    [url.username, url.password] = [stand.role, stand.password.reveal()];
    await signIn(url.href);
  };

  const seen: { ours: number[]; floor: number[] }[] = [];
  await ours();
  await floor();
  for (let round = 0; round < rounds; round += 1) {
    const times = { ours: [] as number[], floor: [] as number[] };
    for (let pair = 0; pair < PAIRS_PER_ROUND; pair += 1) {
      times.ours.push(await timed(ours));
      times.floor.push(await timed(floor));
    }
    seen.push(times);
  }
  await commits.close();
  connection.close();
  const line = (measure: string, q: number, atMost: number): Line =>
    ratioLine(
      { name: "time-to-access", measure, unit: "ms", target: { atMost }, samples: rounds * PAIRS_PER_ROUND },
      seen.map((round) => ({ ours: quantile(round.ours, q), floor: quantile(round.floor, q) })),
    );
  return [line("p50", 0.5, 2.5), line("p99", 0.99, 5)];
}
