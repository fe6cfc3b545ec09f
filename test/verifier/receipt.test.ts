/** S18: the receipt of one grant, by the file that an auditor runs alone, and receipts in which something is wrong. */
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { verifierOf } from "../../src/store/keys/signed-note.ts";
import { receiptText, told, type Verdict, Verifier } from "../../verifier/verify.mjs";
import { detector } from "./detect.ts";
import { AT, checkpointOf, exportOf, KEY, keyOf, LOG, type Made, sha } from "./made-export.ts";
import {
  ALICE,
  amongOthers,
  BOB,
  closes,
  lifeOf,
  receiptLinesOf,
  receiptOf,
  reopens,
  said,
  sealed,
} from "./made-receipt.ts";

type Given = {
  witnesses?: readonly string[];
  keys?: readonly string[];
  checkpoints?: readonly { name: string; note: string }[];
};

function verify(text: string | Uint8Array, given: Given = {}): Verdict {
  const verifier = new Verifier(given);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 700) if (!verifier.push(bytes.subarray(at, at + 700))) break;
  return verifier.end();
}

const MINE = verifierOf(`tidegate/${LOG}`, KEY).text;

function found(verdict: Verdict, position: number | null, why: RegExp): void {
  assert.ok(!verdict.ok, "it was taken for whole");
  assert.match(verdict.why, why);
  assert.equal(verdict.position, position, verdict.why);
}
function whole(text: string, given: Given = {}) {
  const verdict = verify(text, given);
  assert.ok(verdict.ok && verdict.receipt !== undefined, JSON.stringify(verdict));
  return { ...verdict, receipt: verdict.receipt };
}

test("a receipt says who, what, from when to when, who agreed, and by which observation it is proven gone", () => {
  const life = [...lifeOf(), closes(31), said("grant.confirmed", 40)];
  const log = amongOthers(life, 300);
  const verdict = whole(receiptOf(life, { log }), { keys: [MINE] });
  const { receipt } = verdict;
  assert.deepEqual(receipt.person, { id: ALICE, handle: "alice" });
  assert.deepEqual(
    receipt.agreed.map(({ by }) => by),
    [{ id: BOB, handle: "bob" }],
  );
  assert.equal(receipt.entitlement, "orders-db:read");
  assert.deepEqual(
    [
      receipt.asked?.at,
      receipt.made?.at,
      receipt.due?.until,
      receipt.ended?.at,
      receipt.gone.at,
      receipt.confirmed?.at,
    ].map((at) => at?.slice(14, 19)),
    ["00:01", "00:03", "30:00", "00:30", "00:31", "00:40"],
  );
  assert.equal(receipt.gone.seq, log.indexOf(life[10] as Made) + 1);
  assert.deepEqual([verdict.entries, verdict.trusted], [log.length, true]);
  const words = told(verdict, "it");
  assert.match(words, /form 1: REVOKED, AND PROVEN GONE\n/);
  assert.match(words, /seen {7}login at db: refused: role "tg" may not log in \(28000\)/);
  assert.match(words, /The key that you gave vouches/);
});

test("S18: whichever byte of a receipt is changed to whatever else, of the text too, it is detected", () => {
  const text = Buffer.from(receiptOf([...lifeOf(), closes(31)]));
  assert.ok(verify(text).ok);
  const detects = detector((text) => verify(text));
  for (let at = 0; at < text.length; at += 3) detects(text, at, (text[at] ?? 0) ^ 1);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.nat(255), (at, to) => detects(text, at, to)),
    { numRuns: 1_500 },
  );
  for (let cut = 0; cut < text.length; cut += 301) assert.ok(!verify(text.subarray(0, cut)).ok, `cut at ${cut}`);
});

test("S18: an entry that was edited is named, and so is one with the proof of another, and a text that is not the one", () => {
  const text = receiptOf([...lifeOf(), closes(31)]);
  found(verify(text.replace('"rule":"payments-engineers"', '"rule":"payments-enginears"')), 4, /not as it was written/);
  found(verify(text.replace('"seq":8,', '"seq":9,')), 9, /not as it was written, or its proof is of another/);
  found(verify(text.replace(/\["(\w+)","fine"\]/, '["$1","fin"]')), 5, /text of a person is not the one/);
  const lines = text.split("\n");
  const at = lines.findIndex((line) => line.startsWith('{"seq":5,'));
  [lines[at], lines[at + 1]] = [lines[at + 1] ?? "", lines[at] ?? ""];
  found(verify(lines.join("\n")), null, /line after position 6 is no entry that stands behind it/);
});

test("S18: a text for people that says something else than the entries is found, also where the server itself sealed it", () => {
  const lines = receiptLinesOf([...lifeOf(), closes(31)]);
  const honest = receiptText(lines);
  const size = lines.length - 1;
  for (const [before, after, line] of [
    ["alice", "carol", 4],
    ["orders-db:read", "orders-db:peek", 5],
    ["REVOKED", "revoked", 1],
    ["\n\nGrant", "\n\nAll is well.\nGrant", 3],
  ] as const)
    found(
      verify(sealed(honest.replace(before, after), size)),
      null,
      new RegExp(`^line ${line} of the text is not what`),
    );
});

