/** Passkeys as people use them: a real browser with an authenticator of its own, a real server, the real `oidc-provider`. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertReadable, headed, personIn, startChromium } from "../support/chromium.ts";
import { CLIENT, companyInYaml, realProvider } from "../support/identity-provider.ts";
import { Served } from "../support/served.ts";
import { skipWithout } from "../support/tools.ts";

const skip = skipWithout("chromium");
if (skip !== false) console.log(`\n*** ${skip}: what browsers make of passkeys is NOT tested. ***\n`);

const RULE = `policies:
  - name: touched
    when: 'entitlement.name == "read"'
    approve: automatically
    max_duration: 1h
    authentication: { request: { passkey: required } }
`;

test("people add a passkey and use it with a browser", { skip }, async (t) => {
  const served = await Served.prepare();
  t.after(() => served.stop());
  await served.boot();
  await served.end("SIGTERM");
  // Browsers know passkeys of names, and this one without TLS.
  const { port } = new URL(served.url);
  const home = `http://localhost:${port}`;
  const alice = { sub: "subject-of-alice", preferred_username: "alice", groups: [] };
  const provider = await realProvider(t, [`${home}/auth/callback/company`], alice);
  const file = join(served.dir, "tidegate.yaml");
  const identity = companyInYaml(home, provider.issuer, "env:OIDC_SECRET");
  const known = `  alice:\n    identities: [{ provider: company, subject: ${alice.sub} }]\n`;
  const written = readFileSync(file, "utf8").replace("  alice:\n", known).replace("policies:\n", RULE);
  writeFileSync(file, written + identity);
  served.env = { OIDC_SECRET: CLIENT.secret };
  await served.boot("--port", port);

  const person = await personIn(await startChromium(t));
  const { page, context } = person;
  const devices = await context.newCDPSession(page);
  await devices.send("WebAuthn.enable");
  await devices.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      ...{ protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true },
      ...{ isUserVerified: true, automaticPresenceSimulation: true },
    },
  });
  const ask = () =>
    context.request.post(`${home}/v1/requests`, {
      headers: { origin: home, "x-requested-with": "a test" },
      data: { entitlement: "orders-db:read", duration: "10m", reason: "INC-42 slow checkouts" },
    });

  await t.test("after a fresh sign-in one is added, by its name", async () => {
    await page.goto(`${home}/auth/sign-in`);
    await page.getByRole("link", { name: "Sign in with The company" }).click();
    await headed(page, "You are signed in");
    await page.getByRole("link", { name: "Your passkeys" }).click();
    await page.getByRole("link", { name: "Show that it is you" }).click();
    await headed(page, "Show that it is you");
    await assertReadable(person);
    await page.getByRole("link", { name: "Sign in with The company" }).click();
    await headed(page, "Your passkeys");
    await assertReadable(person, 1);
    await page.getByLabel("Its name").fill("this laptop");
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await page.getByRole("button", { name: "Remove this laptop" }).waitFor();
  });

  await t.test("it answers for what a rule demands it for", async () => {
    const no = await ask();
    assert.equal(no.status(), 401, await no.text());
    const { stepUp } = (await no.json()) as { stepUp: { url: string } };
    await page.goto(stepUp.url);
    await headed(page, "Show that it is you");
    await assertReadable(person, 1);
    await page.getByRole("button", { name: "Use a passkey" }).click();
    await headed(page, "It is you");
    const yes = await ask();
    assert.equal(yes.status(), 201, await yes.text());
  });

  await t.test("removed, it is no more; who breaks it off is told so", async () => {
    await page.goto(`${home}/auth/passkeys`);
    await page.getByRole("button", { name: "Remove this laptop" }).click();
    await page.getByText("You have none yet").waitFor();
    await devices.send("WebAuthn.disable");
  });

  assert.deepEqual(person.complaints, [], "no page did what its policy refuses");
});
