/**
 * A directory with shared memberships, in this process: groups hold accounts, a grant puts an account into a group. It
 * stands for what LDAP or an identity provider does, in tests and in the simulation, and shows the other kind of right:
 * one that several grants may share, and that may have stood there before all of them.
 */
import { z } from "zod";
import { defineConnector, type Intent, type Target, TargetError } from "../connector/connector.ts";

type MemoryVerb =
  | "open"
  | "identify"
  | "standing"
  | "provision"
  | "extend"
  | "revoke"
  | "disable"
  | "probe"
  | "observe"
  | "remove"
  | "others";

export type MemoryDirectory = {
  identity: string;
  /** Grows with every change. */
  position: number;
  /** Group → accounts. A group must be here before anybody can be put into it. */
  readonly members: Map<string, Set<string>>;
  /** Awaited before every verb; what it throws is the target's answer. */
  fail: ((verb: MemoryVerb) => void | Promise<void>) | null;
};

const directories = new Map<string, MemoryDirectory>();

/** The directory of that name; the same one for everybody in this process. */
export function memoryDirectory(name: string): MemoryDirectory {
  let directory = directories.get(name);
  if (directory === undefined) {
    directory = { identity: `memory:${name}`, position: 1, members: new Map(), fail: null };
    directories.set(name, directory);
  }
  return directory;
}

type MemoryConnection = { readonly directory: string };
type MemoryScope = { readonly group: string };

const oneName = (what: string) => z.string({ error: `a ${what} is a text` }).min(1, { error: `name the ${what}` });

export const memory = defineConnector<MemoryConnection, MemoryScope>({
  kind: "memory",
  credential: "none",
  connection: z.strictObject({ directory: oneName("directory").meta({ description: "a directory in this process" }) }),
  scope: z.strictObject({ group: oneName("group").meta({ description: "the group that gets a member" }) }),
  describe: (scope) => [`is a member of the group ${scope.group}, with all that the group may do`],
  includes: (outer, inner) => outer.group === inner.group,
  intend: (intent) => ({
    right: `member/${intent.scope.group}/${intent.principal.handle}`,
    names: { group: intent.scope.group, account: intent.principal.handle },
  }),
  open: async (connection, { signal }) => {
    const directory = memoryDirectory(connection.directory);
    await answer(directory, "open", signal);
    return target(directory, signal);
  },
});

/** Lets the test have its say, then goes on only if there is still somebody to answer to. */
async function answer(directory: MemoryDirectory, verb: MemoryVerb, signal: AbortSignal): Promise<void> {
  if (directory.fail !== null) await orAborted(directory.fail(verb), signal);
  if (signal.aborted) throw new TargetError("unreachable", `the directory did not answer ${verb} in time`);
}

/** What the test does, or nothing as soon as the signal aborts. */
async function orAborted(work: void | Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** What this directory does not keep. */
const UNTOLD = { scopeHash: null, since: null, by: null, remainingMs: null, more: [], less: [] } as const;

function target(directory: MemoryDirectory, signal: AbortSignal): Target<MemoryScope> {
  const asked = (verb: MemoryVerb): Promise<void> => answer(directory, verb, signal);
  const leave = ({ scope, principal }: Intent<MemoryScope>): void => {
    if (directory.members.get(scope.group)?.delete(principal.handle) === true) directory.position++;
  };
  const isMember = ({ scope, principal }: Intent<MemoryScope>): boolean =>
    directory.members.get(scope.group)?.has(principal.handle) === true;
  return {
    identify: async () => {
      await asked("identify");
      return { identity: directory.identity, position: String(directory.position) };
    },
    standing: async (order) => {
      await asked("standing");
      return isMember(order);
    },
    provision: async (order) => {
      await asked("provision");
      const group = directory.members.get(order.scope.group);
      if (group === undefined) throw new TargetError("no-such-object", `there is no group ${order.scope.group}`);
      if (!isMember(order)) directory.position++;
      group.add(order.principal.handle);
      const note = `you are a member of ${order.scope.group} now; sign in as you always do`;
      return { details: {}, delivery: { kind: "membership", account: order.principal.handle, note } };
    },
    // A membership knows no end of its own.
    extend: () => asked("extend"),
    revoke: async (order, { keep }) => {
      await asked("revoke");
      if (!keep) leave(order);
    },
    // There is no login to shut: a membership is there, or it is not.
    disable: async (order, { keep }) => {
      await asked("disable");
      if (!keep) leave(order);
    },
    probe: async (order) => {
      await asked("probe");
      const there = isMember(order);
      // Evidence goes into the log for ever: whose membership it is, the lease says.
      const check = `membership in ${order.scope.group}`;
      // There is no credential of the grant's own that could still work.
      return {
        own: "gone",
        right: there ? "live" : "gone",
        remains: [],
        observations: [{ check, saw: there ? "a member" : "no member" }],
      };
    },
    // A membership carries no mark: nothing tells ours from anybody else's, so only those that are asked about are told.
    observe: async (_installation, orders = []) => {
      await asked("observe");
      return orders.filter(isMember).map((order) => ({
        as: "own",
        name: `${order.principal.handle} in ${order.scope.group}, for ${order.grant}`,
        what: `member of the group ${order.scope.group}`,
        grant: order.grant,
        ...UNTOLD,
      }));
    },
    remove: async ({ name }) => {
      await asked("remove");
      throw new TargetError("conflict", `${name} carries no mark; it was not touched`);
    },
    others: async (scopes, orders) => {
      await asked("others");
      const ours = (group: string, who: string): boolean =>
        orders.some((order) => order.scope.group === group && order.principal.handle === who);
      return scopes.flatMap(({ entitlement, scope }) =>
        [...(directory.members.get(scope.group) ?? [])]
          .filter((who) => !ours(scope.group, who))
          .map((who) => ({
            who,
            entitlement,
            access: `is a member of the group ${scope.group}`,
            how: "directly",
            ...{ since: null, by: null, sessions: null, lastActivity: null },
          })),
      );
    },
    close: async () => {},
  };
}
