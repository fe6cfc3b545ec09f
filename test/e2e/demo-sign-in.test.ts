/** The demo's people sign in through its own identity provider, as they would through a company's. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { assertReadable, headed, personIn, startChromium } from "../support/chromium.ts";
import { RunningDemo } from "../support/demo.ts";
import { skipWithout } from "../support/tools.ts";
import { until } from "../support/until.ts";

const skip = skipWithout("chromium");
if (skip !== false) console.log(`\n*** ${skip}: signing in to the demo with a browser is NOT tested. ***\n`);

const issuerOf = ({ dir }: RunningDemo): string =>
  /issuer: (\S+)/.exec(readFileSync(join(dir, "tidegate.yaml"), "utf8"))?.[1] ?? assert.fail("no issuer");

/** What it answers where a browser takes its address for another name; fetch would not say so. */
function statusAs(host: string, url: string): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  get(url, { headers: { host } }, (response) => resolve(response.resume().statusCode)).on("error", reject);
  return promise;
}

test("whoever tries the demo is in it who they choose to be", { skip }, async (t) => {
  const demo = await RunningDemo.start();
  t.after(() => demo.stop());
  const issuer = issuerOf(demo);
  const person = await personIn(await startChromium(t));
  const { page } = person;
  const signIn = async (name: RegExp): Promise<void> => {
    await page.goto(demo.state.signInUrl ?? assert.fail("no address to sign in"));
    await page.getByRole("link", { name: "Sign in with the demo's identity provider" }).click();
    await headed(page, "Who are you?");
    await page.getByRole("button", { name }).click();
    await headed(page, "You are signed in");
  };
  const main = () => page.getByRole("main").innerText();

  await t.test("the screen says where to sign in, and as whom", () => {
    assert.match(demo.output, new RegExp(`Sign in with a browser at ${demo.state.signInUrl}`));
    for (const name of ["Alice Archer", "Carol Costa", "Grace Gruber"]) assert.ok(demo.output.includes(name), name);
  });

  await t.test("the provider says what it is, and lists the demo's people", async () => {
    await page.goto(`${issuer}/`);
    await assertReadable(person);
    await page.getByRole("link", { name: "Sign in to Tidegate" }).click();
    await page.getByRole("link", { name: "Sign in with" }).click();
    await headed(page, "Who are you?");
    assert.match(await main(), /identity provider of Tidegate's demo.*no passwords/s);
    assert.equal(await page.getByRole("button").count(), 7);
    await assertReadable(person);
  });

  await t.test("Alice is the Alice of the file; Carol, chosen next in the same browser, is an admin", async () => {
    await signIn(/Alice Archer/);
    assert.match(await main(), /Alice Archer \(alice\)[\s\S]*groups: payments; roles: member\n/);
    await signIn(/Carol Costa/);
    assert.match(await main(), /Carol Costa \(carol\)[\s\S]*groups: security; roles: member, admin\n/);
    assert.equal((await demo.client("alice").listSessions()).sessions.length, 0, "that browser is hers no more");
  });

  await t.test("whom no file names is somebody with the groups that the provider says", async () => {
    await signIn(/Grace Gruber/);
    assert.match(await main(), /Grace Gruber \(grace\)[\s\S]*groups: payments; roles: member\n/);
  });

  await t.test("signing out at the provider ends the session at Tidegate", async () => {
    await signIn(/Bob Becker/);
    assert.equal((await demo.client("bob").listSessions()).sessions.length, 1);
    await page.goto(`${issuer}/session/end`);
    await assertReadable(person);
    await page.getByRole("button", { name: "Sign out" }).click();
    await headed(page, "You are signed out");
    await until(async () => (await demo.client("bob").listSessions()).sessions.length === 0, { what: "Bob to be out" });
    await page.goto(`${demo.state.url}/auth/sessions`);
    await headed(page, "Sign in first");
  });

  await t.test("a device signs in with the code that it shows", async () => {
    const secret = readFileSync(join(demo.dir, "identity-provider.secret"), "utf8").trim();
    const authorization = `Basic ${Buffer.from(`tidegate:${secret}`).toString("base64")}`;
    const post = async (path: string, form: Record<string, string>) => {
      const response = await fetch(`${issuer}${path}`, {
        method: "POST",
        headers: { authorization },
        body: new URLSearchParams(form),
      });
      return (await response.json()) as Record<string, string>;
    };
    const begun = await post("/device/auth", { scope: "openid profile email groups" });
    const grant = {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: begun["device_code"] ?? "",
    };
    assert.equal((await post("/token", grant))["error"], "authorization_pending");
    await page.goto(begun["verification_uri"] ?? "");
    await assertReadable(person);
    await page.getByLabel("The code that your device shows").fill("WRON-GONE");
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("The code that your device shows").fill(begun["user_code"] ?? "");
    await page.getByRole("button", { name: "Go on" }).click();
    await headed(page, "Is this your device?");
    assert.ok((await main()).includes(begun["user_code"] ?? "no code"));
    await assertReadable(person);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("button", { name: /Erin Estevez/ }).click();
    await headed(page, "You are signed in");
    const { id_token: token = "" } = await post("/token", grant);
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    assert.deepEqual([claims.sub, claims.groups], ["demo-erin", ["payments"]]);
  });

  await t.test("it answers to no other name, and ends with the demo; its port taken, it has another", async (t) => {
    assert.equal((await fetch(`${issuer}/`)).status, 200);
    assert.equal(await statusAs("rebound.example", issuer), 421);
    await demo.end();
    await assert.rejects(fetch(`${issuer}/`));
    const other = createServer((socket) => socket.destroy());
    const { promise, resolve } = Promise.withResolvers<void>();
    other.listen(Number(new URL(issuer).port), "127.0.0.1", resolve);
    await promise;
    t.after(() => other.close());
    await demo.boot();
    assert.notEqual(issuerOf(demo), issuer);
    await signIn(/Alice Archer/);
    assert.match(await main(), /Alice Archer \(alice\)/);
  });

  assert.deepEqual(person.complaints, []);
});
