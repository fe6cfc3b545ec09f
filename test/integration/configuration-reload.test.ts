/** What a running server does with files that change under it, on a real store and real files. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { type KeepOptions, type KeptConfiguration, keepConfiguration } from "../../src/admin/keep-configuration.ts";
import { systemClock } from "../../src/base/clock.ts";
import { loadConfiguration } from "../../src/config/load-configuration.ts";
import type { Connector } from "../../src/connector/connector.ts";
import { memory } from "../../src/connectors/memory.ts";
import { createApi } from "../support/api.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const text = (title: string): string => `version: 1
resources:
  dir: { connector: memory, title: "${title}", connection: { directory: d }, entitlements: { admins: { max_duration: 1h, scope: { group: admins } } } }
policies:
  - { name: all, approve: automatically }
principals:
  alice: {}
`;
const BAD = text("bad").replace("principals:", "principles:");

type Kept = {
  readonly kept: KeptConfiguration;
  readonly world: World;
  readonly dir: string;
  readonly file: string;
  readonly logged: string[];
  readonly title: () => Promise<string | undefined>;
  /** Resolves when that is the title in the active version. */
  readonly active: (title: string) => Promise<unknown>;
};

async function keep(t: TestContext, more: Partial<KeepOptions> & { prepare?: (dir: string) => Promise<string> } = {}) {
  const { prepare, ...options } = more;
  const world = await createWorld({ server, t });
  const dir = await mkdtemp(join(tmpdir(), "tidegate-reload-"));
  t.after(() => rm(dir, { recursive: true }));
  const file = join(dir, "tidegate.yaml");
  if (prepare === undefined) await writeFile(file, text("first"));
  const path = (await prepare?.(dir)) ?? file;
  const logged: string[] = [];
  const connectors = new Map([[memory.kind, memory as Connector]]);
  const kept = await keepConfiguration({
    context: world.context,
    path,
    load: () => loadConfiguration({ path, connectors, env: {} }),
    log: (level, what) => void logged.push(`${level}: ${what}`),
    clock: systemClock,
    pollMs: 40,
    settleMs: 20,
    ...options,
  });
  // Before the world goes, whose store it uses.
  t.after(() => kept.stop());
  const title = async () =>
    (await world.context.catalog.active(world.context.ledger))?.configuration.resources["dir"]?.title;
  const result: Kept = {
    ...{ kept, world, dir, file, logged, title },
    active: (wanted) => until(async () => (await title()) === wanted, { what: `"${wanted}" to be active` }),
  };
  return result;
}

/** What a look sees in the middle of a write is told first. */
const tells = (kept: KeptConfiguration, why: RegExp): Promise<unknown> =>
  until(() => why.test(kept.trouble() ?? ""), { what: `it to tell ${why}` });

for (const hints of [true, false]) {
  // With hints the files are not looked at by themselves for longer than the test may take.
  const how = hints ? { hints, pollMs: 600_000 } : { hints, pollMs: 40 };
  const said = hints ? "as the system says so" : "without a hint of the system";

  test(`S23 a change is taken over, a bad one keeps the last good version, ${said}`, async (t) => {
    const { kept, file, logged, title, active, world } = await keep(t, how);
    assert.equal(await title(), "first");
    await writeFile(file, text("second"));
    await active("second");
    await writeFile(file, BAD);
    await tells(kept, /^since 20\S+Z tidegate\.yaml has a mistake: tidegate\.yaml:6:1: principles is not known here$/);
    assert.equal(await title(), "second");
    assert.ok(
      logged.some((line) => /^error: .*tidegate\.yaml:6:1: error: .*\n {2}hint: did you mean principals\?/.test(line)),
    );
    await writeFile(file, text("third"));
    await active("third");
    await until(() => kept.trouble() === null, { what: "the trouble to be over" });
    const activated = (await world.entries()).filter(({ leaf }) => leaf.kind === "config.activated");
    assert.equal(activated.length, 3, "every activation is one entry");
  });

  test(`a file that is replaced, taken away and put back is noticed, ${said}`, async (t) => {
    const { kept, file, active, dir } = await keep(t, how);
    await writeFile(join(dir, "new"), text("second"));
    await rename(join(dir, "new"), file);
    await active("second");
    await unlink(file);
    await tells(kept, /there is no such file/);
    await writeFile(file, text("third"));
    await active("third");
  });

  test(`in a folder, files that come, go and move below it are noticed, ${said}`, async (t) => {
    const { kept, dir, active, world } = await keep(t, {
      ...how,
      prepare: async (path) => {
        await mkdir(join(path, "more"));
        await writeFile(join(path, "base.yaml"), text("first"));
        await writeFile(join(path, "more", "people.yaml"), "principals: { bob: {} }\n");
        return path;
      },
    });
    const people = async () =>
      (await world.context.catalog.active(world.context.ledger))?.configuration.principals
        .map((one) => one.handle)
        .join();
    const have = (wanted: string) => until(async () => (await people()) === wanted, { what: `people ${wanted}` });
    await have("alice,bob");
    await writeFile(join(dir, "more", "z.yml"), "principals: { carol: {} }\n");
    await have("alice,bob,carol");
    await mkdir(join(dir, "deep"));
    await writeFile(join(dir, "deep", "x.yaml"), "principals: { dave: {} }\n");
    await have("alice,dave,bob,carol");
    await rm(join(dir, "more"), { recursive: true });
    await have("alice,dave");
    await writeFile(join(dir, "deep", "x.yaml"), "principals: { alice: {} }\n");
    await tells(kept, /deep\/x\.yaml:1:15: principals\.alice is defined in \S*base\.yaml:7:3 already/);
    await writeFile(join(dir, "deep", "x.yaml"), "principals: {}\n");
    await have("alice");
    await active("first");
  });

  test(`a new version of a Kubernetes ConfigMap is taken over, ${said}`, async (t) => {
    const { dir, active } = await keep(t, {
      ...how,
      prepare: async (path) => {
        await mkdir(join(path, "..1"));
        await writeFile(join(path, "..1", "tidegate.yaml"), text("first"));
        await symlink("..1", join(path, "..data"));
        await symlink("..data/tidegate.yaml", join(path, "tidegate.yaml"));
        return path;
      },
    });
    await mkdir(join(dir, "..2"));
    await writeFile(join(dir, "..2", "tidegate.yaml"), text("second"));
    await symlink("..2", join(dir, "..data_tmp"));
    await rename(join(dir, "..data_tmp"), join(dir, "..data"));
    await active("second");
  });
}

