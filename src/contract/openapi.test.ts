import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { defined } from "../base/assert.ts";
import { PROBLEMS, type ProblemCode } from "../base/problem.ts";
import { contract } from "./contract.ts";
import { type OpenApiDocument, openApiDocument } from "./openapi.ts";

type Operation = {
  operationId: string;
  summary: string;
  security?: unknown[];
  parameters?: { name: string; in: string }[];
  responses: Record<
    string,
    {
      description: string;
      content: Record<string, { schema?: unknown; examples?: Record<string, { $ref: string }> }>;
    }
  >;
};

let document: OpenApiDocument;
let operations: [path: string, method: string, operation: Operation][];

before(async () => {
  document = await openApiDocument();
  operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item ?? {}).map(([method, operation]): [string, string, Operation] => [
      path,
      method,
      operation as Operation,
    ]),
  );
});

describe("the OpenAPI document", () => {
  test("it is OpenAPI 3.1 and has every route of the contract, once", () => {
    assert.match(document.openapi, /^3\.1\./);
    const written = operations.map(([path, method]) => `${method.toUpperCase()} ${path}`);
    const wanted = Object.values(contract).flatMap((group) =>
      Object.values(group).map(({ "~orpc": { route } }) => `${route.method} ${route.path}`),
    );
    assert.deepEqual(written.sort(), wanted.sort());
    const ids = operations.map(([, , operation]) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length);
    for (const [path, , operation] of operations) assert.ok(operation.summary, path);
  });

  test("every problem that is documented exists, with its status and an example", () => {
    for (const [path, , { responses }] of operations) {
      for (const [status, response] of Object.entries(responses)) {
        if (Number(status) < 400) continue;
        const content = response.content["application/problem+json"];
        assert.ok(content, `${path} ${status}`);
        for (const [code, { $ref }] of Object.entries(content.examples ?? {})) {
          assert.equal($ref, `#/components/examples/${code}`);
          const { value } = defined(document.components?.examples?.[code], code) as { value: Record<string, unknown> };
          assert.ok(code in PROBLEMS, code);
          assert.equal(PROBLEMS[code as ProblemCode][0], Number(status), code);
          assert.equal(value.code, code);
          assert.equal(value.status, Number(status));
          assert.ok(response.description.includes(`\`${code}\``));
        }
      }
    }
  });

  test("every route but those about the server itself and signing in wants a token", () => {
    assert.deepEqual(document.security, [{ bearer: [] }]);
    const open = operations.filter(([, , operation]) => operation.security?.length === 0).map(([path]) => path);
    const signingIn = ["/v1/login", "/v1/login/renew", "/v1/login/token"];
    assert.deepEqual(open.sort(), ["/healthz", "/readyz", ...signingIn, "/v1/openapi.json"]);
    for (const [path, , { responses }] of operations.filter(([one]) => !signingIn.includes(one)))
      assert.equal("401" in responses, !open.includes(path), path);
  });

  const CHANGING = ["post", "put", "patch", "delete"];
  test("a key makes every change safe to repeat, but never the credential", () => {
    for (const [path, method, { parameters = [] }] of operations) {
      const takesKey = parameters.some(
        (parameter) => parameter.in === "header" && parameter.name === "Idempotency-Key",
      );
      // Explaining and sweeping look anew each time; an answer that was kept would be an old one.
      const looks = ["/v1/explain", "/v1/drift/sweep"].includes(path);
      // Who signs in is nobody yet, so no key is theirs: what began is used once, and a token exchanged again is the same.
      const signsIn = path.startsWith("/v1/login");
      // What was answered is kept for the key, and a secret is kept nowhere.
      const shows = path.endsWith("/credential") || (path.startsWith("/v1/tokens") && method === "post");
      const changes = CHANGING.includes(method) && !shows && !looks && !signsIn;
      assert.equal(takesKey, changes, path);
    }
  });

  test("every reference leads somewhere, and every path names its parts", () => {
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      assert.ok(document.components?.schemas?.[name ?? ""], name);
    for (const [path, , { parameters = [] }] of operations)
      for (const [, name] of path.matchAll(/\{(\w+)\}/g))
        assert.ok(
          parameters.some((parameter) => parameter.in === "path" && parameter.name === name),
          path,
        );
  });
});
