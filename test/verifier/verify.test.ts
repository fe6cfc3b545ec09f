/** S18, row 38: the file that an auditor runs alone, against exports in which something is wrong, each wrong in its way. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import type { Json } from "../../src/base/canonical.ts";
import { signHead } from "../../src/store/audit-head.ts";
import { signNote, verifierOf } from "../../src/store/keys/signed-note.ts";
import { LogVerifier, type Verdict } from "../../verifier/verify.mjs";
import { detector } from "./detect.ts";
import {
  AT,
  announcing,
  checkpointOf,
  entry,
  entryWithText,
  exportOf,
  KEY,
  keyOf,
  LOG,
  type Made,
  rootOf,
  sha,
  treeOf,
} from "./made-export.ts";
import { said } from "./made-receipt.ts";

type Given = { keys?: readonly string[]; checkpoints?: readonly { name: string; note: string }[] };

function verify(text: string | Buffer, given: Given = {}, chunk = 70_000): Verdict {
  const verifier = new LogVerifier(given);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunk) if (!verifier.push(bytes.subarray(at, at + chunk))) break;
  return verifier.end();
}

const made = (size: number, of: (n: number) => Made = entry): Made[] =>
  Array.from({ length: size }, (_, i) => of(i + 1));

const MINE = verifierOf(`tidegate/${LOG}`, KEY).text;
const kept = (entries: readonly Made[], more = {}) => ({ name: "kept", note: checkpointOf(entries, more).note });

function found(verdict: Verdict, position: number | null, why: RegExp): void {
  assert.ok(!verdict.ok, "it was taken for whole");
  assert.match(verdict.why, why);
  assert.equal(verdict.position, position, verdict.why);
}

/** The export with the lines of its entries as `change` leaves them. */
function withLines(text: string, change: (lines: string[], at: (seq: number) => number) => void): string {
  const lines = text.trimEnd().split("\n");
  change(lines, (seq) => lines.findIndex((line) => line.startsWith(`{"seq":${seq},`)));
  return `${lines.join("\n")}\n`;
}
const renumbered = (line: string | undefined, seq: number): string =>
  String(line).replace(/^\{"seq":\d+/, `{"seq":${seq}`);

test("S18: an export that is whole is found whole, whatever its size, in pieces of any length", () => {
  for (const size of [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1_000]) {
    const entries = made(size, entryWithText);
    for (const chunk of size < 300 ? [1, 13, 70_000] : [70_000]) {
      const verdict = verify(exportOf(entries), { keys: [MINE] }, chunk);
      assert.ok(verdict.ok, `${size}: ${JSON.stringify(verdict)}`);
      assert.deepEqual([verdict.entries, verdict.root], [size, rootOf(entries).toString("base64")]);
    }
  }
});

test("S18: so is one whose tree has three levels of hashes, and checkpoints at every kind of place in it", () => {
  const entries = made(65_536 + 300);
  const sizes = [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 65_792, 65_836];
  const tree = treeOf(entries);
  const signed = (size: number, root = tree.root(0, size)) => ({
    name: "kept",
    note: signHead({ installation: LOG, size, root, at: AT }, KEY).note,
  });
  const checkpoints = sizes.map((size) => signed(size));
  const text = exportOf(entries);
  const verdict = verify(text, { checkpoints });
  assert.ok(verdict.ok, JSON.stringify(verdict));
  assert.deepEqual(
    verdict.kept.map(({ size }) => size),
    sizes,
  );
  const wrong = [signed(65_700, sha()), ...checkpoints];
  found(verify(text, { checkpoints: wrong }), 65_538, /positions 65538 to 65700 at least one/);
});

test("S18: an entry that was edited is named", () => {
  const text = exportOf(made(600, entryWithText));
  for (const seq of [1, 2, 256, 257, 600])
    found(verify(text.replace(`"n":${seq}`, `"n":-${seq}`)), seq, /not as it was written/);
  found(verify(text.replace('of },\\"leaf\\": 9', 'of },\\"leaf\\": 8')), 9, /text of a person/);
  found(verify(text.replace('{"seq":5,', '{"seq":6,')), 5, /carries another number/);
});

test("S18: an entry that was dropped is named, also where the others were numbered anew, and where a whole line of hashes is gone", () => {
  const text = exportOf(made(600));
  for (const seq of [1, 100, 256]) {
    const dropped = withLines(text, (lines, at) => void lines.splice(at(seq), 1));
    found(verify(dropped), seq, /the entry is missing/);
    const anew = withLines(text, (lines, at) => {
      const from = at(seq);
      lines.splice(from, 1);
      for (let i = seq; i < 256; i += 1) lines[from + i - seq] = renumbered(lines[from + i - seq], i);
    });
    found(verify(anew), seq, /the entry is missing/);
  }
  found(verify(withLines(text, (lines) => void lines.splice(3, 256))), 1, /is missing/);
});

test("S18: an entry that was put in is named, wherever it stands", () => {
  const text = exportOf(made(600));
  const stray = (seq: number): string => `{"seq":${seq},"leaf":${entry(0).leaf}}`;
  for (const seq of [1, 100, 256])
    found(verify(withLines(text, (lines, at) => void lines.splice(at(seq), 0, stray(seq)))), seq, /put in before it/);
  found(verify(withLines(text, (lines, at) => void lines.splice(at(256) + 1, 0, stray(257)))), 257, /put in before it/);
  found(verify(`${text}${stray(601)}\n`), 601, /goes on after its last entry/);
  const again = withLines(text, (lines, at) => void lines.splice(at(9), 0, renumbered(lines[at(8)], 9)));
  found(verify(again), 9, /put in before it/);
});

test("S18: entries that were swapped are named by the first of them", () => {
  const text = exportOf(made(600));
  for (const [a, b] of [
    [3, 4],
    [3, 200],
  ] as const) {
    const swapped = withLines(text, (lines, at) => {
      const [i, j] = [at(a), at(b)];
      [lines[i], lines[j]] = [renumbered(lines[j], a), renumbered(lines[i], b)];
    });
    found(verify(swapped), a, new RegExp(`position ${b} stands (before it: the two were swapped|in its place)`));
  }
});

test("S18: a log whose end was cut does not reach what was signed, and the first entry that is missing is named", () => {
  const entries = made(600);
  found(verify(exportOf(entries.slice(0, 400), { signed: entries })), 401, /the end is missing.*400.*600/);
  const cut = verify(exportOf(entries.slice(0, 400)), { checkpoints: [kept(entries)] });
  found(cut, 401, /the end is missing/);
});

test("S18: an export that was cut short anywhere says so", () => {
  const text = Buffer.from(exportOf(made(300, entryWithText)));
  for (let cut = 0; cut < text.length; cut += 97) {
    const verdict = verify(text.subarray(0, cut));
    assert.ok(
      !verdict.ok && /cut short|empty|missing|not as it was/.test(verdict.why),
      `${cut}: ${JSON.stringify(verdict)}`,
    );
  }
  found(verify(text.subarray(0, text.length - 1)), 300, /cut short/);
});

test("S18: a fork, signed by the very same key, does not agree with a checkpoint that was kept", () => {
  const entries = made(600);
  const forked = entries.map((one, i) => (i === 449 ? entry(450, "something else") : one));
  assert.ok(verify(exportOf(forked), { keys: [MINE] }).ok, "by itself nothing shows it");
  const checkpoints = [kept(entries.slice(0, 400)), kept(entries.slice(0, 500)), kept(entries)];
  found(verify(exportOf(forked), { checkpoints }), 401, /positions 401 to 500 at least one was rewritten/);
  found(verify(exportOf(forked), { checkpoints: checkpoints.slice(2) }), 1, /another than the one of kept/);
  assert.ok(verify(exportOf(forked), { checkpoints: checkpoints.slice(0, 1) }).ok);
});

test("S18: a checkpoint of another log, one that was changed, and one of another key prove nothing, and say which", () => {
  const entries = made(10);
  const text = exportOf(entries);
  const other = kept(entries, { installation: "another0" });
  found(verify(text, { checkpoints: [other] }), null, /kept is of another log: of tidegate\/another0/);
  found(verify(text, { checkpoints: [kept(entries, { key: keyOf(2) })] }), null, /not signed with a key of this log/);
  const changed = { name: "kept", note: kept(entries).note.replace("\n10\n", "\n9\n") };
  found(verify(text, { checkpoints: [changed] }), null, /was changed after it was signed/);
  found(verify(text, { checkpoints: [{ name: "kept", note: "nothing" }] }), null, /is no checkpoint/);
});

test("S18: a log that another key signed is not taken for the one of the key that is trusted", () => {
  const entries = made(10);
  assert.ok(verify(exportOf(entries), { keys: [MINE] }).ok);
  found(verify(exportOf(entries, { key: keyOf(2) }), { keys: [MINE] }), null, /never signed with the key/);
});

test("a key that was followed vouches for the one that followed, by its signature; without it, it does not", () => {
  const entries = made(10);
  const name = `tidegate/${LOG}`;
  const next = verifierOf(name, keyOf(2)).text;
  const note = signNote(`${name}/next-key\n${next}\n${AT}\n`, name, KEY);
  const changes = [{ from: MINE, to: next, note }];
  const text = exportOf(entries, { key: keyOf(2), changes });
  assert.ok(verify(text, { keys: [MINE] }).ok);
  assert.ok(verify(text, { keys: [next] }).ok);
  assert.ok(
    verify(text, { keys: [MINE], checkpoints: [kept(entries.slice(0, 5))] }).ok,
    "what the earlier one signed stays good",
  );
  const lost = exportOf(entries, { key: keyOf(2), changes: [{ from: MINE, to: next, note: null }] });
  found(verify(lost, { keys: [MINE] }), null, /did not sign for that one/);
  assert.ok(verify(lost, { keys: [next] }).ok);
  const third = verifierOf(name, keyOf(3)).text;
  const forged = [{ from: MINE, to: third, note: signNote(`${name}/next-key\n${third}\n${AT}\n`, name, keyOf(3)) }];
  found(verify(exportOf(entries, { key: keyOf(3), changes: forged }), { keys: [MINE] }), null, /was altered/);
});

test("S18: where a key was lost both are given, and what each of them signed is held against the log: a fork is found", () => {
  const entries = made(600);
  const next = verifierOf(`tidegate/${LOG}`, keyOf(2)).text;
  const across = { key: keyOf(2), changes: [{ from: MINE, to: next, note: null }] };
  const text = exportOf(entries, across);
  const checkpoints = [kept(entries.slice(0, 500)), kept(entries.slice(0, 550), { key: keyOf(2) })];
  for (const keys of [
    [MINE, next],
    [next, MINE],
  ]) {
    const verdict = verify(text, { keys, checkpoints });
    assert.ok(verdict.ok, JSON.stringify(verdict));
    assert.deepEqual([verdict.kept.length, verdict.key], [2, next]);
  }
  for (const keys of [[], [MINE], [next]])
    found(verify(text, { keys, checkpoints }), null, /did not sign for that one/);
  const forked = entries.map((one, i) => (i === 449 ? entry(450, "something else") : one));
  const keys = [MINE, next];
  found(verify(exportOf(forked, across), { keys, checkpoints }), 1, /positions 1 to 500 at least one was rewritten/);
  // A log that no longer tells of the earlier key is not the one of both.
  const silent = exportOf(forked, { key: keyOf(2) });
  assert.ok(verify(silent, { keys: [next] }).ok, "by itself nothing shows it");
  found(verify(silent, { keys }), null, /never signed with the key/);
});

test("what a lower hash is over was rewritten with it: the range is named from where it can be told", () => {
  const entries = made(600);
  const rewritten = entries.map((one, i) => (i === 299 ? entry(300, "x") : one));
  const [honest, false_] = [exportOf(entries), exportOf(rewritten)].map((text) => text.split("\n"));
  const lines = false_ as string[];
  // The first line and the line of the upper hashes are the true ones: only below do things agree with each other.
  lines[0] = honest?.[0] ?? "";
  found(verify(lines.join("\n")), 1, /hashes of positions 1 to 600 are not those that were signed/);
  lines[1] = honest?.[1] ?? "";
  found(verify(lines.join("\n")), 257, /hashes of positions 257 to 512 are not those that were signed/);
});

test("S18: whichever byte of an export is changed to whatever else, it is detected", () => {
  const texts = [exportOf(made(300, entryWithText)), exportOf(made(5, entryWithText))].map((text) => Buffer.from(text));
  const name = `tidegate/${LOG}`;
  const next = verifierOf(name, keyOf(2)).text;
  const note = signNote(`${name}/next-key\n${next}\n${AT}\n`, name, KEY);
  texts.push(Buffer.from(exportOf(made(2), { key: keyOf(2), changes: [{ from: MINE, to: next, note }] })));
  for (const text of texts) assert.ok(verify(text).ok);
  const detects = detector((text) => verify(text));
  const [, small, rotated] = texts as [Buffer, Buffer, Buffer];
  for (const text of [small, rotated])
    for (let at = 0; at < text.length; at += 1) detects(text, at, (text[at] ?? 0) ^ 1);
  const any = fc.property(fc.nat(2), fc.nat(), fc.nat(255), (which, at, to) => {
    const text = texts[which] as Buffer;
    detects(text, at % text.length, to);
  });
  fc.assert(any, { numRuns: 2_000 });
});

test("S18: whatever is left out of an export or put into it, it is detected", () => {
  const texts = [made(300, entryWithText), made(5, entryWithText)].map((entries) => Buffer.from(exportOf(entries)));
  const few = fc.uint8Array({ maxLength: 3 });
  const any = fc.property(fc.nat(1), fc.nat(), fc.nat(3), few, (which, n, without, added) => {
    const text = texts[which] as Buffer;
    const at = n % (text.length + 1);
    const altered = Buffer.concat([text.subarray(0, at), added, text.subarray(at + without)]);
    assert.ok(altered.equals(text) || !verify(altered).ok, `at ${at} without ${without}, with ${added}`);
  });
  fc.assert(any, { numRuns: 2_000 });
});

/** May be left out: a text can be erased. */
const ERASABLE = ["personal", "comment", "reason"];

/** What a JSON value may be changed to, in its place or anywhere in it: put beside, put into, cut from, or of another kind. */
function* mutants(value: Json): Generator<Json> {
  yield* [[value], { value }, `${JSON.stringify(value)} `, null, 7];
  if (typeof value === "string") {
    yield* [`${value} `, ` ${value}`, `${value}\n`, `${value}\n— somebody AAAA\n`, value.slice(1), value.slice(0, -1)];
    yield value.replaceAll("\ufffd", "\ud800");
  } else if (typeof value === "number") yield* [String(value), value + 1, -value];
  else if (Array.isArray(value)) {
    for (const put of [1, "and more", null, [], {}])
      yield* [
        [...value, put],
        [put, ...value],
      ];
    for (const [n, one] of value.entries()) {
      yield value.toSpliced(n, 1);
      for (const other of mutants(one)) yield value.with(n, other);
    }
  } else if (value !== null && typeof value === "object") {
    yield* [
      { ...value, more: "and more" },
      { more: "and more", ...value },
    ];
    const members = Object.entries(value);
    if (members.length > 1) yield Object.fromEntries(members.toReversed());
    for (const [name, one] of members) {
      if (!ERASABLE.includes(name)) yield Object.fromEntries(members.filter(([key]) => key !== name));
      yield Object.fromEntries(members.map(([key, it]) => [key === name ? `${name} ` : key, it]));
      for (const other of mutants(one)) yield { ...value, [name]: other };
    }
  }
}

const personalOf = (text: string) => /"personal":(\{.*?\}),"leaf"/s.exec(text)?.[1] ?? assert.fail();

test("S18: whatever is put beside, into, or cut from a text in an export is found", () => {
  const texts = { comment: "Approved by nobody.\ncomment\nI approve \ufffd\u2028", reason: "ok for now" };
  const salted = said("review.recorded", 1, { personal: texts });
  const text = exportOf([salted]);
  assert.ok(verify(text).ok);
  const personal = personalOf(text);
  const all = JSON.parse(personal) as { comment: [string, string]; reason: [string, string] };
  const [salt, value] = all.comment;
  const moved = [`${salt}\ncomment\nApproved by nobody.`, value.replace("Approved by nobody.\ncomment\n", "")];
  const written = [
    ...[...mutants(all), { ...all, comment: moved }, {}].map((one) => JSON.stringify(one)),
    personal.replace('","ok', '", "ok'),
    personal.replace('"reason":', '"reason":["x","y"],"reason":'),
    personal.replace("for now", "for\\u0020now"),
  ];
  for (const other of written) {
    if (other === personal) continue;
    const verdict = verify(text.replace(personal, () => other));
    assert.ok(!verdict.ok, other);
    assert.equal(verdict.position, 1, other);
  }
  // A byte that is no UTF-8 is read as the very character that stood there.
  const bytes = Buffer.from(text);
  const at = bytes.indexOf("\ufffd");
  found(verify(Buffer.concat([bytes.subarray(0, at), Buffer.of(0xff), bytes.subarray(at + 3)])), 1, /other texts/);
  for (const field of ["comment", "reason"] as const) {
    const erased = text.replace(personal, JSON.stringify({ [field]: all[field] }));
    assert.ok(verify(erased).ok, "one that was erased is as if it had never been");
  }
  const none = verify(exportOf([entry(1)]).replace('"leaf"', () => `"personal":${personal},"leaf"`));
  found(none, 1, /text of a person/);
});

test("S18: so is whatever is put beside, into, or cut from any other member of any line", () => {
  const next = verifierOf(`tidegate/${LOG}`, keyOf(2)).text;
  const note = signNote(`tidegate/${LOG}/next-key\n${next}\n${AT}\n`, `tidegate/${LOG}`, KEY);
  const changes = [{ from: MINE, to: next, note }];
  const log = saying(258, 257, 256);
  for (const text of [exportOf(log.slice(0, 4), { key: keyOf(2), changes }), exportOf(log, { dropped: 256 })]) {
    const given = { keys: [MINE] };
    assert.ok(verify(text, given).ok);
    const lines = text.trimEnd().split("\n");
    for (const [n, line] of lines.entries())
      for (const one of mutants(JSON.parse(line) as Json)) {
        const other = JSON.stringify(one);
        // A change from key to key may have its members in any order.
        const isSame = isDeepStrictEqual(one, JSON.parse(line));
        const verdict = verify(`${lines.with(n, other).join("\n")}\n`, given);
        if (other !== line && !(isSame && n === 0)) assert.ok(!verdict.ok, other);
      }
  }
});

/** A log of so many, which says at a position that it is dropped up to there. */
const saying = (size: number, at: number, to: number): Made[] =>
  made(size, entryWithText).map((one, i) => (i === at - 1 ? announcing(to) : one));

test("S18: a log whose beginning was dropped is whole where its own entries say so, for every checkpoint from before and after", () => {
  const any = fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(5), fc.nat(600), fc.nat(), (blocks, more, rest, n) => {
    const [dropped, to] = [256 * blocks, 256 * (blocks + more)];
    const at = to + 1 + (n % (rest + 1));
    const entries = saying(to + rest + 1, at, to);
    const sizes = [0, 1, 100, dropped - 1, dropped, dropped + 1, to, at - 1, entries.length];
    const checkpoints = sizes.map((size) => kept(entries.slice(0, size)));
    const verdict = verify(exportOf(entries, { dropped }), { checkpoints });
    assert.ok(verdict.ok, JSON.stringify(verdict));
    assert.deepEqual(verdict.dropped, { to: dropped, by: at, at: AT, before: AT, kept: "2557d" });
    assert.deepEqual(
      verdict.kept.map(({ size }) => size),
      sizes.toSorted((a, b) => a - b),
    );
    const forked = entries.map((one, i) => (i === n % dropped ? entry(0, "something else") : one));
    assert.ok(!verify(exportOf(entries, { dropped }), { checkpoints: [kept(forked)] }).ok);
  });
  fc.assert(any, { numRuns: 40 });
});

