import type { Metrics } from "../../src/metrics/metrics.ts";

/** What Prometheus itself adds to every series of a target. */
const OF_PROMETHEUS = ["job", "instance"];

/** Labels by the name of a series, as the server gives them out. */
export async function labelsOfSeries(metrics: Metrics): Promise<Map<string, readonly string[]>> {
  await metrics.text();
  type Registered = { name: string; labelNames: string[]; type?: string };
  const all = metrics.registry.getMetricsAsArray() as unknown as Registered[];
  const types = new Map((await metrics.registry.getMetricsAsJSON()).map(({ name, type }) => [name, String(type)]));
  return new Map(
    all.flatMap(({ name, labelNames }): [string, string[]][] => {
      const labels = [...labelNames, ...OF_PROMETHEUS];
      if (types.get(name) !== "histogram") return [[name, labels]];
      return [
        [`${name}_bucket`, [...labels, "le"]],
        [`${name}_sum`, labels],
        [`${name}_count`, labels],
      ];
    }),
  );
}