test("S18: entries that were left out or put in are found by the seal, also where every one of them is proven", () => {
  const life = [...lifeOf(), closes(31), reopens(32), closes(33)];
  const text = receiptOf(life);
  const without = (seq: number): string => {
    const lines = text.split("\n");
    const of = lines.filter(
      (line) => line.startsWith('{"') && !line.startsWith('{"seal"') && !line.startsWith(`{"seq":${seq},`),
    );
    // The text is made to fit, as whoever leaves something out would.
    return `${receiptText(of)}${lines.at(-2)}\n`;
  };
  for (const seq of [3, 9, 12]) found(verify(without(seq)), null, /the seal is of something else: a line was left out/);
  assert.ok(verify(without(999)).ok, "with all of them it is whole");
});

test("a grant that the entries do not prove gone has no receipt: not ended, or seen again by a later probe", () => {
  for (const [life, why] of [
    [lifeOf(), /do not say that access is gone/],
    [[...lifeOf(), closes(31), reopens(32)], /saw access again after it was proven gone \(position 12\)/],
  ] as const) {
    const lines = receiptLinesOf(life);
    assert.throws(() => receiptText(lines), why);
    found(verify(sealed(`Tidegate receipt, form 1: REVOKED\n${lines.join("\n")}\n`, life.length)), null, why);
  }
  const again = [...lifeOf(), closes(31), reopens(32), closes(33)];
  assert.equal(whole(receiptOf(again)).receipt.gone.seq, 13, "the proof that held");
  const first = [...lifeOf(), said("grant.access-gone", 31), closes(33)];
  assert.equal(whole(receiptOf(first)).receipt.gone.at, "2026-01-31T12:00:31.000Z");
});

test("a right that stays is never called revoked", () => {
  for (const [kind, title] of [
    [
      "covered",
      /^Tidegate receipt, form 1: ENDED\. THE RIGHT STAYS: OTHER GRANTS HOLD IT\n[\s\S]*held by {4}gr_another0/,
    ],
    ["standing", /^Tidegate receipt, form 1: ENDED\. THE RIGHT STAYS: IT STOOD THERE BEFORE THE GRANT\n/],
  ] as const) {
    const text = receiptOf([...lifeOf(), closes(31, kind)]);
    assert.ok(verify(text).ok);
    assert.match(text, title);
    assert.doesNotMatch(text, /REVOKED/);
  }
});

test("evidence of a kind that is not known is no receipt, and never one of access that is gone", () => {
  for (const kind of ["almost", "", "constructor"]) {
    const lines = receiptLinesOf([...lifeOf(), closes(31, kind)]);
    assert.throws(() => receiptText(lines), /evidence is of no known kind/);
  }
});

test("S18: what was put beside or into a text of a receipt is found, also where the server itself sealed it; so is what is put into the seal", () => {
  const text = receiptOf([...lifeOf({ reason: "one\u2028line" }), closes(31)]);
  whole(text);
  const fine = /\["(\w{32})","fine"\]/;
  for (const other of ['["$1","fine",1]', '["$1",["fine"]]', '[["$1"],"fine"]', '["$1","fine"],"more":["$1","fine"]']) {
    const lines = text.replace(fine, other).split("\n");
    const sealedAgain = sealed(`${lines.slice(0, -2).join("\n")}\n`, lines.length);
    found(verify(sealedAgain), 5, /text of a person is not the one/);
  }
  const { seal } = JSON.parse(text.trimEnd().split("\n").at(-1) ?? "") as { seal: string };
  for (const other of [[seal], `${seal}— somebody AAAA\n`, `${seal}\n`, `\n${seal}`])
    found(
      verify(text.replace(JSON.stringify(seal), () => JSON.stringify(other))),
      null,
      /the seal is of something else/,
    );
});

/** Signs whatever it is shown (c2sp.org/tlog-cosignature), at the time of the checkpoints here. */
function makeWitness() {
  const name = "other.example/w1";
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const typed = Buffer.concat([Buffer.of(4), publicKey.export({ format: "der", type: "spki" }).subarray(-32)]);
  const id = sha(Buffer.from(`${name}\n`), typed).subarray(0, 4);
  const stamp = Buffer.alloc(8);
  stamp.writeBigUInt64BE(BigInt(Date.parse(AT) / 1_000));
  const signed = (note: string): string => {
    const message = `cosignature/v1\ntime ${stamp.readBigUInt64BE()}\n${note.slice(0, note.lastIndexOf("\n\n") + 1)}`;
    const signature = sign(null, Buffer.from(message), privateKey);
    return `${note}— ${name} ${Buffer.concat([id, stamp, signature]).toString("base64")}\n`;
  };
  return { name, text: `${name}+${id.toString("hex")}+${typed.toString("base64")}`, signed };
}

