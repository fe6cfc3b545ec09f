/** Connectors for shared memberships that are wrong in one thing each: what a grant has in common with others. */

import type { Connector, Target } from "../connector/connector.ts";
import { memory } from "./memory.ts";

type Membership = typeof memory extends Connector<infer _, infer Scope> ? Target<Scope> : never;

const wrongVerb = (
  mistake: string,
  breaks: readonly string[],
  change: (right: Membership) => Partial<Membership>,
): { mistake: string; breaks: readonly string[]; connector: typeof memory } => ({
  mistake,
  breaks,
  connector: {
    ...memory,
    open: async (connection, context) => {
      const right = await memory.open(connection, context);
      return { ...right, ...change(right) };
    },
  },
});

const NOTHING = { scopeHash: null, since: null, by: null, remainingMs: null, more: [], less: [] } as const;

export const WRONG_MEMBERSHIPS = [
  wrongVerb("somebody's memberships are listed as ours", ["unmarked"], (right) => ({
    observe: async (...args) => [
      ...(await right.observe(...args)),
      { as: "own", name: "somebody", what: "a member", grant: null, ...NOTHING },
    ],
  })),
  wrongVerb("a membership that another grant needs is taken", ["overlap", "installations"], (right) => ({
    revoke: (order) => right.revoke(order, { keep: false }),
  })),
  wrongVerb("a membership that is to be kept is disabled", ["installations"], (right) => ({
    disable: (order) => right.disable(order, { keep: false }),
  })),
  wrongVerb("a right that was there before is not seen", ["found"], (right) => ({
    standing: async (order) => (await right.standing(order)) && false,
  })),
  wrongVerb("whatever goes wrong while looking for a standing right is taken for none", ["unknown"], (right) => ({
    standing: (order) => right.standing(order).catch(() => false),
  })),
  wrongVerb("what carries no mark is removed all the same", ["unmarked"], () => ({
    remove: async () => ({ own: "gone", right: "gone", remains: [], observations: [] }),
  })),
] as const;
