/** Signing in as people do it: a real browser, `tidegate serve` behind TLS on a real store, the real `oidc-provider`. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertReadable, headed, type Person, personIn, startChromium } from "../support/chromium.ts";
import { CLIENT, companyInYaml, realProvider } from "../support/identity-provider.ts";
import { Served } from "../support/served.ts";
import { tlsFront } from "../support/tls-front.ts";
import { skipWithout } from "../support/tools.ts";
import { until } from "../support/until.ts";

const COOKIE = "__Host-tidegate-session";
const skip = skipWithout("chromium") || skipWithout("openssl");
if (skip !== false) console.log(`\n*** ${skip}: what browsers make of the pages and cookies is NOT tested. ***\n`);

test("people sign in with a browser", { skip }, async (t) => {
  const served = await Served.prepare();
  t.after(() => served.stop());
  const front = await tlsFront(t);
  const alice = { sub: "subject-of-alice", preferred_username: "alice", name: "Alice", groups: [] };
  const provider = await realProvider(t, [`${front.url}/auth/callback/company`], alice);
  const configFile = join(served.dir, "tidegate.yaml");
  const written = readFileSync(configFile, "utf8").replace(
    "  alice:\n",
    `  alice:\n    identities: [{ provider: company, subject: ${alice.sub} }]\n`,
  );
  const identity = companyInYaml(front.url, provider.issuer, "env:OIDC_SECRET");
  writeFileSync(configFile, written + identity);
  served.env = { OIDC_SECRET: CLIENT.secret };
  await served.boot();
  front.behind = served.url;

  const chromium = await startChromium(t);
  const person = await personIn(chromium);
  const { page, context } = person;
  const sessionOf = async ({ context: of }: Person) => (await of.cookies()).find(({ name }) => name === COOKIE);
  const signIn = async (who: Person): Promise<void> => {
    await who.page.goto(`${front.url}/auth/sign-in`);
    await who.page.getByRole("link", { name: "Sign in with The company" }).click();
  };

  await t.test("who is not signed in is led to the sign-in, which works without a mouse", async () => {
    await page.goto(front.url);
    assert.equal(new URL(page.url()).pathname, "/auth/sign-in");
    await headed(page, "Sign in");
    await assertReadable(person);
    await page.keyboard.press("Tab");
    const focused = await page.evaluate<string[]>(
      "[document.activeElement.innerText, getComputedStyle(document.activeElement).outlineStyle]",
    );
    assert.deepEqual(focused, ["Sign in with The company", "solid"], "the link comes first, and the focus is seen");
    await page.keyboard.press("Enter");
    await headed(page, "You are signed in");
    assert.equal(new URL(page.url()).pathname, "/auth/sessions");
    assert.match(await page.getByRole("main").innerText(), /Alice Archer \(alice\)/);
    await assertReadable(person);
  });

  await t.test(
    "the browser keeps the cookie for this host alone, from scripts, over TLS, and nothing else",
    async () => {
      const cookies = (await context.cookies()).filter(({ name }) => name.includes("tidegate"));
      assert.deepEqual(
        cookies.map((one) => ({ ...one, value: "", expires: one.expires > 0 })),
        [
          {
            name: COOKIE,
            value: "",
            domain: "127.0.0.1",
            path: "/",
            expires: true,
            httpOnly: true,
            secure: true,
            sameSite: "Lax",
          },
        ],
      );
      assert.equal(await page.evaluate("document.cookie"), "");
    },
  );

  await t.test("somebody's other browser is listed, and signed out from here", async () => {
    const other = await personIn(chromium);
    await signIn(other);
    await headed(other.page, "You are signed in");
    await page.reload();
    assert.equal(await page.getByRole("listitem").count(), 2);
    assert.match(await page.getByRole("listitem").filter({ hasText: "this browser" }).innerText(), /^Chrome on Linux/);
    const out = page.getByRole("button", { name: "Sign out Chrome on Linux", exact: true });
    await out.click();
    await out.waitFor({ state: "detached" });
    await until(async () => (await page.getByRole("listitem").count()) === 1, { what: "one to be left" });
    await other.page.reload();
    await headed(other.page, "Sign in first");
    await assertReadable(other);
    assert.deepEqual(other.complaints, []);
    await other.context.close();
  });

  await t.test("after signing out the cookie is gone, and worth nothing to whoever kept it", async () => {
    const kept = await sessionOf(person);
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.getByRole("status").waitFor();
    assert.match(await page.getByRole("status").innerText(), /You are signed out/);
    await assertReadable(person);
    assert.equal(await sessionOf(person), undefined);
    const replayed = await fetch(`${served.url}/v1/me`, { headers: { cookie: `${COOKIE}=${kept?.value}` } });
    assert.equal(replayed.status, 401);
  });

  await t.test("who is deactivated is signed out at once, and let in no more", async () => {
    await signIn(person);
    await headed(page, "You are signed in");
    writeFileSync(configFile, (written + identity).replace("  alice:\n", "  alice:\n    active: false\n"));
    await until(async () => (await page.reload())?.status() === 401, { what: "Alice to be signed out" });
    await headed(page, "Sign in first");
    await page.getByRole("link", { name: "Sign in" }).click();
    await page.getByRole("link", { name: "Sign in with The company" }).click();
    await headed(page, "This person is deactivated");
    await assertReadable(person);
    assert.equal(await sessionOf(person), undefined);
  });

  assert.deepEqual(person.complaints, [], "no page did what its policy refuses");
});