test("S18: a witness counts for what is proven: of a receipt a checkpoint of its own size, and the very one that it signed", () => {
  const life = [...lifeOf(), closes(31)];
  const text = receiptOf(life);
  const witness = makeWitness();
  const [own, fork] = [checkpointOf(life).note, checkpointOf([life[1] as Made]).note];
  const given = (...notes: string[]) => ({
    checkpoints: notes.map((note, n) => ({ name: `kept${n}`, note })),
    witnesses: [witness.text],
  });
  const verdict = whole(text, given(witness.signed(fork), witness.signed(own)));
  assert.deepEqual(
    verdict.kept.map(({ proven }) => proven),
    [false, true],
  );
  assert.deepEqual(verdict.witnessed, [{ witness: witness.name, size: life.length, at: AT }]);
  assert.match(told(verdict, "it"), /The witness .* saw its 11 entries/);
  const none = /no checkpoint that is proven is signed by the witness/;
  found(verify(text, given(own, witness.signed(fork))), null, none);
  // A file that is a receipt to one reader and another checkpoint to the other.
  const both = `${witness.signed(fork)}${JSON.stringify({ tidegateReceipt: 1, checkpoint: own })}\n`;
  for (const what of [text, exportOf(life)]) found(verify(what, given(both)), null, none);
  const onward = verify(exportOf(life), given(witness.signed(checkpointOf(life.slice(0, 3)).note)));
  assert.deepEqual(onward.ok && onward.witnessed, [{ witness: witness.name, size: 3, at: AT }]);
});

test("what people wrote can hide nothing: it stays in its line, and is shown as what it is", () => {
  const reason = "x\nPerson       mallory\r\u001b[2J\u202Eevil\u200B \\n 😀 日本 é ”";
  const text = receiptOf([...lifeOf({ reason }), closes(31)]);
  assert.equal(whole(text).receipt.asked?.reason, reason);
  assert.match(text, /“x\\u000aPerson {7}mallory\\u000d\\u001b\[2J\\u202eevil\\u200b \\\\n \\ud83d\\ude00 日本 é ””/);
  assert.equal(text.split("\n").filter((line) => line.startsWith("Person")).length, 1);
});

test("texts may be left out or erased, and everything else still verifies", () => {
  const bare = [...lifeOf(), closes(31)].map(({ leaf }): Made => ({ leaf }));
  const { receipt } = whole(receiptOf(bare));
  assert.deepEqual(receipt.person, { id: ALICE, handle: null });
  assert.equal(receipt.asked?.reason, null);
});

test("S18: a receipt of another log, of another key, or of a fork of what was kept proves nothing, and it is said which", () => {
  const life = [...lifeOf(), closes(31)];
  const text = receiptOf(life);
  const kept = (log: readonly Made[], more = {}) => [{ name: "kept", note: checkpointOf(log, more).note }];
  found(verify(receiptOf(life, { key: keyOf(2) }), { keys: [MINE] }), null, /never signed with the key/);
  found(verify(text, { checkpoints: kept(life, { installation: "another0" }) }), null, /kept is of another log/);
  const fork = [...life.slice(1), life[0] as Made];
  found(verify(text, { checkpoints: kept(fork) }), null, /another than the one of kept: of one size there is one root/);
  const otherSeal = sealed(receiptText(receiptLinesOf(life)), life.length, keyOf(2));
  found(verify(otherSeal, { keys: [MINE] }), null, /the seal is of something else/);
  assert.match(told(whole(text, { checkpoints: kept(life) }), "it"), /Its log is the one of kept\./);
  assert.match(told(whole(text, { checkpoints: kept(life.slice(0, 4)) }), "it"), /only an export shows/);
});

test("an export shows whether the log of a receipt is the one that was exported: a receipt holds a checkpoint", () => {
  const life = [...lifeOf(), closes(31)];
  const receipt = [{ name: "receipt.txt", note: receiptOf(life) }];
  const later = [...life, ...lifeOf().slice(0, 3)];
  const verdict = verify(exportOf(later), { checkpoints: receipt });
  assert.ok(verdict.ok, JSON.stringify(verdict));
  assert.match(told(verdict, "it"), /goes on from receipt\.txt: 11 entries/);
  found(verify(exportOf([...later].reverse()), { checkpoints: receipt }), 1, /another than the one of receipt\.txt/);
});

test("what is neither an export nor a receipt is called that", () => {
  found(verify("hello\n"), null, /is no receipt, or was cut short/);
  found(verify(Uint8Array.of(0xff, 0xfe, 0x0a)), null, /no text in UTF-8/);
  found(verify(""), null, /empty/);
  found(verify('{"tidegateReceipt":1}\n'), null, /not that of an export/);
});

test("form 1 never changes: a receipt that was made once verifies for ever", () => {
  const text = readFileSync(join(import.meta.dirname, "receipt-form-1.txt"), "utf8");
  assert.ok(verify(text, { keys: [MINE] }).ok);
  assert.equal(receiptOf([...lifeOf(), closes(31), said("grant.confirmed", 40)]), text);
});
