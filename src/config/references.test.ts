import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { brokenReference, holdsSecret, resolveReferences, withoutSecrets } from "./references.ts";

const sources = {
  env: { URL: "postgres://a:b@c/d", PASSWORD: "p$1&x", EMPTY: "", __proto__: "x" },
  readFile: (path: string) => (path === "/run/secrets/db" ? "from-file\r\n\n" : null),
};
const ref = (inside: string): string => `$\{${inside}}`;

describe("references", () => {
  test("one is replaced wherever it stands in a text, as it is", () => {
    const connection = {
      url: ref("env:URL"),
      deep: [{ password: `x${ref("env:PASSWORD")}y${ref("file:/run/secrets/db")}` }],
      port: 5432,
      tls: null,
    };
    const resolved = resolveReferences(connection, sources);
    assert.deepEqual(resolved.ok && resolved.connection, {
      url: "postgres://a:b@c/d",
      deep: [{ password: "xp$1&xyfrom-file" }],
      port: 5432,
      tls: null,
    });
    assert.deepEqual(resolved.ok && resolved.secrets, ["postgres://a:b@c/d", "p$1&x", "from-file"]);
  });

  test("S24 what is missing is told by its name, all of it, and never by a value", () => {
    const resolved = resolveReferences(
      { a: ref("env:NOPE"), b: ref("env:EMPTY"), c: ref("file:/nowhere"), d: ref("env:URL"), e: ref("env:toString") },
      sources,
    );
    assert.deepEqual(resolved, {
      ok: false,
      missing: ["NOPE is not set", "EMPTY is not set", "/nowhere cannot be read", "toString is not set"],
    });
  });

  test("what looks like one and is none is found", () => {
    assert.equal(brokenReference(`x${ref("env:A")}`), null);
    assert.equal(brokenReference("costs $5 {a}"), null);
    for (const text of [
      ref("ENV:A"),
      ref("env:"),
      ref("env:1A"),
      ref("env:A B"),
      ref("A"),
      "${env:A",
      ref("vault:a"),
    ]) {
      assert.equal(brokenReference(`${ref("env:A")} ${text}`), ref("env:A").length + 1, text);
    }
  });
});

describe("S24 secrets in the clear", () => {
  test("are found by their key, in a URL, as a setting and as a key file", () => {
    const cases: [key: string, value: string | number, secret: boolean][] = [
      ["password", "hunter2", true],
      ["password", 1234, true],
      ["clientSecret", "x", true],
      ["api_key", "x", true],
      ["bearer-token", "x", true],
      ["password", ref("env:P"), false],
      ["token", `Bearer ${ref("env:P")}`, false],
      ["password", "", false],
      ["token_endpoint", "https://idp/token", false],
      ["host", "db.example.com", false],
      ["url", "postgres://admin@db/orders", false],
      ["url", "postgres://admin:@db/orders", false],
      ["url", `postgres://admin:${ref("env:P")}@db/orders`, false],
      ["url", `${ref("env:URL")}`, false],
      ["url", `postgres://${ref("env:U")}:${ref("env:P")}@db:5432/orders?sslmode=require`, false],
      ["url", "postgres://db:5432/orders", false],
      ["url", "postgres://admin:hunter2@db/orders", true],
      ["url", "postgres://admin:hun/ter@2@db/orders", true],
      ["url", `postgres://admin:x${ref("env:P")}@db/orders`, true],
      ["url", "postgres://db/orders?user=a&password=hunter2", true],
      ["url", `postgres://db/orders?password=${ref("env:P")}`, false],
      ["dsn", "host=db user=a password=hunter2", true],
      ["dsn", `host=db password=${ref("env:P")} port=1`, false],
      ["dsn", "host=db sslpassword=hunter2", true],
      ["key", "-----BEGIN RSA PRIVATE KEY-----\nabc", true],
      ["ca", "-----BEGIN CERTIFICATE-----\nabc", false],
    ];
    for (const [key, value, secret] of cases) assert.equal(holdsSecret(key, value), secret, `${key}: ${value}`);
  });

  test("a message loses every secret in it, and the password of a URL that is one", () => {
    const url = "postgres://admin:pass%40word@db/orders";
    assert.equal(withoutSecrets(`cannot use ${url}`, [url]), "cannot use [redacted]");
    assert.equal(
      withoutSecrets("password pass@word or pass%40word refused", [url]),
      "password [redacted] or [redacted] refused",
    );
  });

  test("whatever the secret and the message, it is not in what is left", () => {
    const secret = fc.string({ minLength: 4, maxLength: 20 }).filter((text) => !"[redacted]".includes(text));
    fc.assert(
      fc.property(fc.string(), secret, fc.string(), (before, hidden, after) => {
        const left = withoutSecrets(`${before}${hidden}${after}`, [hidden]);
        assert.ok(left.includes("[redacted]"));
      }),
    );
  });
});
