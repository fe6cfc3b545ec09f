/** The documents that are made from the contract are kept in step with it. TIDEGATE_GENERATE=1 writes them anew. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { before, describe, test } from "node:test";
import { openApiDocument } from "../src/contract/openapi.ts";
import { apiReference } from "./support/api-reference.ts";
import type { JsonDocument } from "./support/openapi.ts";
import { lintOpenApi } from "./support/openapi-lint.ts";

const DOCS = resolve(import.meta.dirname, "../docs");
const HOW = "run TIDEGATE_GENERATE=1 node_modules/.bin/node --test test/api-documents.test.ts";

let document: JsonDocument;
before(async () => {
  // As a client gets it: through JSON.
  document = JSON.parse(JSON.stringify(await openApiDocument()));
});

function inStep(name: string, wanted: string): void {
  const path = resolve(DOCS, name);
  if (process.env["TIDEGATE_GENERATE"] === "1") writeFileSync(path, wanted);
  assert.ok(readFileSync(path, "utf8") === wanted, `docs/${name} is not what the contract says; ${HOW}`);
}

test("docs/openapi.json is the document as served", () =>
  inStep("openapi.json", `${JSON.stringify(document, null, 2)}\n`));

test("docs/api-reference.md says what the document says", () => inStep("api-reference.md", apiReference(document)));

describe("the linter", () => {
  test("finds nothing in our document", () => assert.deepEqual(lintOpenApi(document), []));

  const without = (change: (copy: ReturnType<typeof JSON.parse>) => unknown): string => {
    const copy = structuredClone(document);
    change(copy);
    return lintOpenApi(copy).join("\n");
  };
  const faults: readonly [what: string, change: (copy: ReturnType<typeof JSON.parse>) => unknown, finding: RegExp][] = [
    ["no operationId", (d) => delete d.paths["/v1/me"].get.operationId, /GET \/v1\/me: has no operationId/],
    ["an operationId twice", (d) => Object.assign(d.paths["/v1/me"].get, { operationId: "audit.list" }), /is taken/],
    ["no summary", (d) => delete d.paths["/v1/me"].get.summary, /has no summary/],
    ["an undeclared tag", (d) => Object.assign(d.paths["/v1/me"].get, { tags: ["stray"] }), /has not one declared tag/],
    ["no word on security", (d) => delete d.paths["/v1/me"].get.security, /whether it needs a token/],
    [
      "no example",
      (d) => delete d.paths["/v1/me"].get.responses[200].content["application/json"].example,
      /the answer 200 has no example/,
    ],
    [
      "a wrong example",
      (d) => delete d.paths["/v1/me"].get.responses[200].content["application/json"].example.handle,
      /example of the answer 200 is wrong.*handle/,
    ],
    [
      "a wrong body",
      (d) =>
        Object.assign(d.paths["/v1/requests"].post.requestBody.content["application/json"].example, { surprise: 1 }),
      /example of the body is wrong/,
    ],
    [
      "a dangling reference",
      (d) => delete d.components.schemas.Evidence,
      /#\/components\/schemas\/Evidence leads nowhere/,
    ],
    [
      "an unused schema",
      (d) => Object.assign(d.components.schemas, { Stray: { type: "string" } }),
      /Stray is not used/,
    ],
    ["no problem", (d) => delete d.paths["/v1/me"].get.responses[401], /does not tell of 401/],
    [
      "a problem of another status",
      (d) => Object.assign(d.components.examples["not-found"].value, { status: 410 }),
      /example not-found of 404 is of another problem/,
    ],
    [
      "a part of the path that nobody describes",
      (d) => Object.assign(d.paths["/v1/grants/{id}"].get, { parameters: [] }),
      /the part \{id\}/,
    ],
    [
      "a parameter without a description",
      (d) => (d.paths["/v1/me"].get.parameters = [{ name: "x", in: "query", schema: {} }]),
      /x has no description/,
    ],
  ];
  for (const [what, change, finding] of faults) test(`finds ${what}`, () => assert.match(without(change), finding));
});
