/** What is done with measured times, and how they are shown. */

/** The nearest rank: with few samples p99 is simply the slowest. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
  if (value === undefined) throw new Error("there are no samples");
  return value;
}

/** Between the two in the middle of an even number: the lower of them would flatter whatever should be small. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  if (low === undefined || high === undefined) throw new Error("there are no samples");
  return (low + high) / 2;
}

/** Runs the work and answers how many milliseconds it took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

export function sleepUntil(epochMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, Math.max(0, epochMs - nowMs()));
  return promise;
}

/** Epoch milliseconds with a fraction, as the servers on this machine count them. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

type Target = { readonly atMost: number } | { readonly atLeast: number };

/** One line of the table. */
export type Line = {
  readonly name: string;
  readonly measure: string;
  readonly unit: "ms" | "req/s" | "/s" | "MB";
  readonly ours: number;
  /** What the bare thing takes; null where the target is a plain number. */
  readonly floor: number | null;
  /** Ours to the floor, or ours itself. The target is about this. */
  readonly value: number;
  readonly target: Target | null /** Null: told for comparison, and held to nothing. */;
  readonly samples: number;
};

/** Null where there is no target. */
export function isMet({ value, target }: Line): boolean | null {
  if (target === null) return null;
  return "atMost" in target ? value <= target.atMost : value >= target.atLeast;
}

/** A ratio per round, and the median of the rounds: what disturbs one round disturbs ours and the floor alike. */
export function ratioLine(
  named: Pick<Line, "name" | "measure" | "unit" | "target" | "samples">,
  rounds: readonly { readonly ours: number; readonly floor: number }[],
): Line {
  return {
    ...named,
    ours: median(rounds.map(({ ours }) => ours)),
    floor: median(rounds.map(({ floor }) => floor)),
    value: median(rounds.map(({ ours, floor }) => ours / floor)),
  };
}

const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2));

/** The lines as a table in Markdown, which reads well on a terminal too. */
export function table(lines: readonly Line[]): string {
  const rows = lines.map((line) => {
    const unit = ` ${line.unit}`;
    const suffix = line.floor === null ? unit : " ×";
    const { target } = line;
    const bound =
      target === null ? "–" : `${"atMost" in target ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`}${suffix}`;
    const met = isMet(line);
    return [
      line.name,
      line.measure,
      shown(line.ours) + unit,
      line.floor === null ? "–" : shown(line.floor) + unit,
      shown(line.value) + suffix,
      bound,
      met === null ? "–" : met ? "yes" : "NO",
    ];
  });
  const head = ["benchmark", "measure", "ours", "floor", "result", "target", "met"];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)));
  const show = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [show(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(show)].join("\n");
}