test("S18: what is missing without an entry that says so is named, and so is what is dropped anywhere but from the beginning", () => {
  found(verify(exportOf(made(900), { dropped: 512 })), 1, /no entry of the log says that it is dropped/);
  found(verify(exportOf(saying(900, 800, 256), { dropped: 512 })), 257, /no entry of the log says/);
  // An entry of another kind, or a text that looks like one, says nothing.
  const text = made(900).map((one, i) => (i === 800 ? entry(1, '\\"kind\\":\\"audit.drop-announced\\"') : one));
  found(verify(exportOf(text, { dropped: 256 })), 1, /no entry of the log says/);
  const lines = (change: (all: string[]) => void): string => {
    const all = exportOf(saying(900, 800, 512), { dropped: 512 })
      .trimEnd()
      .split("\n");
    change(all);
    return `${all.join("\n")}\n`;
  };
  const at = (all: string[], to: number): number => all.indexOf(`{"dropped":${to}}`);
  found(verify(lines((all) => void all.splice(at(all, 512), 1))), 257, /missing/);
  found(
    verify(lines((all) => void all.splice(at(all, 256), 1, '{"dropped":512}'))),
    1,
    /from its beginning, in whole blocks/,
  );
  found(
    verify(lines((all) => void all.splice(at(all, 512), 0, '{"dropped":512}'))),
    513,
    /is missing, or not as it was/,
  );
  const middle = exportOf(saying(900, 800, 512))
    .trimEnd()
    .split("\n");
  const first = middle.findIndex((line) => line.startsWith('{"seq":257,'));
  middle.splice(first, 256, '{"dropped":512}');
  found(verify(`${middle.join("\n")}\n`), 257, /from its beginning, in whole blocks/);
  const half = exportOf(saying(900, 800, 256), { dropped: 256 }).replace('{"dropped":256}', '{"dropped":255}');
  found(verify(half), 1, /from its beginning, in whole blocks/);
});

