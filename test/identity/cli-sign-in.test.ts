/** Command lines that sign in through the real `oidc-provider`: by a code that is typed in there, and by a browser on the same machine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  beginLogin,
  callWith,
  finishLogin,
  intervalPasses,
  newVerifier,
  pageFor,
  sayYes,
  signInByDevice,
  typeCodeIn,
} from "../support/cli-sign-in.ts";
import { type ProviderPerson, realProvider } from "../support/identity-provider.ts";
import { Browser, type Company, callback, company, declared } from "../support/signing-in.ts";

const WALTER: ProviderPerson = {
  sub: "user-1",
  preferred_username: "walter",
  name: "Walter White",
  groups: ["payments"],
};

const sql = (it: Company, text: string): Promise<unknown> => it.world.store.pool.query(text);
const statusOf = async (it: Company, token: string): Promise<number> =>
  (await callWith(it, token, "GET", "/v1/me")).status;
const renew = (it: Company, token: string) => it.api.post(null, "/v1/login/renew", { token });
/** The next token was used first so long ago. */
const overlapPasses = (it: Company) =>
  sql(it, "update sign_in_sessions set former_until = clock_timestamp() where former_until is not null");

test("a command line signs in by a code that somebody types in at the provider", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], WALTER);
  await it.provide(declared(provider.issuer));

  await t.test("until they have, it is told to ask again; then it is who they are", async () => {
    const begun = await beginLogin(it);
    assert.equal(begun.retryAfterMs, 5_000);
    await intervalPasses(it);
    const early = await finishLogin(it, begun);
    assert.equal(early.status, 202, early.text);
    assert.equal(await typeCodeIn(begun.address, "confirm"), "confirmed");
    await intervalPasses(it);
    const { status, body } = await finishLogin(it, begun);
    assert.equal(status, 200);
    assert.equal(body.person.handle, "walter");
    const me = await callWith(it, body.token, "GET", "/v1/me");
    assert.deepEqual(me.body.groups, ["payments"]);
    assert.equal(me.body.session.id, body.session);
    assert.equal(me.body.session.kind, "cli");
    assert.equal(me.body.session.agent, "tidegate on a laptop");
    const started = (await it.world.entries()).findLast(({ leaf }) => leaf.kind === "session.started");
    assert.equal(started?.leaf.data["kind"], "cli");
  });

  await t.test(
    "the store has no token and no code of the provider that it could use by itself; the log has neither",
    async () => {
      const begun = await beginLogin(it);
      const { token } = await signInByDevice(it);
      for (const table of ["sign_in_sessions", "cli_logins"]) {
        const { rows } = await it.world.store.pool.query(`select x::text as row from ${table} x`);
        for (const secret of [token, begun.login, begun.verifier])
          assert.ok(
            rows.every(({ row }) => !String(row).includes(secret)),
            table,
          );
      }
      for (const secret of [token, begun.login, begun.verifier]) assert.ok(!it.api.logged().includes(secret));
    },
  );

  await t.test("the same person as in a browser, with a session of its own beside it", async () => {
    const browser = new Browser(it.api);
    await browser.signIn();
    const { token } = await signInByDevice(it);
    const inBrowser = JSON.parse((await browser.ask("/v1/me")).text);
    assert.equal((await callWith(it, token, "GET", "/v1/me")).body.id, inBrowser.id);
    const { sessions } = JSON.parse((await browser.ask("/v1/sessions")).text);
    assert.deepEqual(
      sessions.slice(0, 2).map(({ kind, current }: { kind: string; current: boolean }) => [kind, current]),
      [
        ["cli", false],
        ["browser", true],
      ],
    );
  });

  await t.test("it may change something: a token is sent by nobody unasked", async () => {
    const { token } = await signInByDevice(it);
    const asked = await callWith(it, token, "POST", "/v1/explain", { entitlement: "orders:read", duration: "1h" });
    assert.notEqual(asked.body.code, "cross-site", asked.text);
  });

  await t.test("its token is no cookie, and a cookie is no token", async () => {
    const { token } = await signInByDevice(it);
    const browser = new Browser(it.api);
    browser.cookies.set("__Host-tidegate-session", token);
    assert.equal((await browser.ask("/v1/me")).status, 401);
    await browser.signIn();
    assert.equal(await statusOf(it, browser.session ?? ""), 401);
    assert.equal(await statusOf(it, (browser.session ?? "").replace("tgt_", "tgs_")), 401);
  });

  await t.test("signing in again ends the session that the command line had", async () => {
    const first = await signInByDevice(it);
    const second = await signInByDevice(it, first.token);
    assert.equal(await statusOf(it, first.token), 401);
    assert.equal(await statusOf(it, second.token), 200);
  });

  await t.test(
    "somebody who was deactivated is signed in nowhere, and their command lines are out at once",
    async () => {
      provider.next = { ...WALTER, sub: "user-2", preferred_username: "leaver" };
      const { token } = await signInByDevice(it);
      const begun = await beginLogin(it);
      await typeCodeIn(begun.address, "confirm");
      await sql(it, "update principals set active = false, deactivated_at = now() where handle = 'leaver'");
      assert.equal(await statusOf(it, token), 401);
      assert.equal((await renew(it, token)).status, 401);
      await intervalPasses(it);
      assert.equal((await finishLogin(it, begun)).body.code, "principal-deactivated");
      provider.next = WALTER;
    },
  );

  await t.test(
    "it ends when it is not used, at its end, by its person and by an admin; the words say what to do",
    async () => {
      for (const column of ["seen_at", "expires_at"]) {
        const { token } = await signInByDevice(it);
        await sql(
          it,
          `update sign_in_sessions set created_at = created_at - interval '2 days', ${column} = clock_timestamp() - interval '2 hours' where ended_at is null`,
        );
        const over = await callWith(it, token, "GET", "/v1/me");
        assert.equal(over.body.code, "unauthenticated");
        assert.match(over.body.detail, /it has expired\. Sign in again: tidegate login\.$/);
        assert.deepEqual(over.body.providers, ["company"]);
        assert.equal((await renew(it, token)).status, 401);
      }
      const { token, session } = await signInByDevice(it);
      assert.equal((await it.api.call("bob", "DELETE", `/v1/sessions/${session}`)).status, 404);
      assert.equal((await callWith(it, token, "DELETE", `/v1/sessions/${session}`)).status, 200);
      assert.match((await callWith(it, token, "GET", "/v1/me")).body.detail, /its session was ended/);
      const other = await signInByDevice(it);
      assert.equal((await it.api.call("ada", "DELETE", `/v1/sessions/${other.session}`)).status, 200);
      assert.equal(await statusOf(it, other.token), 401);
    },
  );
});

