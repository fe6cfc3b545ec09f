import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { canonicalJson, type Json } from "./canonical.ts";
import { hashOf, sameText } from "./hash.ts";

const jsonValue = fc.jsonValue({ maxDepth: 4, noUnicodeString: false }) as fc.Arbitrary<Json>;

/** The same value with the keys of every object in another order. */
function reordered(value: Json): Json {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== "object" || value === null) return value;
  const made: Record<string, Json> = {};
  for (const [key, member] of Object.entries(value).reverse()) {
    Object.defineProperty(made, key, {
      value: reordered(member),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return made;
}

test("RFC 8785: the example of section 3.2.2", () => {
  const sent =
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}';
  assert.equal(
    canonicalJson(JSON.parse(sent)),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test("RFC 8785: keys are sorted by UTF-16 code units, the example of section 3.2.3", () => {
  const sent = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
  };
  assert.deepEqual(Object.values(JSON.parse(canonicalJson(sent)) as Record<string, string>).slice(1), [
    "Carriage Return",
    "Control",
    "Latin Small Letter O With Diaeresis",
    "Euro Sign",
    "Emoji: Grinning Face",
    "Hebrew Letter Dalet With Dagesh",
  ]);
  const order = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"];
  assert.equal(
    canonicalJson(sent),
    `{${order.map((key) => `${JSON.stringify(key)}:${JSON.stringify(sent[key as keyof typeof sent])}`).join(",")}}`,
  );
});

test("RFC 8785: numbers of appendix B", () => {
  const numbers: [number, string][] = [
    [0, "0"],
    [-0, "0"],
    [Number.MIN_VALUE, "5e-324"],
    [-Number.MIN_VALUE, "-5e-324"],
    [Number.MAX_VALUE, "1.7976931348623157e+308"],
    [9007199254740992, "9007199254740992"],
    [295147905179352830000, "295147905179352830000"],
    [9.999999999999997e22, "9.999999999999997e+22"],
    [1e23, "1e+23"],
    [999999999999999700000, "999999999999999700000"],
    [1e21, "1e+21"],
    [9.999999999999997e-7, "9.999999999999997e-7"],
    [0.000001, "0.000001"],
    [333333333.3333332, "333333333.3333332"],
    [-0.0000033333333333333333, "-0.0000033333333333333333"],
  ];
  for (const [number, text] of numbers) assert.equal(canonicalJson(number), text);
});

test("what JSON cannot hold is refused", () => {
  for (const value of [
    Number.NaN,
    Infinity,
    -Infinity,
    "\ud800",
    { "\udc00": 1 },
    [undefined],
    1n,
    () => 1,
    Symbol("s"),
  ])
    assert.throws(() => canonicalJson(value), TypeError);
  assert.equal(canonicalJson({ left: undefined, kept: null }), '{"kept":null}');
});

test("canonical JSON reads back as the same value", () => {
  fc.assert(
    fc.property(jsonValue, (value) => {
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("one value has one text and one hash, whatever the order of its keys", () => {
  fc.assert(
    fc.property(jsonValue, (value) => {
      assert.equal(canonicalJson(reordered(value)), canonicalJson(value));
      assert.equal(hashOf(reordered(value)), hashOf(value));
      assert.equal(canonicalJson(JSON.parse(canonicalJson(value))), canonicalJson(value));
    }),
  );
});

test("two values have the same text exactly when they are the same", () => {
  const plain = (value: Json): unknown => JSON.parse(JSON.stringify(value));
  fc.assert(
    fc.property(jsonValue, jsonValue, (a, b) => {
      assert.equal(canonicalJson(a) === canonicalJson(b), isDeepStrictEqual(plain(a), plain(b)));
    }),
  );
});

test("texts are the same only when every character is", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) => sameText(a, b) === (a === b)));
});
