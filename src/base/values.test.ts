/** Durations, ids, times, secrets, refusals: the small values that everything else is made of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { defined, assert as hold, unreachable } from "./assert.ts";
import { canonicalJson } from "./canonical.ts";
import { parseTimestamp, toTimestamp } from "./clock.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { bareId, entryId, grantId, messageId, newInstallationId, principalId, requestId } from "./ids.ts";
import { isRefusal, PROBLEMS, type ProblemCode, refuse, toProblem } from "./problem.ts";
import { Secret } from "./secret.ts";
import { hashToken, newToken } from "./token.ts";

const DAY_S = 86_400;

test("a duration is read as it was written, for every whole second up to 366 days", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 366 * DAY_S }), (seconds) => {
      assert.deepEqual(parseDuration(formatDuration(seconds * 1000)), { ok: true, value: seconds * 1000 });
      assert.deepEqual(parseDuration(`${seconds}s`), { ok: true, value: seconds * 1000 });
    }),
  );
});

test("the units of a duration add up", () => {
  for (const [text, ms] of [
    ["90s", 90_000],
    ["15m", 900_000],
    ["8h", 28_800_000],
    ["2d", 172_800_000],
    ["1h30m", 5_400_000],
    [" 1d1h1m1s ", 90_061_000],
  ] as const)
    assert.deepEqual(parseDuration(text), { ok: true, value: ms });
});

test("no duration is zero, negative, endless, fractional or over a year", () => {
  const wrong = [
    null,
    undefined,
    0,
    60,
    Number.NaN,
    Infinity,
    {},
    [],
    true,
    "",
    " ",
    "0s",
    "0h0m",
    "-1h",
    "1.5h",
    "1e3s",
    "NaN",
    "Infinity",
    "1h 30m",
    "30m1h",
    "1H",
    "1w",
    "h",
    "10",
    "367d",
    "366d1s",
    "999999999d",
    "9999999999s",
    "１h",
    "1h\n1m",
  ];
  for (const input of wrong) assert.equal(parseDuration(input).ok, false, String(input));
});

test("whatever is sent as a duration, what is accepted is finite, whole and within bounds", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.anything(), fc.string(), fc.stringMatching(/^[0-9]{0,12}[dhms][0-9]{0,12}[dhms]?$/)),
      (input) => {
        const parsed = parseDuration(input);
        if (!parsed.ok) return assert.ok(parsed.why.length > 0);
        assert.ok(Number.isSafeInteger(parsed.value) && parsed.value % 1000 === 0);
        assert.ok(parsed.value >= 1000 && parsed.value <= 366 * DAY_S * 1000);
      },
    ),
  );
});

test("ids of entries follow one another, 1,024 at a time from wherever chance begins, and are never given twice", () => {
  const made = Array.from({ length: 5_000 }, () => entryId.make());
  assert.equal(new Set(made).size, made.length);
  for (const id of made) assert.equal(entryId.parse(id), id);
  const heads = Map.groupBy(made, (id) => id.slice(0, -2));
  assert.ok(heads.size >= 5 && heads.size <= 6, `${heads.size} runs`);
  for (const run of heads.values()) {
    assert.ok(run.length <= 1_024);
    assert.deepEqual(run.toSorted(), run);
  }
  // Of each kind by itself.
  const others = Array.from({ length: 1_024 }, () => [entryId.make(), messageId.make()] as const);
  assert.ok(new Set(others.map(([, message]) => message.slice(0, -2))).size <= 2);
  const unlike = new Set(others.map(([entry, message]) => bareId(entry) === bareId(message)));
  assert.deepEqual([...unlike], [false]);
});

test("what begins to give random numbers, as in a simulated history, begins another run of ids", (t) => {
  entryId.make();
  const given = () => {
    const zeros = t.mock.method(crypto, "getRandomValues", <T>(bytes: T): T => bytes);
    const ids = [entryId.make(), entryId.make()];
    zeros.mock.restore();
    return ids;
  };
  const first = given();
  assert.deepEqual(first, ["en_0000000000000000", "en_0000000000000001"]);
  assert.doesNotMatch(entryId.make(), /^en_0{14}/);
  assert.deepEqual(given(), first);
});

test("an id names its kind, is never another kind's, and keeps 80 random bits", () => {
  const made = new Set(Array.from({ length: 2_000 }, () => grantId.make()));
  assert.equal(made.size, 2_000);
  for (const id of made) {
    assert.match(id, /^gr_[0-9a-hjkmnp-tv-z]{16}$/);
    assert.equal(grantId.parse(id), id);
    assert.equal(requestId.parse(id), null);
    assert.equal(`gr_${bareId(id)}`, id);
  }
  const id = principalId.make();
  for (const text of [
    `${id} `,
    ` ${id}`,
    `${id}\n`,
    id.toUpperCase(),
    id.slice(0, -1),
    `${id}0`,
    id.replace("pr_", "pr"),
    "pr_iiiiiiiiiiiiiiii",
    "",
  ])
    assert.equal(principalId.parse(text), null, JSON.stringify(text));
  assert.match(newInstallationId(), /^[0-9a-hjkmnp-tv-z]{8}$/);
});

test("a time is read only with its zone, and is written in UTC", () => {
  assert.equal(parseTimestamp("2026-01-31T12:00:00Z"), Date.UTC(2026, 0, 31, 12));
  assert.equal(parseTimestamp("2026-01-31T12:00:00.5+02:00"), Date.UTC(2026, 0, 31, 10, 0, 0, 500));
  for (const wrong of [
    "2026-01-31",
    "2026-01-31T12:00:00",
    "2026-13-01T00:00:00Z",
    "now",
    "infinity",
    "",
    "2026-01-31 12:00:00Z",
  ])
    assert.equal(parseTimestamp(wrong), null, wrong);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (ms) => {
      assert.equal(parseTimestamp(toTimestamp(ms)), ms);
    }),
  );
});

test("S24 a secret shows nothing of itself wherever it is printed, joined, logged or serialised", () => {
  const plain = "hunter2-hunter2";
  const secret = new Secret(plain);
  const error = new Error("failed", { cause: secret });
  const shown = [
    String(secret),
    `${secret}`,
    secret.toString(),
    JSON.stringify(secret),
    JSON.stringify({ deep: [{ secret }] }),
    inspect(secret, { showHidden: true, depth: null }),
    inspect({ deep: [{ secret }] }, { showHidden: true, depth: null }),
    inspect(error),
    [secret, secret].join(),
    Object.keys(secret).join(),
    Object.getOwnPropertyNames(secret).join(),
    Object.entries(secret).join(),
    JSON.stringify({ ...secret }),
    "x".concat(String(secret)),
  ];
  for (const text of shown) assert.ok(!text.includes("hunter"), text);
  assert.equal(JSON.stringify({ secret }), '{"secret":"[redacted]"}');
  assert.throws(() => canonicalJson({ secret }), /cannot hold a Secret/);
  assert.equal(secret.reveal(), plain);
  assert.throws(() => structuredClone({ secret }).secret.reveal(), TypeError);
});

test("a token is new every time, and its hash does not hold it", () => {
  const [a, b] = [newToken(), newToken()];
  assert.notEqual(a, b);
  assert.match(a, /^tgt_[A-Za-z0-9_-]{43}$/);
  assert.match(hashToken(a), /^sha256:[0-9a-f]{64}$/);
  assert.notEqual(hashToken(a), hashToken(b));
});

test("a refusal becomes a problem whose own members nothing can overwrite", () => {
  for (const code of Object.keys(PROBLEMS) as ProblemCode[]) {
    const problem = toProblem(refuse(code, "why", { code: "forged", status: 200, type: "forged", more: 1 }));
    assert.deepEqual(
      { type: problem.type, status: problem.status, code: problem.code, detail: problem.detail, more: problem["more"] },
      { type: `urn:tidegate:problem:${code}`, status: PROBLEMS[code][0], code, detail: "why", more: 1 },
    );
  }
  assert.ok(isRefusal(refuse("not-found", "")));
  for (const value of [null, undefined, "refused", {}, { refused: "not-found" }]) assert.ok(!isRefusal(value));
});

test("a broken assumption is an error, never a silent return", () => {
  assert.throws(() => hold(0, "zero"), /zero/);
  assert.throws(() => defined(undefined, "it"), /it is missing/);
  assert.equal(defined(0, "it"), 0);
  assert.throws(() => unreachable("state" as never), /unreachable/);
});
