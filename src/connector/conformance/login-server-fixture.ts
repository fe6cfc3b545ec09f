/**
 * A server with logins, in this process, and a small connector that does right by it: a login for each grant, in a group that
 * the grants of one list share. It is there to be done wrong, one rule at a time.
 */
import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { z } from "zod";
import type { GrantId, InstallationId } from "../../base/ids.ts";
import type { Observed } from "../../domain/observed.ts";
import { type Actor, defineConnector, type Order, type Probe, type Target, TargetError } from "../connector.ts";
import type { Fixture } from "./fixture.ts";

export type LoginSession = { readonly login: string; live: boolean };
export type Login = {
  readonly installation: InstallationId;
  readonly grant: GrantId;
  secrets: string[];
  shut: boolean;
  endsAtMs: number;
};
type Admin = { readonly actor: Actor; ended: boolean };

export type LoginServer = {
  readonly identity: string;
  position: number;
  readonly logins: Map<string, Login>;
  /** Name → who is in it. Being in one with the name of a list, or `INSTALLATION/LIST`, gives what the list gives. */
  readonly groups: Map<string, Set<string>>;
  readonly lists: ReadonlySet<string>;
  sessions: LoginSession[];
  readonly admins: Set<Admin>;
  log: string;
  /** While it is there, nothing is answered. */
  outage: Promise<void> | null;
};

const servers = new Map<string, LoginServer>();

export function loginServer(name: string): LoginServer {
  const lists = new Set(["deployers", "readers"]);
  const server = servers.get(name) ?? {
    ...{ identity: `logins:${name}`, position: 1, logins: new Map(), groups: new Map(), lists },
    ...{ sessions: [], admins: new Set<Admin>(), log: "", outage: null },
  };
  servers.set(name, server);
  return server;
}

export type LoginConnection = { readonly server: string; readonly password: string };
export type LoginScope = { readonly list: string };
export type LoginTarget = Target<LoginScope>;

const recorded = z.object({ login: z.string(), group: z.string() });
export const namesOf = ({ names }: Pick<Order<LoginScope>, "names">) => recorded.parse(names);

/** Waits for the server; refuses when the signal has aborted or a later claim has ended this session. */
async function answered(server: LoginServer, signal: AbortSignal, admin: Admin | null): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (signal.aborted) resolve();
  await Promise.race([server.outage ?? nextTurn(), aborted]);
  if (signal.aborted) throw new TargetError("unreachable", "no answer in time");
  if (admin?.ended === true) throw new TargetError("unreachable", "the session was ended");
}

export const isIn = (server: LoginServer, login: string, list: string, group: string): boolean =>
  server.groups.get(group)?.has(login) === true && server.lists.has(list);

export const loginConnector = defineConnector<LoginConnection, LoginScope>({
  kind: "logins",
  credential: "password",
  connection: z.strictObject({ server: z.string(), password: z.string() }) as z.ZodType<LoginConnection>,
  scope: z.strictObject({ list: z.string().regex(/^[a-z]+$/) }),
  describe: ({ list }) => [`is on the list ${list}`],
  includes: (outer, inner) => outer.list === inner.list,
  intend: ({ installation, grant, scope }) => ({
    right: `login/${installation}/${grant}`,
    names: { login: `${installation}_${grant}`, group: `${installation}/${scope.list}` },
  }),
  open: async (connection, { signal, actor }) => {
    const server = loginServer(connection.server);
    await answered(server, signal, null);
    return targetAt(server, connection.server, signal, takeOver(server, actor));
  },
});

function takeOver(server: LoginServer, actor: Actor): Admin {
  const mine: Admin = { actor, ended: false };
  const same = [...server.admins].filter(({ actor: other }) => actor.grant !== null && other.grant === actor.grant);
  if (same.some(({ actor: other }) => other.fence > actor.fence))
    throw new TargetError("conflict", "a newer claim works on this grant");
  for (const older of same.filter(({ actor: other }) => other.fence < actor.fence)) older.ended = true;
  server.admins.add(mine);
  return mine;
}

function cut(server: LoginServer, login: string): void {
  for (const session of server.sessions) if (session.login === login) session.live = false;
}

function removeLogin(server: LoginServer, login: string, group: string): void {
  const had = server.logins.get(login);
  if (had !== undefined) had.shut = true;
  cut(server, login);
  server.logins.delete(login);
  const members = server.groups.get(group);
  members?.delete(login);
  if (members?.size === 0) server.groups.delete(group);
  server.position++;
}

function look(server: LoginServer, login: string, group: string): Probe {
  const there = server.logins.get(login);
  const works = there !== undefined && !there.shut;
  const live = server.sessions.some((session) => session.login === login && session.live);
  const held = server.groups.get(group)?.has(login) === true;
  return {
    own: works || live ? "live" : "gone",
    right: works || live || (held && there !== undefined && !there.shut) ? "live" : "gone",
    remains: [...(there === undefined ? [] : ["the login is there"]), ...(held ? ["it is in its group"] : [])],
    observations: [{ check: "login", saw: works ? "may log in" : "may not log in" }],
  };
}

