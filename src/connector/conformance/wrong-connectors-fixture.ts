/** Connectors that are wrong in one thing each, as people get it wrong: which rule must say so, and no other. */
import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { newInstallationId } from "../../base/ids.ts";
import { type Actor, type Connector, TargetError, z } from "../sdk.ts";
import {
  type LoginConnection,
  type LoginScope,
  type LoginServer,
  type LoginTarget,
  loginConnector,
  loginServer,
  namesOf,
  observedOn,
} from "./login-server-fixture.ts";

type LoginConnector = Connector<LoginConnection, LoginScope>;
type At = {
  readonly server: LoginServer;
  readonly connection: LoginConnection;
  readonly actor: Actor;
  readonly signal: AbortSignal;
};

export type WrongConnector = {
  /** What somebody got wrong. */
  readonly mistake: string;
  /** The rules that it breaks; those that build on them are not asked. */
  readonly breaks: readonly string[];
  readonly connector: LoginConnector;
};

const wrong = (
  mistake: string,
  breaks: string | readonly string[],
  change: Partial<LoginConnector>,
): WrongConnector => ({
  mistake,
  breaks: typeof breaks === "string" ? [breaks] : breaks,
  connector: { ...loginConnector, ...change },
});

/** Wrong in some verbs of a target. */
const wrongVerb = (
  mistake: string,
  breaks: string | readonly string[],
  change: (right: LoginTarget, at: At) => Partial<LoginTarget>,
): WrongConnector =>
  wrong(mistake, breaks, {
    open: async (connection, context) => {
      const right = await loginConnector.open(connection, context);
      return { ...right, ...change(right, { ...context, connection, server: loginServer(connection.server) }) };
    },
  });

const SAW = [{ check: "login", saw: "it was revoked" }];
const GONE = { own: "gone", right: "gone", remains: [], observations: SAW } as const;
const SWAPPED: Record<string, string> = { deployers: "readers", readers: "deployers" };
const never = new AbortController().signal;

