/** The organisation in every history: its people, its targets, and the configurations that it changes between. */
import { hashOf } from "../../../src/base/hash.ts";
import type { Configuration } from "../../../src/domain/configuration.ts";
import { type Entitlement, entitlementRef } from "../../../src/domain/entitlement.ts";
import type { Resource } from "../../../src/domain/resource.ts";
import { automatically, configuration, denies, needs, person } from "../../support/configuration.ts";

/** What people do in a history, unless told. */
export const STEPS = 30;
export const PEOPLE = ["alice", "bob", "dora"] as const;
export const OWNERS = ["carol", "otto"] as const;
/** Two databases and a directory. */
export const SERVERS = ["db-1", "db-2", "dir-1"] as const;
/** Who is in a group of the directory before anybody asks. */
export const STANDING = "readers/bob";
/** In every connection of an admin; must never be seen. */
export const ADMIN_PASSWORD = "admin-password-that-nobody-sees";

const MAX_MS = 30_000;

function resource(name: string, connector: string, server: string, groups: Readonly<Record<string, string>>): Resource {
  const entitlements = Object.entries(groups).map(([key, group]): [string, Entitlement] => [
    key,
    {
      ref: entitlementRef(name, key),
      resource: name,
      name: key,
      title: key,
      risk: key === "write" ? "high" : "low",
      maxDurationMs: MAX_MS,
      scope: { group },
      scopeHash: hashOf({ connector, scope: { group } }),
      narrower: [],
      describe: [],
    },
  ]);
  return {
    name,
    connector,
    title: name,
    labels: {},
    owners: ["group:owners"],
    connection: { server, password: ADMIN_PASSWORD },
    entitlements: Object.fromEntries(entitlements),
  };
}

/** `same` is the directory once more: its grants share rights with those of `dir`. */
const resources = (changed: { scope?: boolean; gone?: boolean } = {}): Resource[] => [
  resource("db", "sim-login", "db-1", {
    read: changed.scope === true ? "readers-of-less" : "readers",
    write: "writers",
  }),
  ...(changed.gone === true ? [] : [resource("other", "sim-login", "db-2", { read: "readers" })]),
  resource("dir", "sim-member", "dir-1", { admins: "admins", readers: "readers" }),
  resource("same", "sim-member", "dir-1", { admins: "admins" }),
];

export const ENTITLEMENTS = ["db:read", "db:write", "other:read", "dir:admins", "dir:readers", "same:admins"] as const;

const people = (without: string | null) => [
  ...PEOPLE.filter((handle) => handle !== without).map((handle) => person(handle)),
  ...OWNERS.map((handle) => person(handle, { groups: ["owners"] })),
];
const at = automatically("at-once", { when: 'request.ticket == "NOW"' });
const two = { ...needs("two", { by: ["owners"], count: 2 }), when: 'entitlement.risk == "high"' };
const one = needs("one", ["owners"]);

const make = (wanted: { scope?: boolean; gone?: boolean; without?: string; denies?: string }): Configuration =>
  configuration({
    principals: people(wanted.without ?? null),
    policies: [...(wanted.denies === undefined ? [] : [denies("not-now", wanted.denies)]), at, two, one],
    resources: resources(wanted),
    defaults: { requestExpiresAfterMs: 20_000, activateWithinMs: 6_000 },
  });

/** The first is the one that a history begins with. */
export const CONFIGURATIONS: readonly Configuration[] = [
  make({}),
  make({ scope: true }),
  make({ gone: true }),
  make({ without: "dora" }),
  make({ denies: 'user.name == "Bob"' }),
];
export const VARIANTS = CONFIGURATIONS.length;