function targetAt(server: LoginServer, where: string, signal: AbortSignal, admin: Admin): LoginTarget {
  const ask = (): Promise<void> => answered(server, signal, admin);
  return {
    identify: async () => {
      await ask();
      return { identity: server.identity, position: String(server.position) };
    },
    standing: async () => {
      await ask();
      return false;
    },
    provision: async (order, { secret, remainingMs }) => {
      await ask();
      const { login, group } = namesOf(order);
      if (!server.lists.has(order.scope.list)) throw new TargetError("no-such-object", `no list ${order.scope.list}`);
      const { installation, grant } = order;
      const secrets = [secret?.reveal() ?? ""];
      server.log += `create login ${login}\n`;
      server.logins.set(login, {
        installation,
        grant,
        secrets,
        shut: false,
        endsAtMs: performance.now() + remainingMs,
      });
      server.position++;
      await ask();
      if (!server.groups.has(group)) server.groups.set(group, new Set());
      server.groups.get(group)?.add(login);
      const at = { host: where, port: 1, database: order.scope.list, username: login, uri: `logins://${where}` };
      return { details: {}, delivery: { kind: "password", ...at } };
    },
    extend: async (order, { remainingMs }) => {
      await ask();
      const login = server.logins.get(namesOf(order).login);
      if (login === undefined) throw new TargetError("conflict", "the login is not there any more");
      login.endsAtMs = performance.now() + remainingMs;
    },
    revoke: async (order) => {
      await ask();
      const { login, group } = namesOf(order);
      const there = server.logins.get(login);
      if (there !== undefined) there.shut = true;
      await ask();
      removeLogin(server, login, group);
    },
    disable: async (order) => {
      await ask();
      const { login } = namesOf(order);
      const there = server.logins.get(login);
      if (there !== undefined) there.shut = true;
      cut(server, login);
    },
    probe: async (order) => {
      await ask();
      const { login, group } = namesOf(order);
      return look(server, login, group);
    },
    observe: async (installation) => {
      await ask();
      return observedOn(server, installation);
    },
    remove: async ({ as, name }) => {
      await ask();
      const { installation } = admin.actor;
      if (!name.startsWith(installation)) throw new TargetError("conflict", `${name} carries no mark of ours`);
      const group = [...server.groups].find(([, members]) => members.has(name))?.[0] ?? "";
      if (as === "own") removeLogin(server, name, group);
      else if (server.groups.get(name)?.size === 0) server.groups.delete(name);
      return look(server, name, group);
    },
    mend: async (order, { remainingMs }) => {
      await ask();
      const login = server.logins.get(namesOf(order).login);
      if (login !== undefined) login.endsAtMs = performance.now() + remainingMs;
    },
    others: async (scopes) => {
      await ask();
      return scopes.flatMap(({ entitlement, scope }) =>
        [...(server.groups.get(scope.list) ?? [])].map((who) => ({
          ...{ who, entitlement, access: `is on the list ${scope.list}`, how: "by hand" },
          ...{ since: null, by: null, sessions: null, lastActivity: null },
        })),
      );
    },
    close: async () => void server.admins.delete(admin),
  };
}

const PLAIN = { scopeHash: null, since: null, by: null, more: [], less: [] } as const;

export function observedOn(server: LoginServer, installation: InstallationId | null): Observed[] {
  const ours = (name: string): boolean => installation === null || name.startsWith(installation);
  const logins = [...server.logins].filter(([name]) => ours(name));
  const groups = [...server.groups.keys()].filter((name) => name.includes("/") && ours(name));
  return [
    ...logins.map(([name, { grant, endsAtMs }]): Observed => {
      return { as: "own", name, what: "login", grant, ...PLAIN, remainingMs: endsAtMs - performance.now() };
    }),
    ...groups.map(
      (name): Observed => ({ as: "shared", name, what: "group", grant: null, ...PLAIN, remainingMs: null }),
    ),
  ];
}

/** A fixture on a server of its own. */
export function loginFixture(): Fixture {
  const name = `logins-${randomBytes(4).toString("hex")}`;
  const server = loginServer(name);
  const password = randomBytes(12).toString("hex");
  return {
    without: {},
    start: async () => ({
      connection: { server: name, password },
      scope: { list: "deployers" },
      refused: [{ list: "../all" }, { lists: ["deployers"] }],
      secrets: [password],
      missing: { list: "nowhere" },
      another: { server: `${name}-another`, password },
      enter: async ({ order, delivery, secret }) => {
        if (delivery.kind !== "password") throw new Error("a password was expected");
        const login = server.logins.get(delivery.username);
        if (login === undefined || login.shut || !login.secrets.includes(secret?.reveal() ?? "")) return null;
        const session = { login: delivery.username, live: true };
        server.sessions.push(session);
        const groups = () => [...server.groups].filter(([group]) => group.endsWith(`/${delivery.database}`));
        return {
          works: async () =>
            session.live &&
            groups().some(([group]) => isIn(server, session.login, delivery.database, group)) &&
            order !== null,
          leave: async () => {
            server.sessions = server.sessions.filter((one) => one !== session);
          },
        };
      },
      marked: async (installation) => observedOn(server, installation).map((one) => one.name),
      byHand: async ({ principal: { handle }, scope }) => {
        const { list } = loginConnector.scope.parse(scope);
        const members = server.groups.get(list) ?? new Set();
        server.groups.set(list, members.add(handle));
        return { stands: async () => members.has(handle), undo: async () => void members.delete(handle) };
      },
      outage: async () => {
        const { promise, resolve } = Promise.withResolvers<void>();
        server.outage = promise;
        return async () => {
          server.outage = null;
          resolve();
        };
      },
      log: async () => server.log,
      stop: async () => {},
    }),
  };
}
