/** Signing in through the real `oidc-provider`, and everything that a browser then may and may not do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { factSource } from "../support/fact-desk.ts";
import { type ProviderPerson, realProvider } from "../support/identity-provider.ts";
import { Browser, callback, codeOf, company, declared, TIDEGATE } from "../support/signing-in.ts";

const WALTER: ProviderPerson = {
  sub: "user-1",
  preferred_username: "Walter.White@example.test",
  name: "Walter White",
  email: "walter@example.test",
  groups: ["payments", "chemists"],
};

test("people sign in through the provider", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], WALTER);
  await it.provide(declared(provider.issuer));

  await t.test("who comes for the first time is a person with the groups that the provider names", async () => {
    const browser = new Browser(it.api);
    const page = await browser.ask(await browser.toCallback("company", "/auth/sessions?x=1"));
    assert.equal(page.status, 303, page.text);
    assert.equal(page.location, "/auth/sessions?x=1");
    const me = JSON.parse((await browser.ask("/v1/me")).text);
    assert.equal(me.handle, "walter.white");
    assert.deepEqual(me.groups, ["chemists", "payments"]);
    assert.deepEqual(me.roles, ["member"]);
    const kinds = (await it.world.entries()).map(({ leaf }) => leaf.kind);
    assert.ok(kinds.includes("session.started") && kinds.includes("principal.added"), String(kinds));
  });

  await t.test("the cookie is kept to this host, from scripts and from http; the store has only its hash", async () => {
    const browser = new Browser(it.api);
    await browser.signIn();
    const line = browser.set.find((one) => one.startsWith("__Host-tidegate-session=tgt_")) ?? "";
    for (const attribute of [/; Path=\/(;|$)/, /; Secure/, /; HttpOnly/, /; SameSite=Lax/, /; Max-Age=86400/])
      assert.match(line, attribute);
    assert.doesNotMatch(line, /Domain/i);
    const rows = await it.world.store.pool.query("select s::text as row from sign_in_sessions s");
    for (const { row } of rows.rows) assert.ok(!String(row).includes(browser.session ?? "no session"));
    assert.ok(!it.api.logged().includes(browser.session ?? "no session"));
  });

  await t.test("the groups of somebody known are those of their last sign-in", async () => {
    provider.next = { ...WALTER, groups: ["chemists"] };
    const browser = new Browser(it.api);
    await browser.signIn();
    assert.deepEqual(JSON.parse((await browser.ask("/v1/me")).text).groups, ["chemists"]);
    assert.deepEqual((await it.world.principal("walter.white")).groups, ["chemists"]);
  });

  await t.test("the same e-mail address with another subject is another person", async () => {
    provider.next = { ...WALTER, sub: "user-2" };
    const browser = new Browser(it.api);
    await browser.signIn();
    const me = JSON.parse((await browser.ask("/v1/me")).text);
    assert.equal(me.email, WALTER.email);
    assert.notEqual(me.id, (await it.world.principal("walter.white")).id);
    assert.equal(me.handle, "walter.white-2");
  });

  await t.test("a handle that the configuration names is nobody's to take", async () => {
    provider.next = { sub: "user-3", preferred_username: "carol", groups: [] };
    const browser = new Browser(it.api);
    await browser.signIn();
    assert.equal(JSON.parse((await browser.ask("/v1/me")).text).handle, "carol-2");
  });

  await t.test("nor is one that it says to be on call, somewhere or by a schedule", async () => {
    const turns = { name: "primary", tier: 1, startDay: "2026-01-05", handoverMinute: 0, lengthMs: 86_400_000 };
    const schedule = { name: "payments", zone: "UTC", rotations: [{ ...turns, people: ["skyler"] }], overrides: [] };
    const source = factSource("pagerduty", { token: "none" }, { match: "people", people: { gus: "P1" } });
    await it.configure((now) => ({ ...now, facts: { oncall: [source], schedules: [schedule], tickets: [] } }));
    for (const handle of ["gus", "skyler"]) {
      provider.next = { sub: `user-${handle}`, preferred_username: handle, groups: [] };
      const browser = new Browser(it.api);
      await browser.signIn();
      assert.equal(JSON.parse((await browser.ask("/v1/me")).text).handle, `${handle}-2`);
    }
  });

  await t.test("whom the file names with this subject is that person, with what the file says", async () => {
    await it.configure((before) => ({
      ...before,
      principals: before.principals.map((one) =>
        one.handle === "alice" ? { ...one, identities: [{ provider: "company", subject: "user-4" }] } : one,
      ),
    }));
    provider.next = {
      sub: "user-4",
      preferred_username: "mallory",
      email: "mallory@example.test",
      groups: ["security"],
    };
    const browser = new Browser(it.api);
    await browser.signIn();
    const me = JSON.parse((await browser.ask("/v1/me")).text);
    const alice = await it.world.principal("alice");
    assert.equal(me.id, alice.id);
    assert.deepEqual(me.groups, [...alice.groups]);
  });

  await t.test("somebody who was deactivated is signed in nowhere, and their sessions are over at once", async () => {
    provider.next = { sub: "user-5", preferred_username: "leaver", groups: [] };
    const browser = new Browser(it.api);
    await browser.signIn();
    assert.equal((await browser.ask("/v1/me")).status, 200);
    await it.world.store.pool.query(
      "update principals set active = false, deactivated_at = now() where handle = 'leaver'",
    );
    assert.equal((await browser.ask("/v1/me")).status, 401);
    assert.equal(codeOf(await new Browser(it.api).signIn()), "principal-deactivated");
  });

  await t.test("sessions are listed, and end by their person, an admin and nobody else", async () => {
    provider.next = WALTER;
    const [one, other] = [new Browser(it.api), new Browser(it.api)];
    await one.signIn();
    await other.signIn();
    const headers = { "sec-fetch-site": "same-origin", "x-requested-with": "tidegate" };
    const { sessions } = JSON.parse((await one.ask("/v1/sessions")).text);
    assert.ok(sessions.length >= 2);
    const [newest] = sessions;
    assert.equal((await it.api.call("bob", "DELETE", `/v1/sessions/${newest.id}`)).body.code, "not-found");
    const ended = await one.ask(`/v1/sessions/${newest.id}`, { method: "DELETE", headers });
    assert.equal(ended.status, 200, ended.text);
    assert.equal((await other.ask("/v1/me")).status, 401);
    assert.equal((await one.ask("/v1/me")).status, 200);
  });

  await t.test("a session that is not used, or too old, is over", async () => {
    for (const column of ["seen_at", "expires_at"]) {
      const browser = new Browser(it.api);
      await browser.signIn();
      assert.equal((await browser.ask("/v1/me")).status, 200);
      await it.world.store.pool.query(
        `update sign_in_sessions set created_at = created_at - interval '2 days', ${column} = clock_timestamp() - interval '2 hours' where ended_at is null`,
      );
      const over = await browser.ask("/v1/me");
      assert.equal(codeOf(over), "unauthenticated");
      assert.match(over.text, /Sign in again/);
    }
  });

  await t.test("the pages hold no script, escape what they show, and sign out by a form of their own", async () => {
    provider.next = { ...WALTER, sub: "user-6", name: "<script>alert(1)</script>" };
    const browser = new Browser(it.api);
    await browser.signIn();
    const page = await browser.ask("/auth/sessions", { headers: { accept: "text/html" } });
    assert.match(page.headers.get("content-security-policy") ?? "", /^default-src 'none'; style-src 'sha256-/);
    assert.ok(!page.text.includes("<script"));
    assert.match(page.text, /&lt;script&gt;/);
    const field = (name: string): string => new RegExp(`name="${name}" value="([^"]+)"`).exec(page.text)?.[1] ?? "";
    const body = new URLSearchParams({ key: field("key"), session: field("session") }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded", origin: TIDEGATE };
    const out = await browser.ask("/auth/sign-out", { method: "POST", headers, body });
    assert.equal(out.status, 303, out.text);
    assert.equal(browser.session, undefined);
  });

  await t.test(
    "without a session the page of sessions leads to signing in, where every provider is offered",
    async () => {
      const browser = new Browser(it.api);
      assert.equal((await browser.ask("/auth/sessions")).location, "/auth/sign-in");
      assert.match((await browser.ask("/auth/sign-in")).text, /Sign in with The company/);
    },
  );
});
