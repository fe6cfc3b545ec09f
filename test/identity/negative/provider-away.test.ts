import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser, codeOf, company, declared } from "../../support/signing-in.ts";

import { stubService } from "../../support/stub-service.ts";

test("a provider that does not answer, or answers with anything else, is named; its answer is not", async (t) => {
  const it = await company(t);
  const stub = await stubService(t, (_request, response) => response.writeHead(500).end("a secret of theirs"));
  await it.provide(declared(stub.url));
  const ANSWERS: readonly (typeof stub.answer)[] = [
    stub.answer,
    (_request, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    (_request, response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>a secret of theirs"),
    (_request, response) => response.writeHead(200, { "content-type": "application/json" }).end("{"),
    (_request, response) => response.writeHead(200, { "content-type": "application/json" }).end(" ".repeat(2_000_000)),
  ];
  for (const answer of ANSWERS) {
    stub.answer = answer;
    const page = await new Browser(it.api).ask("/auth/sign-in/company");
    assert.equal(codeOf(page), "provider-unavailable");
    assert.match(page.text, /The company did not answer as it should/);
    assert.doesNotMatch(page.text, /a secret of theirs/);
  }
  await stub.stop();
  assert.equal(codeOf(await new Browser(it.api).ask("/auth/sign-in/company")), "provider-unavailable");
  assert.equal((await it.api.get("alice", "/v1/me")).status, 200, "tokens of the file go on");
});
