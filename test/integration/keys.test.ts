/** The ring of sealing keys, against a real store and the reconciler. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { sql } from "kysely";
import { forgetKey, promoteKey, rotateKeys } from "../../src/admin/keys.ts";
import type { GrantId } from "../../src/base/ids.ts";
import { isRefusal } from "../../src/base/problem.ts";
import { Secret } from "../../src/base/secret.ts";
import { TargetError } from "../../src/connector/connector.ts";
import { reseal } from "../../src/jobs/keep-keys.ts";
import { HeadSigner } from "../../src/jobs/sign-heads.ts";
import { abandonKey } from "../../src/operations/abandon-key.ts";
import { deliverCredential } from "../../src/operations/deliver-credential.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { forgetHolder, keyUse, missingKeys, noteHolder, resealAll } from "../../src/store/keys/key-use.ts";
import { loadKeyRing, newSealingKey } from "../../src/store/keys/sealing-keys.ts";
import { loadSigningKeys } from "../../src/store/keys/signing-key.ts";
import { leaseOf } from "../../src/store/leases.ts";
import { CannotUnseal, KeyRing, seal, unseal } from "../../src/store/sealed.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { withSecret } from "../support/variant.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const vault = (world: World) =>
  directoryResource("vault", world.directoryName, { open: { group: "openers" } }, { connector: "secret" });
const dir = (world: World) => directoryResource("dir", world.directoryName, { open: { group: "others" } });
const configured = (resources: Parameters<typeof configuration>[0]["resources"]) =>
  configuration({ principals: [person("alice")], policies: [automatically("all")], resources });

async function setting(t: TestContext) {
  const world = await createWorld({ server, t });
  for (const group of ["openers", "others"]) world.directory.members.set(group, new Set());
  await world.configure(configured([vault(world), dir(world)]));
  const secret = withSecret("secret");
  return { world, ...secret, first: world.context.sealing.current };
}

const sealSome = (world: World, count: number) =>
  world.store.db.transaction().execute(async (tx) => {
    const ids = [];
    for (let i = 0; i < count; i += 1)
      ids.push(await seal(tx, world.context.sealing, "credential", new Secret(`secret ${i}`), 0));
    return ids;
  });

const rows = (world: World) => world.store.db.selectFrom("sealed_secrets").selectAll().orderBy("id").execute();

test("sealing anew moves every secret to the current key, batch after batch, and changes no body; rows that somebody holds wait", async (t) => {
  const { world, first } = await setting(t);
  const { db } = world.store;
  const ring = world.context.sealing;
  const ids = await sealSome(world, 450);
  const before = await rows(world);
  const second = newSealingKey();
  ring.replace([second, first]);
  const [held] = ids;
  assert.ok(held !== undefined);
  await db.transaction().execute(async (tx) => {
    await tx.selectFrom("sealed_secrets").select("id").where("id", "=", held).forUpdate().execute();
    assert.deepEqual(await resealAll(db, ring), { resealed: 449, damaged: 0 });
  });
  assert.deepEqual(await resealAll(db, ring), { resealed: 1, damaged: 0 });
  assert.deepEqual(await resealAll(db, ring), { resealed: 0, damaged: 0 });
  assert.deepEqual(await keyUse(db), [{ keyId: second.id, credentials: 450, connections: 0 }]);
  const after = await rows(world);
  assert.deepEqual(
    after.map(({ id, ciphertext }) => ({ id, ciphertext })),
    before.map(({ id, ciphertext }) => ({ id, ciphertext })),
  );
  ring.replace([second]);
  for (const [i, id] of ids.entries())
    assert.equal((await unseal(db, ring, "credential", id))?.reveal(), `secret ${i}`);
});

test("a row that does not open is counted and left as it is, and the others are sealed anew all the same", async (t) => {
  const { world, first } = await setting(t);
  const { db } = world.store;
  const [broken, sound] = await sealSome(world, 2);
  assert.ok(broken !== undefined && sound !== undefined);
  await sql`update sealed_secrets set wrapped_key = ciphertext where id = ${broken}`.execute(db);
  const ring = world.context.sealing;
  ring.replace([newSealingKey(), first]);
  assert.deepEqual(await resealAll(db, ring), { resealed: 1, damaged: 1 });
  assert.equal((await unseal(db, ring, "credential", sound))?.reveal(), "secret 1");
  await assert.rejects(unseal(db, ring, "credential", broken), CannotUnseal);
});

test("while running servers differ about the current key, nothing is sealed anew; afterwards it is", async (t) => {
  const { world, first } = await setting(t);
  const { db } = world.store;
  await sealSome(world, 3);
  const second = newSealingKey();
  await noteHolder(db, "another", new KeyRing([first, second]));
  world.context.sealing.replace([second, first]);
  const quiet = { log: () => undefined, alarm: () => undefined };
  await reseal(world.context, quiet);
  assert.equal((await keyUse(db))[0]?.keyId, first.id);
  await forgetHolder(db, "another");
  await reseal(world.context, quiet);
  assert.deepEqual(await keyUse(db), [{ keyId: second.id, credentials: 3, connections: 0 }]);
});

test("a server that lacks a key says so at the grants that need it, goes on with the others, and mends when it gets the key", async (t) => {
  const { world, connector, told, first } = await setting(t);
  const ring = world.context.sealing;
  const reconciler = world.reconciler({ connectors: [connector], claimLifetimeMs: 300 });
  const alice = await world.principal("alice");
  let down = true;
  world.directory.fail = (verb) => {
    if (down && verb === "provision") throw new TargetError("unreachable", "no answer");
  };
  const stuck = await world.granted("alice", "vault:open");
  await world.grantWhen(stuck, ({ trouble }) => trouble !== null, "in trouble");
  ring.replace([newSealingKey()]);
  down = false;
  const { trouble } = await world.grantWhen(
    stuck,
    (grant) => grant.trouble?.lastError.code === "cannot-sign-in",
    "in trouble for want of the key",
  );
  assert.match(
    trouble?.lastError.message ?? "",
    new RegExp(`sealed with key ${first.id}, which this process does not have`),
  );
  const other = await world.granted("alice", "dir:open");
  await world.grantWhen(other, ({ state }) => state === "active", "active");
  assert.deepEqual(
    (await missingKeys(world.store.db, ring)).map(({ keyId }) => keyId),
    [first.id],
  );
  ring.replace([ring.current, first]);
  await world.grantWhen(stuck, ({ state }) => state === "active", "active");
  ring.replace([ring.current]);
  const no = await deliverCredential(world.context, alice, stuck, { rotate: false });
  assert.ok(isRefusal(no) && no.refused === "unavailable", "it is not lost, and said not to be");
  ring.replace([ring.current, first]);
  const delivered = await deliverCredential(world.context, alice, stuck, { rotate: false });
  assert.ok("delivery" in delivered);
  assert.equal(delivered.secret?.reveal(), told.at(-1));
  const faults = reconciler.logged.filter(({ what }) => what === "reconcile-failed");
  assert.deepEqual(faults, [], "none of this is a fault of the reconciler");
});

/** Revoked, and seen to be. */
async function revoked(world: World, id: GrantId): Promise<void> {
  await revokeGrant(world.context, await world.principal("alice"), id, "done");
  const grant = await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
  assert.ok(grant.state === "revoked");
}

