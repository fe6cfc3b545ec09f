/** `tidegate receipt`: what is written, and that what proves nothing is never taken for one. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { closes, GRANT, lifeOf, receiptOf } from "../verifier/made-receipt.ts";
import { cli, onlyJson, problem, type Reply, type StubServer, startStub } from "./cli-harness.ts";

const TEXT = receiptOf([...lifeOf(), closes(31)]);
const ROUTE = `GET /v1/grants/${GRANT}/receipt`;
let reply: Reply = { body: TEXT, type: "text/plain; charset=utf-8" };
let stub: StubServer;
let folder: string;
before(async () => {
  stub = await startStub({ [ROUTE]: () => reply });
  folder = mkdtempSync(join(tmpdir(), "tidegate-receipt-"));
});
after(async () => {
  await stub.close();
  rmSync(folder, { recursive: true });
});
const run = (...args: string[]) => cli(args, { TIDEGATE_URL: stub.url, TZ: "UTC" });

test("it is written byte for byte, to a new file of its owner or to stdout, and verifies there", async () => {
  const file = join(folder, "receipt.txt");
  const { code, stdout, stderr } = await run("receipt", GRANT, "--out", file);
  assert.deepEqual([code, stdout, readFileSync(file, "utf8")], [0, "", TEXT], stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await run("receipt", GRANT, "--out", file)).code, 2);
  assert.equal((await run("receipt", GRANT)).stdout, TEXT);
  const verified = await run("audit", "verify", file);
  assert.equal(verified.code, 0, verified.stderr);
  assert.match(verified.stdout, /receipt\.txt is a receipt, and whole\.[\s\S]*Person {7}alice \(pr_/);
  const told = onlyJson(await run("receipt", GRANT, "--json", "--without-personal")) as Record<string, object>;
  assert.deepEqual(told["receipt"], { ...told["receipt"], grant: GRANT, entitlement: "orders-db:read" });
  assert.equal(stub.calls.at(-1)?.query.get("personal"), "no");
  writeFileSync(file, TEXT.replace("alice", "carol"));
  const forged = await run("audit", "verify", file);
  assert.equal(forged.code, 1);
  assert.match(
    forged.stderr,
    /proves nothing: line 4 of the text is not what the entries say, which is: Person {7}alice/,
  );
});

test("what proves nothing is not written, and a grant that is not proven gone is told as such", async () => {
  const file = join(folder, "none.txt");
  reply = { body: TEXT.replace('"fine"]', '"fime"]'), type: "text/plain; charset=utf-8" };
  const bad = await run("receipt", GRANT, "--out", file);
  assert.deepEqual([bad.code, bad.stdout], [1, ""]);
  assert.match(bad.stderr, /What the server sent proves nothing: a text of a person/);
  const no = (state: string) =>
    problem("no-receipt", 409, `There is no receipt of this grant. It is ${state}.`, { state });
  for (const [state, code] of [
    ["active", 4],
    ["revoking", 4],
    ["cancelled", 1],
  ] as const) {
    reply = no(state);
    const refused = await run("receipt", GRANT, "--out", file);
    assert.equal(refused.code, code, state);
    assert.match(refused.stderr, new RegExp(`It is ${state}`));
  }
  assert.throws(() => statSync(file), "nothing was written");
});
