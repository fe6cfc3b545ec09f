import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { emptyRoot } from "../../base/merkle.ts";
import { parseCheckpoint, signHead } from "../audit-head.ts";
import { loadKeyRing, newSealingKey, parseKeys, readKeys, writeKeys } from "./sealing-keys.ts";
import { openNote, parseVerifier, signNote } from "./signed-note.ts";
import { addSigningKey, findSigningKeyId, loadSigningKeys } from "./signing-key.ts";

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
  const [key] = loadSigningKeys(dir, {});
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
    assert.throws(() => loadSigningKeys(folder, { TIDEGATE_SIGNING_KEY }), /does not hold a signing key/);
});

test("several keys stand together, the first signs, and a new one is put before them", async () => {
  const dir = join(folder, "ring");
  const [first] = loadSigningKeys(dir, {});
  const { key } = await addSigningKey(dir, {});
  assert.deepEqual(
    loadSigningKeys(dir, {}).map(({ id }) => id),
    [key.id, first.id],
  );
  assert.equal(findSigningKeyId(dir, {}), key.id);
  const [a, b] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)].map((bytes) => bytes.toString("base64"));
  assert.equal(loadSigningKeys(dir, { TIDEGATE_SIGNING_KEY: `${a},${b}` }).length, 2);
  await assert.rejects(addSigningKey(dir, { TIDEGATE_SIGNING_KEY: a ?? "" }), /put the new one first there/);
});

test("a checkpoint says what was signed: whatever is changed in it is seen, and another key did not sign it", () => {
  const [key] = loadSigningKeys(join(folder, "one"), {});
  const [other] = loadSigningKeys(join(folder, "other"), {});
  const head = { installation: "abcdefgh", size: 7, root: emptyRoot, at: "2026-01-31T12:00:00.000Z" };
  const { note, by } = signHead(head, key);
  const { installation, size, root, at } = parseCheckpoint(note, [by], "it");
  assert.deepEqual({ installation, size, root: Buffer.from(root), at }, { ...head, root: Buffer.from(emptyRoot) });
  assert.equal(parseVerifier(by.text)?.text, by.text);
  const bytes = Buffer.from(note);
  for (const [i, byte] of bytes.entries()) {
    bytes[i] = byte ^ 1;
    assert.throws(() => parseCheckpoint(bytes.toString(), [by], "it"), `byte ${i}`);
    bytes[i] = byte;
  }
  assert.throws(() => parseCheckpoint(note, [signHead(head, other).by], "it"), /None of the keys/);
  for (let i = 0; i < by.text.length; i += 1) {
    const wrong = `${by.text.slice(0, i)}${by.text[i] === "x" ? "y" : "x"}${by.text.slice(i + 1)}`;
    assert.equal(parseVerifier(wrong), null, wrong);
  }
  for (const text of ["", "{}", note.replace("\n7\n", "\n-1\n"), note.replace("\n7\n", "\n07\n")])
    assert.throws(() => parseCheckpoint(text, [by], "it"), /does not hold a checkpoint/);
});

test("a signed note is that of the first implementation (Go's sumdb/note, the example of its documentation), to the letter", () => {
  const theirs = parseVerifier("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const note = `${text}
— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;
  assert.ok(theirs !== null);
  assert.equal(openNote(note, [theirs])?.text, text);
  assert.equal(openNote(note.replace("don't", "do"), [theirs]), null);
  // PKCS #8 of an Ed25519 key (RFC 8410, 7), before the 32 bytes that are the secret of the example.
  const head = Buffer.from("302e020100300506032b657004220420", "hex");
  const secret = Buffer.from("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", "base64").subarray(1);
  const privateKey = createPrivateKey({ key: Buffer.concat([head, secret]), format: "der", type: "pkcs8" });
  const key = { id: "theirs", privateKey, publicKey: createPublicKey(privateKey) };
  assert.equal(signNote(text, "PeterNeumann", key), note);
});