test("S18: whichever byte of an export of which the beginning was dropped is changed, it is detected", () => {
  const text = Buffer.from(exportOf(saying(330, 300, 256), { dropped: 256 }));
  assert.ok(verify(text).ok);
  const detects = detector((changed) => verify(changed));
  const from = text.indexOf('{"dropped":');
  for (let at = from; at < from + 17; at += 1) for (const to of [48, 49, 57, 32, 0]) detects(text, at, to);
  const any = fc.property(fc.nat(text.length - 1), fc.nat(255), (at, to) => detects(text, at, to));
  fc.assert(any, { numRuns: 2_000 });
});

test("run alone by Node, it says what it found, and leaves with 0, 1 or 2", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-verify-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const program = resolve(import.meta.dirname, "../../verifier/verify.mjs");
  const run = (...args: string[]): Promise<{ code: number; said: string }> =>
    new Promise((done) =>
      execFile(process.execPath, [program, ...args], { cwd: folder }, (error, stdout, stderr) =>
        done({ code: error === null ? 0 : Number(error.code), said: stdout + stderr }),
      ),
    );
  const entries = made(400);
  const whole = file("whole.jsonl", exportOf(entries));
  const checkpoint = file("kept", kept(entries.slice(0, 300)).note);
  const good = await run(whole, "--checkpoint", checkpoint, "--key", MINE);
  assert.deepEqual([good.code, good.said.includes("400 entries of tidegate/k3v9x2q7")], [0, true], good.said);
  assert.match(good.said, /goes on from .*kept: 300 entries/);
  const bad = await run(file("bad.jsonl", exportOf(entries).replace('"n":77,', '"n":78,')), "--json");
  assert.equal(bad.code, 1);
  assert.deepEqual((JSON.parse(bad.said) as { position: number }).position, 77);
  for (const args of [[], [join(folder, "absent")], [whole, "--checkpoint", join(folder, "absent")]])
    assert.equal((await run(...args)).code, 2, args.join());
  for (const option of ["--checkpoint", "--key", "--witness"])
    assert.deepEqual(await run(whole, option), { code: 2, said: `nothing stands after ${option}\n` });
  const next = verifierOf(`tidegate/${LOG}`, keyOf(2)).text;
  const across = { key: keyOf(2), changes: [{ from: MINE, to: next, note: null }] };
  const both = await run(
    file("gap", exportOf(entries, across)),
    "--key",
    MINE,
    "--key",
    next,
    "--checkpoint",
    checkpoint,
  );
  assert.equal(both.code, 0, both.said);
});

test("a line without end, and an export of another kind, are refused", () => {
  found(verify("x".repeat(10)), null, /empty, or its first line was cut/);
  found(verify('{"seq":1}\n'), null, /not that of an export/);
  found(verify(Buffer.concat([Buffer.from(exportOf([])), Buffer.alloc(33 * 1024 * 1024, 120)])), 1, /no end/);
});
