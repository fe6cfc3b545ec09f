import type { Connector, Target } from "../../src/connector/connector.ts";
import { memory } from "../../src/connectors/memory.ts";

/** The memory connector under another name, with some of its verbs replaced: for targets that misbehave. */
export function variant(
  kind: string,
  change: (target: Target<unknown>) => Partial<Target<unknown>>,
  more: Partial<Pick<Connector, "credential" | "intend">> = {},
): Connector {
  const plain = memory as Connector;
  return {
    ...plain,
    ...more,
    kind,
    open: async (connection, context) => {
      const target = await plain.open(connection, context);
      return { ...target, ...change(target) };
    },
  };
}

/** One whose access comes with a secret: every secret that the target was told is kept in `told`, newest last. */
export function withSecret(kind: string): { connector: Connector; told: string[] } {
  const told: string[] = [];
  const connector = variant(
    kind,
    (target) => ({
      provision: async (order, grant) => {
        const made = await target.provision(order, grant);
        if (grant.secret !== null) told.push(grant.secret.reveal());
        const at = { host: "127.0.0.1", port: 1, database: "d", username: order.grant, uri: "memory://" };
        return { ...made, delivery: { kind: "password" as const, ...at } };
      },
    }),
    { credential: "password" },
  );
  return { connector, told };
}