test("the token of a command line is exchanged without a moment in which none is good", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], WALTER);
  await it.provide(declared(provider.issuer));

  await t.test("the old one is taken until a minute after the new one was used first", async () => {
    const { token: old } = await signInByDevice(it);
    const { status, body } = await renew(it, old);
    assert.equal(status, 200);
    assert.notEqual(body.token, old);
    assert.equal(await statusOf(it, old), 200, "nobody has seen the new one: its answer may be lost");
    assert.equal(await statusOf(it, body.token), 200);
    assert.equal(await statusOf(it, old), 200, "a call that was under way");
    await overlapPasses(it);
    assert.match((await callWith(it, old, "GET", "/v1/me")).body.detail, /exchanged for a newer one/);
    assert.equal((await renew(it, old)).status, 401);
    assert.equal(await statusOf(it, body.token), 200);
  });

  await t.test("whoever asks again, for an answer was lost or two asked at once, is given the same", async () => {
    const { token } = await signInByDevice(it);
    const all = await Promise.all(Array.from({ length: 6 }, () => renew(it, token)));
    assert.equal(new Set(all.map(({ body }) => body.token)).size, 1);
    const [{ body } = { body: null }] = all;
    assert.equal(await statusOf(it, body.token), 200);
    assert.equal((await renew(it, token)).body.token, body.token, "within the minute");
    assert.equal((await renew(it, body.token)).body.token, body.token, "a second exchange would cut off the first");
  });

  await t.test("a token is good for an hour at most, and can be exchanged as long as its session goes on", async () => {
    const { token } = await signInByDevice(it);
    await sql(it, "update sign_in_sessions set token_expires_at = clock_timestamp() where ended_at is null");
    assert.equal(await statusOf(it, token), 401);
    const { body } = await renew(it, token);
    assert.equal(await statusOf(it, body.token), 200);
  });

  await t.test("however often it is exchanged, the session ends when it was to end", async () => {
    const { token } = await signInByDevice(it);
    await sql(
      it,
      "update sign_in_sessions set expires_at = clock_timestamp() + interval '10 minutes' where ended_at is null",
    );
    const { body } = await renew(it, token);
    const inTenMinutes = Date.now() + 11 * 60_000;
    assert.ok(Date.parse(body.expiresAt) < inTenMinutes);
    const { rows } = await it.world.store.pool.query(
      "select token_expires_at <= expires_at as bounded from sign_in_sessions order by created_at desc limit 1",
    );
    assert.ok(rows.every(({ bounded }) => bounded));
  });

  await t.test("what was never a token of a command line is exchanged for nothing", async () => {
    for (const token of ["tgs_", `tgs_${"x".repeat(43)}`, "tgt_test-token-of-alice"])
      assert.equal((await renew(it, token)).body.code, "unauthenticated", token);
  });
});

