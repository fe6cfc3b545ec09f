/** Who signs the log is in the log: replicas with keys of their own, folders that are lost, and logs of before. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { sql } from "kysely";
import { HeadSigner } from "../../src/jobs/sign-heads.ts";
import { sequenceAll, signingKeyChanges } from "../../src/store/audit.ts";
import { headNow, keepHead, originOf, signHead } from "../../src/store/audit-head.ts";
import { verifierOf } from "../../src/store/keys/signed-note.ts";
import { loadSigningKeys, type SigningKeys } from "../../src/store/keys/signing-key.ts";
import { LogVerifier, type Verdict } from "../../verifier/verify.mjs";
import { createApi, withTokens } from "../support/api.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

async function setting(t: TestContext): Promise<World> {
  const world = await createWorld({ server, t });
  const resources = [directoryResource("vault", world.directoryName, { read: { group: "readers" } })];
  const principals = [person("audrey", { roles: ["auditor"] })];
  await world.configure(withTokens(configuration({ principals, policies: [automatically("all")], resources })));
  await sequenceAll(world.store.db);
  return world;
}

/** A server with a data folder of its own, and the keys that are made there where none are given. */
function replica(t: TestContext, world: World, given: SigningKeys | null = null, dataDir = folder(t)) {
  const signing = given ?? loadSigningKeys(dataDir, {});
  const said: string[] = [];
  const signer = new HeadSigner(world.context, { signing, dataDir, alarm: (_, what) => void said.push(what) });
  return { signer, signing, dataDir, said, key: verifierOf(originOf(world.context.installation), signing[0]).text };
}

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "tidegate-signing-"));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const told = async ({ store }: World) =>
  (await signingKeyChanges(store.db)).map(({ from, to, note }) => [from, to, note !== null]);
const entriesOf = async (world: World) =>
  (await world.entries()).filter(({ leaf }) => leaf.kind === "key.signing-changed").length;

async function verify(t: TestContext, world: World, signer: HeadSigner, key: string | null): Promise<Verdict> {
  const api = createApi(world, { latestCheckpoint: () => signer.latest() });
  t.after(() => api.close());
  const { status, text } = await api.get("audrey", "/v1/audit/export");
  assert.equal(status, 200, text);
  const verifier = new LogVerifier({ keys: key === null ? [] : [key] });
  verifier.push(Buffer.from(text));
  return verifier.end();
}

test("a replica that signs with another key than the last says so in the log before its first head, and the one before it signs no more", async (t) => {
  const world = await setting(t);
  const [a, b] = [replica(t, world), replica(t, world)];
  const first = await a.signer.sign();
  assert.equal(first?.by.text, a.key);
  assert.deepEqual(await told(world), [], "the first key follows none");
  const second = await b.signer.sign();
  assert.deepEqual(await told(world), [[a.key, b.key, false]]);
  assert.equal(second?.by.text, b.key);
  assert.equal(second?.size, (first?.size ?? 0) + 1, "the head is over what tells of its key");

  for (const _ of [1, 2, 3]) {
    assert.equal(await a.signer.sign(), null);
    assert.equal((await b.signer.sign())?.by.text, b.key);
  }
  assert.equal(await entriesOf(world), 1, "they do not take turns");
  assert.equal(a.said.length, 1);
  assert.match(a.said.join(), /this one signs no more: share TIDEGATE_SIGNING_KEY_FILE/);
  assert.equal((await a.signer.latest())?.note, first?.note);
  assert.equal(await a.signer.receiptSigner(), null);
  for (const { signer, key } of [a, b]) assert.ok((await verify(t, world, signer, key)).ok, key);
  const distrusted = await verify(t, world, b.signer, a.key);
  assert.match(distrusted.ok ? "" : distrusted.why, /did not sign for that one/);

  const shared = replica(t, world, b.signing, a.dataDir);
  for (const { signer } of [shared, b]) assert.equal((await signer.sign())?.by.text, b.key);
  assert.equal(await entriesOf(world), 1, "with one key there is nothing to tell");
});

test("replicas that start at once with keys of their own end with one of them that signs", async (t) => {
  const world = await setting(t);
  const replicas = [1, 2, 3].map(() => replica(t, world));
  await Promise.all(replicas.map(({ signer }) => signer.sign()));
  for (const _ of [1, 2])
    assert.equal(
      (await Promise.all(replicas.map(({ signer }) => signer.sign()))).filter((it) => it !== null).length,
      1,
    );
  assert.equal(await entriesOf(world), 2);
  for (const { signer, key } of replicas) assert.ok((await verify(t, world, signer, key)).ok);
});

test("a data folder that is lost changes the key, and the log says that the earlier one did not sign for it", async (t) => {
  const world = await setting(t);
  const lost = replica(t, world);
  await lost.signer.sign();
  rmSync(lost.dataDir, { recursive: true });
  const anew = replica(t, world);
  assert.equal((await anew.signer.sign())?.by.text, anew.key);
  assert.deepEqual(await told(world), [[lost.key, anew.key, false]]);
  assert.ok((await verify(t, world, anew.signer, anew.key)).ok);
});

test("where the folder is lost and the keys are not, the earlier key signs for the one that follows", async (t) => {
  const world = await setting(t);
  const lost = replica(t, world);
  await lost.signer.sign();
  const next = replica(t, world);
  const both = replica(t, world, [next.signing[0], lost.signing[0]]);
  await both.signer.sign();
  assert.deepEqual(await told(world), [[lost.key, next.key, true]]);
  assert.ok((await verify(t, world, both.signer, lost.key)).ok);
});

test("a log of before goes on: who signed it last is what it tells, or the head that is kept", async (t) => {
  const world = await setting(t);
  const { db } = world.store;
  const [a, b, c] = [replica(t, world), replica(t, world), replica(t, world)];
  const forget = () => sql`update installation set signing_key = null`.execute(db);
  const now = await headNow(db, world.context.installation);
  await keepHead(a.dataDir, signHead(now, a.signing[0]));
  await forget();
  const rotated = replica(t, world, [b.signing[0], a.signing[0]], a.dataDir);
  await rotated.signer.sign();
  assert.deepEqual(await told(world), [[a.key, b.key, true]]);
  await forget();
  await c.signer.sign();
  assert.deepEqual((await told(world))[1], [b.key, c.key, false]);
  assert.ok((await verify(t, world, c.signer, c.key)).ok);
});

test("after a quarantine the server that runs tells its key to an older store, which knows nothing of it", async (t) => {
  const world = await setting(t);
  const [a, b] = [replica(t, world), replica(t, world)];
  const head = await b.signer.sign();
  assert.ok(head !== null);
  await keepHead(b.dataDir, signHead({ ...head, size: head.size + 100 }, b.signing[0]));
  assert.equal(await b.signer.sign(), null, "the store is older than the head");
  rmSync(join(b.dataDir, "heads"), { recursive: true });
  await sql`update installation set signing_key = ${a.key}`.execute(world.store.db);
  assert.equal((await b.signer.sign())?.by.text, b.key);
  assert.deepEqual(await told(world), [[a.key, b.key, false]]);
});