test("asked to, it reads again though nothing changed, and says again what is wrong", async (t) => {
  const { kept, file, logged } = await keep(t, { hints: false, pollMs: 600_000 });
  await writeFile(file, BAD);
  await kept.reload();
  const since = kept.trouble();
  assert.ok(since?.includes("principles is not known here"));
  const before = logged.length;
  await kept.reload();
  assert.equal(kept.trouble(), since, "since when does not move");
  assert.ok(logged.slice(before).some((line) => line.includes("principles is not known here")));
});

test("a server whose file is bad starts with the last good version; one that never had any has none", async (t) => {
  const bad = async (path: string): Promise<string> => {
    await writeFile(join(path, "tidegate.yaml"), BAD);
    return join(path, "tidegate.yaml");
  };
  const { title, kept, world, dir } = await keep(t, { prepare: bad });
  assert.equal(await world.context.catalog.active(world.context.ledger), null);
  await writeFile(join(dir, "tidegate.yaml"), text("first"));
  await kept.reload();
  await writeFile(join(dir, "tidegate.yaml"), BAD);
  const path = join(dir, "tidegate.yaml");
  const load = () => loadConfiguration({ path, connectors: new Map([[memory.kind, memory as Connector]]), env: {} });
  const again = await keepConfiguration({ context: world.context, path, load, log: () => {}, clock: systemClock });
  t.after(() => again.stop());
  assert.ok(again.trouble());
  assert.equal(await title(), "first");
});

test("a store that refuses an activation is asked again until it takes it", async (t) => {
  const { world, file, active, kept } = await keep(t);
  const pool = world.store.pool;
  await pool.query("alter table config_versions add constraint closed check (false) not valid");
  await writeFile(file, text("second"));
  await until(() => kept.trouble()?.includes("could not be made active"), { what: "the refusal to be told" });
  await pool.query("alter table config_versions drop constraint closed");
  await active("second");
  await until(() => kept.trouble() === null, { what: "the trouble to be over" });
});

test("S23 readiness tells since when the files are bad and the first mistake, and stays ready", async (t) => {
  const { world, kept, file } = await keep(t);
  const api = createApi(world, { configurationTrouble: () => kept.trouble() });
  t.after(() => api.close());
  const ready = async () =>
    (await api.get(null, "/readyz")) as {
      status: number;
      body: { checks: { configuration: { ok: boolean; detail: string } } };
    };
  assert.deepEqual((await ready()).body.checks.configuration, { ok: true, detail: "version 1 is active" });
  await writeFile(file, BAD);
  await tells(kept, /tidegate\.yaml:6:1: /);
  const { status, body } = await ready();
  assert.equal(status, 200);
  assert.equal(body.checks.configuration.ok, false);
  assert.match(
    body.checks.configuration.detail,
    /^version 1 is active; since 20\S+Z tidegate\.yaml has a mistake: tidegate\.yaml:6:1: /,
  );
  assert.ok(!body.checks.configuration.detail.includes(tmpdir()), "where the files lie is not told to everybody");
});
