import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { PrincipalId } from "../base/ids.ts";
import type { Circumstances } from "./circumstances.ts";
import { entitlementRef } from "./entitlement.ts";
import { expressionCompiler } from "./expression.ts";

const compile = expressionCompiler(["team", "cost-center", "constructor"]);
const mistakeOf = (text: string) => {
  const compiled = compile(text);
  assert.ok(!compiled.ok, `${text} is accepted`);
  return compiled.mistake;
};
const expressionOf = (text: string) => {
  const compiled = compile(text);
  assert.ok(compiled.ok, JSON.stringify(compiled));
  return compiled.expression;
};

const circumstances = (groups: readonly string[] = ["payments"]): Circumstances => ({
  user: { id: "" as PrincipalId, kind: "user", handle: "alice", name: "Alice", email: null, type: "employee", groups },
  resource: {
    name: "orders-db",
    connector: "postgres",
    title: "",
    labels: {},
    owners: [],
    connection: {},
    entitlements: {},
  },
  entitlement: {
    ref: entitlementRef("orders-db", "read"),
    resource: "orders-db",
    name: "read",
    title: "",
    risk: "low",
    maxDurationMs: 3_600_000,
    scope: {},
    scopeHash: "",
    narrower: [],
    describe: [],
  },
  request: { durationMs: 3_600_000, reason: "", ticket: "", emergency: false, startMs: null },
  oncall: { tier: 0 },
  nowMs: 1.8e12,
});

describe("conditions that are refused", () => {
  /** `»` marks the character that must be pointed at. */
  const cases: [text: string, what: RegExp, hint?: RegExp][] = [
    ["user.»grups", /user\.grups: no such field/, /did you mean groups\?/],
    ['»user["grups"] == ""', /user\.grups: no such field/, /groups/],
    ["»usr.name", /usr: no such name/, /did you mean user\?/],
    ['resource.labels.»tema == ""', /resource\.labels\.tema: no resource has this label/, /did you mean team\?/],
    [
      '»resource.labels["nope"] == ""',
      /resource\.labels\.nope: no resource has this label/,
      /labels: constructor, cost-center, team/,
    ],
    ["user.groups.exists(g, »h == g)", /h: no such name/],
    ["user[»user.name]", /an index must be written out/],
    ["user.groups[»size(user.groups)]", /an index must be written out/],
    ["»has(user.email)", /has\(\) is not needed here/, /every field has a value/],
    ["»dyn(user.name) == 1", /dyn\(\): no such function/],
    ["»type(user.name) == string", /type\(\): no such function/],
    ["»cel.bind(x, user.name, x + x == x)".replace("»cel.", "cel.»"), /bind\(\): no such method/],
    ['user.name.»split("").size() > 0', /split\(\): no such method/],
    ["user.groups.exists(g, user.groups.»exists(h, h == g))", /inside another walk/],
    [
      "user.groups.exists(g, user.groups.filter(h, h == g).size() > 0)".replace(
        "user.groups.filter",
        "user.groups.»filter",
      ),
      /inside another walk/,
    ],
    ['user.name.matches("»(a)\\\\1")'.replace("»", ""), /the pattern cannot be used/],
    ['user.name.matches("»*")', /there is nothing to repeat/],
    ["now.getHours(»user.name) > 2", /a time zone must be written out/],
    ['now.getHours(»"Europe/Berln") > 2', /is not a time zone/],
    ['now > timestamp(»"yesterday")', /"yesterday" is not a timestamp/],
    ['user.kind == »"machine"', /user\.kind is never "machine"/],
    ['entitlement.risk in ["low", »"hihg"]', /entitlement\.risk is never "hihg"/],
    ["»user == user", /do not go together/],
    ["»request.duration > 5", /Duration > int|duration > int/i, /duration\("2h"\)/],
    ["»now", /gives a Timestamp|gives a google/i],
    ["user.name == 'a' »= 'b'", /unexpected =/],
    ["(user.name == 'a'»", /ends too early/],
    ["user.name == 'a'»)", /unexpected \)/],
    ["»'abc", /Unterminated string/],
    ["»", /ends too early/],
  ];
  for (const [marked, what, hint] of cases) {
    test(marked.replace("»", "") || "nothing at all", () => {
      const mistake = mistakeOf(marked.replace("»", ""));
      assert.match(mistake.what, what);
      if (hint !== undefined) assert.match(mistake.hint, hint);
      if (marked.includes("»")) assert.equal(mistake.offset, marked.indexOf("»"));
    });
  }

  test("what is too long or too deep is refused, whatever it is made of", () => {
    for (const text of [
      "x".repeat(4_001),
      `${"!".repeat(3_990)}true`,
      `${"(".repeat(1_900)}true${")".repeat(1_900)}`,
      `${"true && ".repeat(490)}true`,
      "[".repeat(2_000),
      "-".repeat(3_990),
    ]) {
      assert.equal(compile(text).ok, false, text.slice(0, 20));
    }
  });
});

describe("conditions that are accepted", () => {
  test("the longest walk over the largest list ends soon", () => {
    const groups = Array.from({ length: 1_000 }, (_, index) => `${"a".repeat(60)}${index}`);
    const expression = expressionOf(
      `user.groups.all(g, ${Array.from({ length: 40 }, () => 'g.matches("^(a+)+b$") == false').join(" && ")})`,
    );
    const before = performance.now();
    assert.equal(expression.test(circumstances(groups)), true);
    assert.ok(performance.now() - before < 20_000);
  });

  test("the part that is not met is named as it was written, and parentheses do not confuse it", () => {
    const plain = expressionOf('((user.name)) == "alice" && (oncall.tier > 1 || user.type == "x") && true');
    assert.equal(plain.unmet(circumstances()), 'oncall.tier > 1 || user.type == "x"');
    const awkward = expressionOf('(user.name) + "" == "bob" && true');
    assert.equal(awkward.unmet(circumstances()), 'user.name + "" == "bob"');
  });
});

describe("whatever is written", () => {
  const word = fc.constantFrom(
    ...'user resource entitlement request oncall now .name .groups .labels .team .tier .duration .matches("a+") .exists(g, .all( in [ ] ( ) { } "x" \'y\' 1 2.5 true null && || ! == != < > + - * / % ? : , .size() duration("1h") timestamp( has( dyn( "\\u00e4 r"\\d" b"x" // \n getHours( .getHours("UTC") g cel.bind(x, 0x 1u \\'.split(
      " ",
    ),
  );
  const text = fc.oneof(
    fc.array(word, { maxLength: 15 }).map((words) => words.join(" ")),
    fc.array(word, { maxLength: 15 }).map((words) => words.join("")),
    fc.string({ unit: "binary" }),
  );

  test("a condition compiles, or has a mistake at a place in it; compiled, it answers or throws an error", () => {
    fc.assert(
      fc.property(text, (source) => {
        const compiled = compile(source);
        if (!compiled.ok) {
          assert.ok(compiled.mistake.offset >= 0 && compiled.mistake.offset <= source.length);
          assert.notEqual(compiled.mistake.what, "");
          return;
        }
        const { expression } = compiled;
        const answer = answerOf(() => expression.test(circumstances()));
        assert.deepEqual(
          answerOf(() => expression.unmet(circumstances()) === null),
          answer,
        );
        assert.ok(typeof answer === "boolean" || (answer instanceof Error && answer.name !== "AssertionError"));
      }),
      { numRuns: 3_000 },
    );
  });
});

function answerOf(asked: () => boolean): unknown {
  try {
    return asked();
  } catch (error) {
    return error;
  }
}