export const WRONG_CONNECTORS: readonly WrongConnector[] = [
  wrong("intend chooses a random name", "names", {
    intend: (intent) => {
      const right = loginConnector.intend(intent);
      return { ...right, names: { ...right.names, login: `${intent.installation}_${randomBytes(4).toString("hex")}` } };
    },
  }),
  wrong("the scope takes fields that it does not know", "scope", {
    scope: z.looseObject({ list: z.string().default("deployers") }) as unknown as LoginConnector["scope"],
  }),
  wrong("parsing a scope again changes it", "scope", {
    scope: z
      .strictObject({ list: z.string().regex(/^[a-z]+$/) })
      .transform(({ list }) => ({ list: SWAPPED[list] ?? list })) as unknown as LoginConnector["scope"],
  }),
  wrong("the approver has nothing to read", "scope", { describe: () => [""] }),
  wrongVerb("provision says ok and does nothing", "gives", (right) => ({
    provision: async (order, grant) => {
      const made = await right.provision(order, grant);
      await right.revoke(order, { keep: false });
      return made;
    },
  })),
  wrongVerb("revoke says ok and does nothing", "takes", () => ({ revoke: async () => {} })),
  wrongVerb("revoke shuts the login and leaves it there", "takes", (right) => ({
    revoke: (order, options) => right.disable(order, options),
  })),
  wrongVerb("the probe always says gone", "proves", () => ({ probe: async () => GONE })),
  wrongVerb("the probe says gone while something remains to be looked at", "proves", (right) => ({
    probe: async (order) => ({ ...(await right.probe(order)), remains: ["perhaps something"] }),
  })),
  wrongVerb("the probe believes what revoke remembered", "looks", (right) => ({
    revoke: async (order, options) => {
      await right.revoke(order, options);
      await order.remember({ revoked: true });
    },
    probe: async (order) => (order.details["revoked"] === true ? GONE : right.probe(order)),
  })),
  wrongVerb("revoking the absent is an error", "absent", (right, { server }) => ({
    revoke: async (order, options) => {
      if (!server.logins.has(namesOf(order).login)) throw new TargetError("failed", "there is no such login");
      await right.revoke(order, options);
    },
  })),
  wrongVerb("disabling the absent is an error", "absent", (right, { server }) => ({
    disable: async (order, options) => {
      if (!server.logins.has(namesOf(order).login)) throw new TargetError("failed", "there is no such login");
      await right.disable(order, options);
    },
  })),
  wrongVerb("extending ends the sessions", "extend", (right, { server }) => ({
    extend: async (order, grant) => {
      await right.extend(order, grant);
      for (const session of server.sessions) if (session.login === namesOf(order).login) session.live = false;
    },
  })),
  wrongVerb("extending does not move the target's own end", "end-of-its-own", (right) => ({
    extend: (order) => right.extend(order, { remainingMs: 3_600_000 }),
  })),
  wrongVerb("an old secret goes on working beside the new one", "rotate", (right, { server }) => ({
    provision: async (order, grant) => {
      const old = server.logins.get(namesOf(order).login)?.secrets ?? [];
      const made = await right.provision(order, grant);
      server.logins.get(namesOf(order).login)?.secrets.push(...old);
      return made;
    },
  })),
  wrongVerb("sessions survive the revocation", "sessions", (right, { server }) => ({
    revoke: async (order, options) => {
      const open = server.sessions.filter((session) => session.live);
      const { login, group } = namesOf(order);
      await right.revoke(order, options);
      for (const session of open.filter((one) => one.login === login)) {
        session.live = true;
        server.groups.set(group, (server.groups.get(group) ?? new Set()).add(login));
      }
    },
    probe: async (order) => {
      const seen = await right.probe(order);
      return server.logins.has(namesOf(order).login) ? seen : { ...seen, own: "gone", right: "gone", remains: [] };
    },
  })),
  wrongVerb("disabling does nothing", "disable", (right) => ({
    disable: async (order) => void (await right.probe(order)),
  })),
  wrongVerb("disabling must remember something first", "disable", (right) => ({
    disable: async (order, options) => {
      await order.remember({ disabled: true });
      await right.disable(order, options);
    },
  })),
  wrongVerb("what is not there is reported as if it could still come", "missing", (right) => ({
    provision: (order, grant) =>
      right.provision(order, grant).catch((error: unknown) => {
        throw new TargetError("failed", error instanceof Error ? error.message : "", { permanent: false });
      }),
  })),
  wrongVerb("the group is made before the list is looked up", "missing", (right, { server }) => ({
    provision: (order, grant) => {
      if (!server.lists.has(order.scope.list)) server.groups.set(namesOf(order).group, new Set(["nobody"]));
      return right.provision(order, grant);
    },
  })),
  wrongVerb("mending sets a new secret", "mend", (right, { server }) => ({
    mend: async (order, options) => {
      await right.mend?.(order, options);
      const login = server.logins.get(namesOf(order).login);
      if (login !== undefined) login.secrets = [randomBytes(8).toString("hex")];
    },
  })),
  wrongVerb("provisioning twice is an error", "repeat", (right, { server }) => ({
    provision: async (order, grant) => {
      const there = server.logins.get(namesOf(order).login);
      // It knows a new secret when it sees one: that must go on working.
      if (there?.secrets.includes(grant.secret?.reveal() ?? "") === true)
        throw new TargetError("conflict", "the login exists");
      return right.provision(order, grant);
    },
  })),
  wrongVerb("the name is known from provision's answer alone", "lost-reply", (right) => ({
    provision: async (order, grant) => {
      const made = await right.provision(order, grant);
      return { ...made, details: { login: namesOf(order).login } };
    },
    revoke: async (order, options) => {
      if (order.details["login"] === undefined) await right.probe(order);
      else await right.revoke(order, options);
    },
  })),
  wrongVerb("a draft is left when it stops half-way", "half-way", (right, { server }) => ({
    provision: async (order, grant) => {
      const draft = `${order.installation}_draft`;
      const made = await right.provision(order, grant);
      server.logins.set(draft, { ...order, secrets: [], shut: true, endsAtMs: 0 });
      await order.remember({ step: 1 });
      server.logins.delete(draft);
      return made;
    },
  })),
  wrongVerb("members are read, changed and written back", "many", (right, { server }) => ({
    provision: async (order, grant) => {
      const { group, login } = namesOf(order);
      const members = [...(server.groups.get(group) ?? [])];
      const made = await right.provision(order, grant);
      await nextTurn();
      server.groups.set(group, new Set([...members, login]));
      return made;
    },
  })),
  wrongVerb("the group goes with the first grant", "overlap", (right, { server }) => ({
    revoke: async (order, options) => {
      await right.revoke(order, options);
      server.groups.delete(namesOf(order).group);
    },
  })),
  wrongVerb("all of the person's logins are ended, whichever grants they are of", "overlap", (right, { server }) => ({
    provision: async (order, grant) => {
      const made = await right.provision(order, grant);
      server.log += `${namesOf(order).login} is ${order.principal.handle}\n`;
      return made;
    },
    revoke: async (order, options) => {
      await right.revoke(order, options);
      for (const [name, { installation }] of server.logins)
        if (installation === order.installation && server.log.includes(`${name} is ${order.principal.handle}\n`))
          server.logins.delete(name);
    },
  })),
  wrongVerb("a right that was found is taken with the grant", "found", (right, { server }) => ({
    revoke: async (order, options) => {
      await right.revoke(order, options);
      server.groups.get(order.scope.list)?.delete(order.principal.handle);
    },
  })),
  wrongVerb("observe lists what other installations made", "observe", (right, { server }) => ({
    observe: async (installation) => {
      await right.observe(installation);
      return observedOn(server, null);
    },
  })),
  wrongVerb("observe does not say which grant it is", "observe", (right) => ({
    observe: async (installation, orders) =>
      (await right.observe(installation, orders)).map((one) => ({ ...one, grant: null })),
  })),
  wrongVerb("revoking ends the person's logins of other installations", "installations", (right, { server }) => ({
    provision: async (order, grant) => {
      const made = await right.provision(order, grant);
      server.log += `${namesOf(order).login} is ${order.principal.handle}\n`;
      return made;
    },
    revoke: async (order, options) => {
      await right.revoke(order, options);
      for (const [name, login] of server.logins)
        if (login.installation !== order.installation && server.log.includes(`${name} is ${order.principal.handle}\n`))
          server.logins.delete(name);
    },
  })),
  wrongVerb("remove believes the name it is given", "remove", (right, { server }) => ({
    remove: async (observed) => {
      if (observed.as !== "own") return right.remove(observed);
      await right.probe({ names: { login: observed.name, group: "" } } as never);
      server.logins.delete(observed.name);
      server.position++;
      return { ...GONE, observations: [{ check: "login", saw: "no such login" }] };
    },
  })),
  wrongVerb("grants of ours are among the others", "others", (right, { server }) => ({
    others: async (scopes, orders) => [
      ...((await right.others?.(scopes, orders)) ?? []),
      ...orders
        .filter((order) => server.logins.has(namesOf(order).login))
        .map(({ principal: { handle: who } }) => ({
          ...{ who, entitlement: scopes[0]?.entitlement ?? "", access: "is on the list", how: "by a login" },
          ...{ since: null, by: null, sessions: null, lastActivity: null },
        })),
    ],
  })),
  wrongVerb("the identity is made up each time", "identity", (right) => ({
    identify: async () => ({ ...(await right.identify()), identity: newInstallationId() }),
  })),
  wrongVerb("the identity is that of the software, not of the server", "another", (right) => ({
    identify: async () => ({ ...(await right.identify()), identity: "logins 1.0" }),
  })),
  wrongVerb("the position counts what is there, which gets less", "position", (right, { server }) => ({
    identify: async () => ({ ...(await right.identify()), position: String(server.logins.size) }),
  })),
  wrongVerb("whatever goes wrong while looking is taken for gone", "unknown", (right) => ({
    probe: (order) => right.probe(order).catch(() => GONE),
  })),
  wrongVerb("whatever goes wrong while listing is taken for nothing", "unknown", (right) => ({
    observe: (...args) => right.observe(...args).catch(() => []),
  })),
  wrong("the signal is not looked at", "aborted", {
    open: (connection, context) => loginConnector.open(connection, { ...context, signal: never }),
  }),
  wrong("the signal is looked at before a call, and not during it", "hangs", {
    open: async (connection, context) => {
      context.signal.throwIfAborted();
      const right = await loginConnector.open(connection, { ...context, signal: never });
      const checked = Object.entries(right).map(([verb, call]) => [
        verb,
        async (...args: unknown[]) => {
          if (verb !== "close" && context.signal.aborted) throw new TargetError("unreachable", "no answer in time");
          return (call as (...all: unknown[]) => unknown)(...args);
        },
      ]);
      return Object.fromEntries(checked) as LoginTarget;
    },
  }),
  wrong("sessions are not told from those of earlier claims", "fencing", {
    open: (connection, context) =>
      loginConnector.open(connection, { ...context, actor: { ...context.actor, grant: null } }),
  }),
  wrongVerb("the admin's password is in an error", "secrets", (right, { connection }) => ({
    extend: (order, grant) =>
      right.extend(order, grant).catch(() => {
        throw new TargetError("conflict", `cannot extend at logins://admin:${connection.password}@server`);
      }),
  })),
  wrongVerb("the secret is among the details", "secrets", (right) => ({
    provision: async (order, grant) => {
      const made = await right.provision(order, grant);
      return { ...made, details: { password: grant.secret?.reveal() ?? "" } };
    },
  })),
  wrongVerb("the secret is in the statement that the target logs", "log", (right, { server }) => ({
    provision: (order, grant) => {
      server.log += `create login with password '${grant.secret?.reveal()}'\n`;
      return right.provision(order, grant);
    },
  })),
  wrongVerb("the evidence names the person", "no-people", (right) => ({
    probe: async (order) => ({
      ...(await right.probe(order)),
      observations: [{ check: `login of ${order.principal.handle}`, saw: "looked at" }],
    }),
  })),
];
