/** The connector of examples/, loaded as an operator loads one, on real folders: by its conformance, alone, and through a whole Tidegate. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { registerHooks } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { type GrantId, grantId, type InstallationId, newInstallationId } from "../../src/base/ids.ts";
import { loadConfiguration } from "../../src/config/load-configuration.ts";
import { type Connector, type Order, type Target, TargetError } from "../../src/connector/connector.ts";
import { loadConnectors } from "../../src/connectors/load-connectors.ts";
import { memory } from "../../src/connectors/memory.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { createWorld } from "../support/world.ts";

const SDK = {
  sdk: new URL("../../src/connector/sdk.ts", import.meta.url).href,
  testing: new URL("../../src/connector/testing.ts", import.meta.url).href,
};
const EXAMPLE = resolve(import.meta.dirname, "../../examples/connector.ts");
const PROGRAM = resolve(import.meta.dirname, "../../bin/tidegate");

type Scope = { readonly lists: string[] };
const allowList = (await loadConnectors(EXAMPLE, [])).at(0) as unknown as Connector<{ root: string }, Scope>;

function newRoot(t: TestContext, lists: readonly string[] = ["deployers", "readers"]): string {
  const root = mkdtempSync(join(tmpdir(), "tidegate-lists-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  writeFileSync(join(root, ".identity"), "the one folder\n");
  for (const list of lists) mkdirSync(join(root, list));
  return root;
}

type Who = { installation?: InstallationId; grant?: GrantId; fence?: number };

function openAt(root: string, { installation = newInstallationId(), grant = grantId.make(), fence = 1 }: Who = {}) {
  const actor = { installation, grant, fence };
  return allowList.open({ root }, { signal: new AbortController().signal, actor });
}

function orderFor(who: { installation: InstallationId; grant: GrantId }, lists = ["deployers"]): Order<Scope> {
  const intent = { ...who, scope: { lists }, scopeHash: "x", principal: { handle: "erin", email: null } };
  return { ...intent, names: allowList.intend(intent).names, details: {}, remember: async () => {} };
}

// As in a folder in which the package was installed: it finds ours, which is not built here.
const hooks = registerHooks({
  resolve: (specifier, context, next) =>
    next(
      specifier.replace(/^tidegate\/connector(\/testing)?$/, (_, testing) => SDK[testing ? "testing" : "sdk"]),
      context,
    ),
});
await import("../../examples/connector-conformance.ts");
hooks.deregister();

const newGrant = () => ({ installation: newInstallationId(), grant: grantId.make() });
const HOUR = { secret: null, remainingMs: 3_600_000 };
const seenBy = async (target: Target<Scope>, order: Order<Scope>) => (await target.probe(order)).right;

function entriesOf(root: string, list = "deployers"): { account: string; until: string }[] {
  return readdirSync(join(root, list)).map((name) => JSON.parse(readFileSync(join(root, list, name), "utf8")));
}

test("the example gives access, sees it live, takes it away and sees it gone, each step twice", async (t) => {
  const root = newRoot(t);
  const who = newGrant();
  const order = orderFor(who, ["deployers", "readers"]);
  const target = await openAt(root, who);
  assert.equal(await seenBy(target, order), "gone");
  await target.revoke(order, { keep: false });
  for (const _ of [1, 2]) {
    await target.provision(order, HOUR);
    assert.equal(await seenBy(target, order), "live");
    assert.deepEqual(
      [...entriesOf(root), ...entriesOf(root, "readers")].map(({ account }) => account),
      ["erin", "erin"],
    );
  }
  const before = Date.parse(entriesOf(root)[0]?.until ?? "");
  await target.extend(order, { remainingMs: 7_200_000 });
  assert.ok(Date.parse(entriesOf(root)[0]?.until ?? "") - before > 3_000_000, "the entry ends an hour later");
  for (const _ of [1, 2]) {
    await target.revoke(order, { keep: false });
    assert.equal(await seenBy(target, order), "gone");
  }
  assert.deepEqual(await target.observe(who.installation), []);
  await target.close();
  assert.deepEqual(readdirSync(join(root, ".tidegate", who.installation)), [], "nothing of the grant is left");
});

test("half of a grant is not gone: an entry on one of two lists is seen live", async (t) => {
  const root = newRoot(t);
  const who = newGrant();
  const order = orderFor(who, ["deployers", "readers"]);
  const target = await openAt(root, who);
  await target.provision(order, HOUR);
  rmSync(join(root, "deployers", String(order.names["entry"])));
  assert.equal(await seenBy(target, order), "live");
});

test("a disk that is not there proves nothing", async (t) => {
  const root = newRoot(t);
  const who = newGrant();
  await (await openAt(root, who)).provision(orderFor(who), HOUR);
  renameSync(root, `${root}.away`);
  mkdirSync(root);
  try {
    await assert.rejects(openAt(root, { ...who, fence: 2 }), (error: unknown) => {
      assert.ok(error instanceof TargetError, "the host knows the connector's errors as its own");
      assert.equal(error.code, "unreachable");
      assert.match(error.message, /is the disk mounted/);
      return true;
    });
  } finally {
    rmSync(root, { recursive: true });
    renameSync(`${root}.away`, root);
  }
});

test("a list that does not exist cannot mend itself, and a scope cannot lead out of the folder", async (t) => {
  const root = newRoot(t, []);
  const who = newGrant();
  const target = await openAt(root, who);
  await assert.rejects(
    target.provision(orderFor(who), HOUR),
    (error: unknown) => error instanceof TargetError && error.permanent && /there is no list/.test(error.message),
  );
  for (const list of ["..", "../elsewhere", "/etc", ".tidegate", "", "A"])
    assert.equal(allowList.scope.safeParse({ lists: [list] }).success, false, list);
  assert.equal(allowList.includes({ lists: ["a", "b"] }, { lists: ["a"] }), true);
  assert.equal(allowList.includes({ lists: ["a"] }, { lists: ["a", "b"] }), false);
});

const CONFIGURATION = (root: string) => `
version: 1
resources:
  bastion:
    connector: allow-list
    connection: { root: "${root}" }
    entitlements:
      deploy: { max_duration: 1h, scope: { lists: [deployers] } }
principals:
  erin: { name: Erin, email: erin@example.test, type: employee }
policies:
  - { name: everybody, when: "true", approve: automatically }
`;

function configured(t: TestContext, root: string): string {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-lists-configuration-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "tidegate.yaml");
  writeFileSync(path, CONFIGURATION(root));
  return path;
}

test("a grant on the example's target lives its whole life, and its receipt says what the probe saw", async (t) => {
  const root = newRoot(t);
  const world = await createWorld({ t });
  const connectors = [memory, allowList] as unknown as Connector[];
  const byKind = new Map(connectors.map((connector) => [connector.kind, connector]));
  const loaded = loadConfiguration({ path: configured(t, root), connectors: byKind, env: {} });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  assert.deepEqual(loaded.configuration.resources["bastion"]?.entitlements["deploy"]?.describe, [
    "is on the allow list deployers, with all that it opens",
  ]);
  await world.configure(loaded.configuration);
  world.reconciler({ connectors });
  const id = await world.granted("erin", "bastion:deploy");
  await world.grantWhen(id, (grant) => grant.state === "active", "active");
  assert.equal(entriesOf(root)[0]?.account, "erin");
  await revokeGrant(world.context, await world.principal("erin"), id, "");
  const ended = await world.grantWhen(id, (grant) => grant.state === "revoked", "revoked");
  assert.equal(entriesOf(root).length, 0);
  assert.match(JSON.stringify(ended), /"saw":"no such file"/);
});

test("the program loads what TIDEGATE_CONNECTORS names, and says what is wrong with what it cannot use", (t) => {
  const root = newRoot(t);
  const path = configured(t, root);
  const check = (connectors: string) =>
    spawnSync(PROGRAM, ["check", path], {
      encoding: "utf8",
      env: { ...process.env, TIDEGATE_CONNECTORS: connectors },
    });
  const good = check(EXAMPLE);
  assert.equal(good.status, 0, good.stderr);
  const without = check("");
  assert.equal(without.status, 1);
  assert.match(without.stdout + without.stderr, /there is no connector allow-list/);
  const broken: readonly [text: string, says: RegExp][] = [
    ["export const other = 1;", /does not export "connector"/],
    ['export const connector = { kind: "Über" };', /its kind is not a name/],
    ['export const connector = { kind: "x", credential: "maybe" };', /its credential is neither/],
    ['export const connector = { kind: "x", credential: "none", connection: {} };', /connection is not a zod schema/],
    ["export const connector = {", /cannot be used/],
    [
      'import { z } from "tidegate/connector"; const connection = z.object({}); export const connector = { kind: "x", credential: "none", connection, scope: connection };',
      /it has no function describe/,
    ],
  ];
  for (const [text, says] of broken) {
    const file = join(root, "broken.mjs");
    writeFileSync(file, text);
    chmodSync(file, 0o600);
    const { status, stdout, stderr } = check(file);
    assert.equal(status, 1);
    assert.match(stdout + stderr, says);
    assert.match(stdout + stderr, /broken\.mjs of TIDEGATE_CONNECTORS/);
  }
  const twice = check(`${EXAMPLE}:${EXAMPLE}`);
  assert.match(twice.stderr, /there is a connector allow-list already/);
  assert.match(check(join(root, "nowhere.mjs")).stderr, /nowhere\.mjs of TIDEGATE_CONNECTORS cannot be used/);
});
