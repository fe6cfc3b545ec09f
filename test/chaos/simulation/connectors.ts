/** Connectors to the simulated targets, written like real ones: every step is a round trip of the process that runs them. */
import { z } from "zod";
import { bareId } from "../../../src/base/ids.ts";
import {
  type Connector,
  defineConnector,
  type Order,
  type Target,
  TargetError,
} from "../../../src/connector/connector.ts";
import type { Process } from "./process.ts";
import { type AdminSession, type DatabaseServer, type DirectoryServer, type Login, Server } from "./servers.ts";

const LATENCY_MS = [1, 12] as const;
/** Some answers take their time. */
const SLOW_MS = [100, 900] as const;
const SLOW_RATE = 0.04;

const connection = z.strictObject({ server: z.string(), password: z.string() });
const scope = z.strictObject({ group: z.string() });
type Scope = z.infer<typeof scope>;

/** One step on the target: refused once the session is gone, or the caller has been told to stop. */
type Step = <T>(what: string, act: () => T) => Promise<T>;

/** A session on the server, and the way to do things in it. */
async function session(
  process: Process,
  server: Server,
  { signal, actor }: Parameters<Connector["open"]>[1],
): Promise<{ step: Step; close: () => Promise<void> }> {
  const ask = async <T>(what: string, act: () => T): Promise<T> => {
    if (signal.aborted) throw new TargetError("unreachable", "told to stop");
    const latencyMs = process.dice.happens(SLOW_RATE) ? SLOW_MS : LATENCY_MS;
    return process.call(
      `${server.identity} ${what}`,
      async () => {
        await server.ready();
        return act();
      },
      latencyMs,
    );
  };
  const opened: AdminSession = await ask(`open ${actor.fence}`, () => server.open(actor));
  process.onDeath(() => server.close(opened));
  return {
    step: (what, act) =>
      ask(`${what} by ${actor.fence}`, () => {
        if (!opened.alive) throw new TargetError("unreachable", "the session was ended");
        return act();
      }),
    close: () => process.call(`${server.identity} close`, () => server.close(opened), LATENCY_MS),
  };
}

const serverOf = <S extends Server>(servers: ReadonlyMap<string, Server>, name: string): S => {
  const server = servers.get(name);
  if (!(server instanceof Server)) throw new TargetError("cannot-sign-in", `there is no server ${name}`);
  return server as S;
};

const refuseRemove = async (): Promise<never> => {
  throw new TargetError("not-supported", "nothing is swept here");
};

/** A login for each grant, as on PostgreSQL. */
export function loginConnector(process: Process, servers: ReadonlyMap<string, Server>): Connector {
  return defineConnector<z.infer<typeof connection>, Scope>({
    kind: "sim-login",
    credential: "password",
    connection,
    scope,
    describe: ({ group }) => [`may do what ${group} may`],
    includes: (outer, inner) => outer.group === inner.group,
    intend: ({ installation, grant }) => {
      const login = `tg_${installation}_${bareId(grant)}`;
      return { right: `login/${login}`, names: { login } };
    },
    open: async (to, context) => {
      const server = serverOf<DatabaseServer>(servers, to.server);
      const { step, close } = await session(process, server, context);
      return logins(server, process, step, close);
    },
  }) as Connector;
}

function logins(server: DatabaseServer, process: Process, step: Step, close: () => Promise<void>): Target<Scope> {
  const nameOf = ({ names }: Order<Scope>): string => String(names["login"]);
  const alter = (order: Order<Scope>, what: string, change: (login: Login) => void): Promise<void> =>
    step(what, () => server.alter(nameOf(order), what, change));
  const until = (remainingMs: number): number => process.timeline.nowMs + remainingMs;
  const shut = async (order: Order<Scope>): Promise<void> => {
    await alter(order, "off", (login) => {
      login.on = false;
    });
    await step("end sessions", () => server.endSessions(nameOf(order)));
  };
  return {
    identify: () => step("identify", () => ({ identity: server.identity, position: String(server.position) })),
    standing: () => step("standing", () => false),
    provision: async (order, { secret, remainingMs }) => {
      const name = nameOf(order);
      await step("create", () => server.create(name, order.grant));
      await order.remember({ made: true });
      await alter(order, "into the group", (login) => login.groups.add(order.scope.group));
      await alter(order, "on", (login) => {
        login.on = true;
        login.secret = secret?.reveal() ?? null;
        login.validUntilMs = until(remainingMs);
      });
      const uri = `sim://${name}@${server.identity}`;
      return {
        details: { name },
        delivery: { kind: "password", host: server.identity, port: 1, database: "sim", username: name, uri },
      };
    },
    extend: (order, { remainingMs }) =>
      alter(order, "later", (login) => {
        login.validUntilMs = until(remainingMs);
      }),
    revoke: async (order) => {
      await shut(order);
      await order.remember({ shut: true });
      await step("drop", () => server.drop(nameOf(order)));
    },
    disable: shut,
    probe: (order) =>
      step("probe", () => {
        const login = server.logins.get(nameOf(order));
        const live = login !== undefined && (login.on || login.sessions > 0);
        return {
          own: live ? "live" : "gone",
          right: "gone",
          remains: login === undefined ? [] : ["the login is still there"],
          observations: [{ check: "login", saw: login === undefined ? "no login" : live ? "live" : "off" }],
        };
      }),
    observe: () => step("observe", () => []),
    remove: refuseRemove,
    close,
  };
}

/** Memberships that grants share, as in a directory. */
export function memberConnector(process: Process, servers: ReadonlyMap<string, Server>): Connector {
  return defineConnector<z.infer<typeof connection>, Scope>({
    kind: "sim-member",
    credential: "none",
    connection,
    scope,
    describe: ({ group }) => [`is a member of ${group}`],
    includes: (outer, inner) => outer.group === inner.group,
    intend: (intent) => ({ right: `member/${memberOf(intent)}`, names: {} }),
    open: async (to, context) => {
      const server = serverOf<DirectoryServer>(servers, to.server);
      const { step, close } = await session(process, server, context);
      return members(server, step, close);
    },
  }) as Connector;
}

const memberOf = ({ scope: { group }, principal }: Pick<Order<Scope>, "scope" | "principal">): string =>
  `${group}/${principal.handle}`;

function members(server: DirectoryServer, step: Step, close: () => Promise<void>): Target<Scope> {
  const leave = async (order: Order<Scope>, { keep }: { keep: boolean }): Promise<void> => {
    if (!keep) await step("remove", () => server.remove(memberOf(order)));
  };
  return {
    identify: () => step("identify", () => ({ identity: server.identity, position: String(server.position) })),
    standing: (order) => step("standing", () => server.members.has(memberOf(order))),
    provision: async (order) => {
      await step("look", () => server.members.has(memberOf(order)));
      await step("add", () => server.add(memberOf(order)));
      return { details: {}, delivery: { kind: "membership", account: order.principal.handle, note: "you are in" } };
    },
    extend: () => step("extend", () => undefined),
    revoke: leave,
    disable: leave,
    probe: (order) =>
      step("probe", () => {
        const there = server.members.has(memberOf(order));
        return {
          own: "gone",
          right: there ? "live" : "gone",
          remains: [],
          observations: [{ check: "membership", saw: there ? "a member" : "no member" }],
        };
      }),
    observe: () => step("observe", () => []),
    remove: refuseRemove,
    close,
  };
}