test("a command line signs in by a browser on the same machine", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], WALTER);
  await it.provide(declared(provider.issuer));
  const state = "s".repeat(43);

  await t.test("the browser signs in first where it is not, and is asked before anything is handed over", async () => {
    const { verifier, challenge } = newVerifier();
    const began = await it.api.post(null, "/v1/login", { challenge, how: "browser" });
    assert.deepEqual(began.body, { how: "browser", address: "https://tidegate.example.test/auth/cli" });
    const browser = new Browser(it.api);
    const page = pageFor(challenge, state);
    const first = await browser.ask(page);
    assert.equal(first.location, `/auth/sign-in?return_to=${encodeURIComponent(page)}`);
    const back = await browser.ask(await browser.toCallback("company", page));
    assert.equal(back.location, page);
    const asks = await browser.ask(page, { headers: { accept: "text/html" } });
    assert.match(asks.text, /wants to act as <b>Walter White<\/b> \(walter\): tidegate on a laptop/);
    assert.match(asks.headers.get("content-security-policy") ?? "", /form-action 'self' http:\/\/127\.0\.0\.1:40404;/);
    const to = await sayYes(browser, page);
    assert.equal(to.origin + to.pathname, "http://127.0.0.1:40404/callback");
    assert.equal(to.searchParams.get("state"), state);
    const done = await finishLogin(it, { login: to.searchParams.get("code") ?? "", verifier });
    assert.equal(done.status, 200, done.text);
    assert.equal(done.body.person.handle, "walter");
    assert.equal(await statusOf(it, done.body.token), 200);
  });

  await t.test("it lasts no longer than the browser's session, and only where that goes on", async () => {
    const browser = new Browser(it.api);
    await browser.signIn();
    await sql(
      it,
      "update sign_in_sessions set expires_at = clock_timestamp() + interval '10 minutes' where ended_at is null",
    );
    const [one, other] = [newVerifier(), newVerifier()];
    const [mine, late] = [
      await sayYes(browser, pageFor(one.challenge, state)),
      await sayYes(browser, pageFor(other.challenge, state)),
    ];
    const { body } = await finishLogin(it, { login: mine.searchParams.get("code") ?? "", verifier: one.verifier });
    assert.ok(Date.parse(body.expiresAt) < Date.now() + 11 * 60_000);
    await sql(it, "update sign_in_sessions set ended_at = clock_timestamp() where kind = 'browser'");
    const refused = await finishLogin(it, { login: late.searchParams.get("code") ?? "", verifier: other.verifier });
    assert.equal(refused.body.code, "sign-in-expired");
  });

  await t.test("where the provider has no codes to type in, this is the way that is offered", async () => {
    await it.provide({ ...declared(provider.issuer), name: "one" }, { ...declared(provider.issuer), name: "two" });
    const { challenge } = newVerifier();
    const several = await it.api.post(null, "/v1/login", { challenge });
    assert.equal(several.body.code, "invalid-input");
    assert.deepEqual(several.body.providers, [
      { name: "one", title: "The company" },
      { name: "two", title: "The company" },
    ]);
    assert.equal((await it.api.post(null, "/v1/login", { challenge, provider: "three" })).body.code, "invalid-input");
    const named = await it.api.post(null, "/v1/login", { challenge, provider: "two", how: "browser" });
    assert.equal(named.body.address, "https://tidegate.example.test/auth/cli?provider=two");
  });

  await t.test("without providers there is nothing to begin", async () => {
    await it.configure((before) => {
      const { identity: _, ...rest } = before;
      return rest;
    });
    assert.equal((await it.api.post(null, "/v1/login", { challenge: "c".repeat(43) })).body.code, "not-found");
  });
});
