import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { compilePattern, exampleOf, PatternError } from "./pattern.ts";

describe("patterns", () => {
  test("a pattern is found anywhere unless it is anchored", () => {
    assert.equal(compilePattern("INC-[0-9]+")("see INC-42, please"), true);
    assert.equal(compilePattern("^INC-[0-9]+$")("see INC-42, please"), false);
    assert.equal(compilePattern("^INC-[0-9]+$")("INC-42"), true);
    assert.equal(compilePattern("^INC-[0-9]+$")("INC-42\n"), false);
    assert.equal(compilePattern("")("anything"), true);
  });

  test("classes, counts, alternatives, groups and word boundaries mean what they mean elsewhere", () => {
    const cases: [pattern: string, text: string, found: boolean][] = [
      ["^(?:OPS|INC)-\\d{1,4}$", "OPS-1234", true],
      ["^(?:OPS|INC)-\\d{1,4}$", "OPS-12345", false],
      ["^(?<kind>INC)?-", "-1", true],
      ["\\bsre\\b", "the sre-leads", true],
      ["\\bsre\\b", "presre", false],
      ["^[^a-z]+$", "ABC-1", true],
      ["^a{0}b$", "b", true],
      ["^(a|b)*?c$", "ababc", true],
      ["(?i)^incident$", "InCiDeNt", true],
      ["^\\p{Lu}", "Ärger", true],
      ["^.$", "😀", true],
      ["a.b", "a\nb", false],
      ["^\\.\\-\\/$", ".-/", true],
    ];
    for (const [pattern, text, found] of cases) {
      assert.equal(compilePattern(pattern)(text), found, `${pattern} on ${text}`);
    }
  });

  test("what cannot be matched in bounded time, or is not understood, is refused", () => {
    for (const pattern of [
      "(?=a)b",
      "(?<!a)b",
      "(a)\\1",
      "\\k<a>",
      "a**",
      "*a",
      "(",
      ")",
      "[a",
      "[]",
      "a{2,1}",
      "{",
      "[[:alpha:]]",
      "\\",
      "\\q",
    ]) {
      assert.throws(() => compilePattern(pattern), PatternError, pattern);
    }
    assert.throws(() => compilePattern("a".repeat(501)), PatternError);
  });

  test("a pattern cannot be made large by repeating repetitions, not even of nothing", () => {
    assert.throws(() => compilePattern("(a{1000}){1000}"), PatternError);
    assert.throws(() => compilePattern("(((){1000}){1000}){1000}"), PatternError);
  });

  test("patterns that blow up a backtracking engine answer at once", () => {
    const text = `${"a".repeat(3_999)}!`;
    const before = performance.now();
    for (const pattern of ["^(a+)+$", "^(a|aa)+$", "^(a|a?)+$", "(a*)*b", "^(.*a){12}b$", "(x+x+)+y"]) {
      assert.equal(compilePattern(pattern)(text), false, pattern);
    }
    // Generous: a backtracking engine would not be back within the age of the universe.
    assert.ok(performance.now() - before < 10_000);
  });

  test("on whatever both understand it agrees with JavaScript", () => {
    const atom = fc.constantFrom(
      "a",
      "b",
      "c",
      "1",
      "-",
      ".",
      "[ab]",
      "[^a]",
      "\\d",
      "\\w",
      "^",
      "$",
      "\\b",
      "\\B",
      "(a|b)",
      "(?:ab|c)?",
      "(a*)*",
    );
    const times = fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "*?");
    const piece = fc.tuple(atom, times).map(([a, t]) => (["^", "$", "\\b", "\\B"].includes(a) ? a : `(?:${a})${t}`));
    const branch = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(""));
    const pattern = fc.array(branch, { minLength: 1, maxLength: 3 }).map((branches) => branches.join("|"));
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "1", "-", "\n"), maxLength: 12 });
    fc.assert(
      fc.property(pattern, text, (source, given) => {
        assert.equal(compilePattern(source)(given), new RegExp(source, "u").test(given));
      }),
      { numRuns: 3_000 },
    );
  });

  test("an example shows what a pattern asks for, and matches it", () => {
    assert.equal(exampleOf("^INC-[0-9]+$"), "INC-1");
    assert.equal(exampleOf("^(?:OPS|INC)-\\d{3,}$"), "OPS-111");
    assert.equal(exampleOf("a\\bb"), null);
  });

  test("whatever is given as a pattern is compiled or refused, and what is compiled answers", () => {
    const junk = fc.string({
      unit: fc.constantFrom(...Array.from("ab01()[]{}*+?|^$\\.-,:=!<>pdwsuxk")),
      maxLength: 30,
    });
    fc.assert(
      fc.property(fc.oneof(junk, fc.string({ unit: "binary" })), fc.string({ unit: "binary" }), (source, given) => {
        try {
          assert.equal(typeof compilePattern(source)(given), "boolean");
          const example = exampleOf(source);
          assert.ok(example === null || compilePattern(source)(example));
        } catch (error) {
          if (!(error instanceof PatternError)) throw error;
          assert.ok(error.offset >= 0 && error.offset <= source.length);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