test("without the key of its kept connection a grant of a removed resource is revoked with the connection as it was written down", async (t) => {
  const { world, connector } = await setting(t);
  world.reconciler({ connectors: [connector] });
  const id = await world.granted("alice", "vault:open");
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  world.context.sealing.replace([newSealingKey()]);
  await world.configure(configured([dir(world)]));
  await revoked(world, id);
  assert.deepEqual(world.members("openers"), []);
});

test("an abandoned key: secrets that nobody had are made anew, in grants that are active and in one that is being made; what was delivered stays", async (t) => {
  const { world, connector, told, first } = await setting(t);
  const { context } = world;
  world.reconciler({ connectors: [connector] });
  const alice = await world.principal("alice");
  const active = (id: GrantId) => world.grantWhen(id, ({ state }) => state === "active", "active");
  const [had, waiting] = [await world.granted("alice", "vault:open"), await world.granted("alice", "vault:open")];
  await active(had);
  await active(waiting);
  assert.ok("delivery" in (await deliverCredential(context, alice, had, { rotate: false })));
  const lease = await leaseOf(world.store.db, waiting);
  let down = true;
  world.directory.fail = (verb) => {
    if (down && verb === "provision") throw new TargetError("unreachable", "no answer");
  };
  const making = await world.granted("alice", "vault:open");
  await world.grantWhen(making, ({ trouble }) => trouble !== null, "in trouble");

  context.sealing.replace([newSealingKey()]);
  const lost = await abandonKey(context, first.id, "root");
  assert.deepEqual([...lost.undelivered].sort(), [waiting, making].sort());
  assert.equal(lost.connections, 3);
  assert.deepEqual(await missingKeys(world.store.db, context.sealing), []);
  const before = (await world.entries()).length;
  await abandonKey(context, first.id, "root");
  assert.equal((await world.entries()).filter(({ leaf }) => leaf.kind === "key.abandoned").length, 1, `${before}`);
  down = false;
  await active(making);
  await world.grantWhen(waiting, (grant) => grant.state === "active" && !grant.rotateCredential, "with a new secret");
  for (const id of [waiting, making]) {
    const delivered = await deliverCredential(context, alice, id, { rotate: false });
    assert.ok("delivery" in delivered, id);
    assert.ok(told.includes(delivered.secret?.reveal() ?? "none"), "the target knows the secret that was handed over");
  }
  assert.ok(isRefusal(await deliverCredential(context, alice, had, { rotate: false })));
  assert.notEqual((await leaseOf(world.store.db, waiting))?.secretId, lease?.secretId);
  for (const id of [had, waiting, making]) await revoked(world, id);
  assert.deepEqual(world.members("openers"), []);
});

