import type { Bench } from "./bench.ts";

/** Does it while the target answers nothing; brings the target back whatever comes of it. */
export async function duringOutage(bench: Bench, work: () => Promise<void>): Promise<void> {
  if (bench.place.outage === undefined) throw new Error("the fixture has no outage; say why in `without`");
  const mend = await bench.place.outage();
  try {
    await work();
  } finally {
    await mend();
  }
}

/** What it came to within that time; null: nothing yet. Its end afterwards is nobody's business. */
export async function settled<T>(
  work: Promise<T>,
  withinMs: number,
): Promise<{ value: T } | { error: unknown } | null> {
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(resolve, withinMs, null);
  const answer = work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
