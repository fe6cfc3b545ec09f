import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser, codeOf, hostileCompany, TIDEGATE } from "../../support/signing-in.ts";

const ELSEWHERE = [
  "https://evil.example/",
  "//evil.example",
  "/\\evil.example",
  "\\\\evil.example",
  "/\t/evil.example",
  "/\n/evil.example",
  " //evil.example",
  "javascript:alert(1)",
  "evil.example",
  "",
  `/${"x".repeat(2_000)}`,
];

test("nobody is sent away from Tidegate by a link to its sign-in", async (t) => {
  const it = await hostileCompany(t);
  for (const path of ["/auth/sign-in", "/auth/sign-in/company"])
    for (const wanted of ELSEWHERE) {
      const browser = new Browser(it.api);
      const page = await browser.ask(`${path}?return_to=${encodeURIComponent(wanted)}`);
      assert.equal(codeOf(page), "invalid-input", JSON.stringify(wanted));
      assert.equal(page.location, null);
    }
  const twice = await new Browser(it.api).ask("/auth/sign-in/company?return_to=/a&return_to=//evil.example");
  assert.equal(codeOf(twice), "invalid-input");
});

test("where a provider sends people back to is what was configured, whatever host they asked for", async (t) => {
  const it = await hostileCompany(t);
  const page = await new Browser(it.api).ask("/auth/sign-in/company", {
    headers: { host: "evil.example", "x-forwarded-host": "evil.example" },
  });
  const to = new URL(page.location ?? "");
  assert.equal(to.searchParams.get("redirect_uri"), `${TIDEGATE}/auth/callback/company`);
  assert.equal(to.searchParams.get("code_challenge_method"), "S256");
});
