import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseHead, signHead } from "../audit-head.ts";
import { loadKeyRing, newSealingKey, parseKeys, readKeys, writeKeys } from "./sealing-keys.ts";
import { findSigningKeyId, loadSigningKey } from "./signing-key.ts";

const folder = mkdtempSync(join(tmpdir(), "tidegate-keys-"));
after(() => rmSync(folder, { recursive: true }));

const [a, b] = [randomBytes(32).toString("base64"), randomBytes(32).toString("base64")];

test("several keys stand in one text, the first is the current one, the same key twice is one", () => {
  const ids = (text: string) => parseKeys(text, "here").map(({ id }) => id);
  const [first, second] = [ids(a)[0], ids(b)[0]];
  assert.deepEqual(ids(`${a},${b}`), [first, second]);
  assert.deepEqual(ids(` ${b} ,\n# made in spring\n${a}\n${b}\n`), [second, first]);
});

test("what is no key is refused by its place, without a character of it", () => {
  for (const wrong of ["c2hvcnQ=", "not a key!", `${a}${b}`]) {
    assert.throws(
      () => parseKeys(`${a},${wrong}`, "KEYS"),
      (error: Error) =>
        error.message.includes("KEYS") && error.message.includes("place 2") && !error.message.includes(wrong),
    );
  }
  assert.throws(() => parseKeys("# nothing\n", "KEYS"), /holds no sealing key/);
});

test("the first start makes one key for its owner only; the next finds the same", async () => {
  const dir = join(folder, "first");
  const ring = loadKeyRing(dir, {});
  const path = join(dir, "keys", "sealing.key");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(loadKeyRing(dir, {}).ids, ring.ids);
  await writeKeys(path, [newSealingKey(), ...readKeys({ kind: "file", path })]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(loadKeyRing(dir, {}).ids[1], ring.current.id);
});

test("a file that is named and missing is an error, not a new key", () => {
  assert.throws(() => loadKeyRing(folder, { TIDEGATE_SEALING_KEY_FILE: join(folder, "nowhere") }), /ENOENT/);
});

test("a signing key has the same id however it is given: file, PEM, PEM on one line, 32 bytes", () => {
  const dir = join(folder, "signing");
  assert.equal(findSigningKeyId(dir, {}), null);
  const key = loadSigningKey(dir, {});
  assert.match(key.id, /^[0-9a-f]{32}$/);
  const pem = readFileSync(join(dir, "keys", "signing.key"), "utf8");
  assert.equal(statSync(join(dir, "keys", "signing.key")).mode & 0o777, 0o600);
  assert.match(readFileSync(join(dir, "keys", "signing.pub"), "utf8"), /BEGIN PUBLIC KEY/);
  const raw = key.privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32).toString("base64");
  const file = join(folder, "given.pem");
  writeFileSync(file, pem);
  for (const env of [
    {},
    { TIDEGATE_SIGNING_KEY: pem },
    { TIDEGATE_SIGNING_KEY: pem.replaceAll("\n", "\\n") },
    { TIDEGATE_SIGNING_KEY: raw },
    { TIDEGATE_SIGNING_KEY_FILE: file },
  ])
    assert.equal(findSigningKeyId(dir, env), key.id);
});

test("a key of another kind is refused", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "pem", type: "pkcs8" });
  for (const TIDEGATE_SIGNING_KEY of [rsa.toString(), "c2hvcnQ=", "-----BEGIN PRIVATE KEY-----\nnothing"])
    assert.throws(() => loadSigningKey(folder, { TIDEGATE_SIGNING_KEY }), /does not hold a signing key/);
});

test("a head says what was signed: whatever is changed in it, also the key, is seen", () => {
  const key = loadSigningKey(join(folder, "one"), {});
  const other = loadSigningKey(join(folder, "other"), {});
  const statement = {
    v: 1,
    installation: "abcdefgh",
    position: 7,
    chainHash: "ff",
    at: "2026-01-31T12:00:00.000Z",
  } as const;
  const head = signHead(statement, key);
  assert.deepEqual(parseHead(JSON.stringify(head), "head"), head);
  const changes = [
    { installation: "hgfedcba" },
    { position: 8 },
    { chainHash: "fe" },
    { at: "2027-01-31T12:00:00.000Z" },
  ];
  for (const change of changes)
    assert.throws(() => parseHead(JSON.stringify({ ...head, ...change }), "head"), /does not fit/);
  const { publicKey, keyId } = signHead(statement, other);
  assert.throws(() => parseHead(JSON.stringify({ ...head, publicKey, keyId }), "head"), /does not fit/);
  assert.throws(() => parseHead(JSON.stringify({ ...head, keyId }), "head"), /names the key/);
  for (const text of ["", "{}", "[]", "null", JSON.stringify({ ...head, position: -1 })])
    assert.throws(() => parseHead(text, "head"), /does not hold a head/);
});