test("a key that was abandoned and is found after all opens again what it sealed", async (t) => {
  const { world, first } = await setting(t);
  const { db } = world.store;
  const [id] = await sealSome(world, 1);
  assert.ok(id !== undefined);
  const ring = world.context.sealing;
  ring.replace([newSealingKey()]);
  await abandonKey(world.context, first.id, "root");
  assert.equal(await unseal(db, ring, "credential", id), null);
  ring.replace([ring.current, first]);
  assert.equal((await unseal(db, ring, "credential", id))?.reveal(), "secret 0");
});

test("a broken key file stops nothing: the ring stays, and the job says what is wrong", async (t) => {
  const { world } = await setting(t);
  const folder = mkdtempSync(join(tmpdir(), "tidegate-keys-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "sealing.key");
  writeFileSync(path, "not a key\n");
  const { holdKeys } = await import("../../src/jobs/keep-keys.ts");
  const keeping = {
    process: "this",
    source: { kind: "file" as const, path },
    heads: new HeadSigner(world.context, {
      signing: loadSigningKeys(folder, {}),
      dataDir: folder,
      alarm: () => undefined,
    }),
    log: () => undefined,
  };
  const before = world.context.sealing.ids;
  await assert.rejects(holdKeys(world.context, keeping), /does not hold a sealing key at place 1/);
  assert.deepEqual(world.context.sealing.ids, before);
});

test("a key becomes the current one only when every running server has it, and leaves the ring only when nothing needs it", async (t) => {
  const { world } = await setting(t);
  const { db } = world.store;
  const folder = mkdtempSync(join(tmpdir(), "tidegate-keys-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const { current: first } = loadKeyRing(folder, {});
  const options = { dataDir: folder, databaseUrl: world.url, env: {}, json: true };
  const ids = () => loadKeyRing(folder, {}).ids;
  await noteHolder(db, "another", new KeyRing([first]));

  const rotated = await rotateKeys({ ...options, waitMs: 0 });
  assert.equal(rotated.exitCode, 4);
  const { added, lacking } = JSON.parse(rotated.text) as { added: string; lacking: string[] };
  assert.deepEqual(lacking, ["another"]);
  assert.deepEqual(ids(), [first.id, added], "added, and not promoted");
  await assert.rejects(promoteKey(added, options), /another does not have the key/);
  await assert.rejects(promoteKey("0123456789abcdef", options), /does not hold the key/);

  const second = loadKeyRing(folder, {}).find(added);
  assert.ok(second !== null);
  await noteHolder(db, "another", new KeyRing([first, second]));
  assert.equal((await promoteKey(added, options)).exitCode, 0);
  assert.deepEqual(ids(), [added, first.id]);
  await assert.rejects(forgetKey(added, options), /is the current key/);
  await assert.rejects(forgetKey(first.id, options), /still the current key of another/);
  await noteHolder(db, "another", new KeyRing([second, first]));
  const [secret] = await db
    .transaction()
    .execute(async (tx) => [await seal(tx, new KeyRing([first]), "credential", new Secret("x"), 0)]);
  await assert.rejects(forgetKey(first.id, options), /still seals 1 undelivered credential/);
  assert.ok(secret !== undefined);
  await db.deleteFrom("sealed_secrets").where("id", "=", secret).execute();
  assert.equal((await forgetKey(first.id, options)).exitCode, 0);
  assert.deepEqual(ids(), [added]);
  await assert.rejects(
    rotateKeys({ ...options, env: { TIDEGATE_SEALING_KEY: Buffer.alloc(32, 1).toString("base64") }, waitMs: 0 }),
    /come from TIDEGATE_SEALING_KEY/,
  );
});
