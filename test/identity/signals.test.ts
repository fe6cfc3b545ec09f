/** Signals of a provider that ends what somebody has here, without being asked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CAEP, RISC, type Signalling, signalling } from "../support/signals.ts";

const lastSignal = async ({ world }: Signalling) =>
  (await world.entries()).findLast(({ leaf }) => leaf.kind === "signal.received")?.leaf;

test("S19 a session that the provider revokes ends here at once, with the access that its person has", async (t) => {
  const it = await signalling(t);
  it.world.directory.members.set("readers", new Set());
  it.world.reconciler();
  const there = await it.arrive();
  await it.world.grantWhen(there.grant, ({ state }) => state === "active", "active");
  assert.deepEqual(it.world.members("readers").length, 1);
  // A command line is signed in by a session of the same kind.
  const { pool } = it.world.store;
  await it.arrive();
  await pool.query(
    "update sign_in_sessions set kind = 'cli', token_expires_at = expires_at where id = (select max(id) from sign_in_sessions)",
  );
  const answer = await it.send(it.claims());
  assert.deepEqual([answer.status, answer.text], [202, ""]);
  assert.deepEqual(await it.left(there), []);
  assert.deepEqual((await pool.query("select kind from sign_in_sessions where ended_at is null")).rows, []);
  const grant = await it.world.grantWhen(there.grant, ({ state }) => state === "revoked", "revoked");
  assert.deepEqual(it.world.members("readers"), []);
  assert.ok("ending" in grant);
  assert.deepEqual(grant.ending, { cause: "signalled", by: null, reason: "session-revoked, says company" });
  const erin = await it.world.principal("erin");
  const leaf = await lastSignal(it);
  assert.deepEqual(leaf?.refs, { principal: erin.id });
  assert.deepEqual(leaf?.data, { transmitter: "company", event: "session-revoked", ends: "access" });
  const leaves = (await it.world.entries()).map((entry) => entry.leaf);
  assert.doesNotMatch(JSON.stringify(leaves), /erin-1/, "who they are there is personal");
});

test("what ends is as the file says, but for an account that is no more", async (t) => {
  const it = await signalling(t);
  await it.transmit({ ends: "sessions" });
  for (const event of ["session-revoked", "credential-change"]) {
    const there = await it.arrive();
    assert.equal((await it.send(it.claims(`${CAEP}${event}`))).status, 202);
    assert.deepEqual(await it.left(there), ["grant"], event);
  }
  for (const event of ["account-disabled", "account-purged"]) {
    const there = await it.arrive();
    const made = await it.api.post("erin", "/v1/tokens", { name: event, scopes: ["requests:read"] });
    assert.equal((await it.send(it.claims(`${RISC}${event}`))).status, 202);
    assert.deepEqual(await it.left(there), [], event);
    const headers = { authorization: `Bearer ${made.body.secret}` };
    assert.equal((await it.api.call(null, "GET", "/v1/me", undefined, { headers })).status, 401, event);
  }
  await it.transmit({ ends: "access" });
  const there = await it.arrive();
  assert.equal((await it.send(it.claims(`${CAEP}credential-change`))).status, 202);
  assert.deepEqual(await it.left(there), []);
});

test("who signed in of their own, and is not in the file, is known by issuer and subject too", async (t) => {
  const it = await signalling(t);
  it.provider.claims = { preferred_username: "mallory", groups: [], sub: "mallory-1" };
  const { browser } = await it.arrive();
  const subject = { iss: it.provider.issuer, sub: "mallory-1" };
  for (const [what, sub_id] of Object.entries({
    "of the framework": { format: "iss_sub", ...subject },
    "a complex one": {
      ...{ format: "complex", user: { format: "iss_sub", ...subject } },
      session: { format: "opaque", id: "a-session-there" },
    },
  })) {
    await browser.signIn();
    assert.equal((await it.send(it.claims(undefined, { sub_id }))).status, 202, what);
    assert.equal((await browser.ask("/v1/me")).status, 401, what);
  }
  await browser.signIn();
  const inEvent = { [`${CAEP}session-revoked`]: { subject: { subject_type: "iss-sub", ...subject } } };
  const { sub_id: _, ...claims } = it.claims(undefined, { events: inEvent });
  assert.equal((await it.send(claims)).status, 202, "as before version 1.0");
  assert.equal((await browser.ask("/v1/me")).status, 401);
});

test("a session that began after the signal was made is another, and stays", async (t) => {
  const it = await signalling(t);
  const there = await it.arrive();
  const iat = Math.floor(Date.now() / 1_000) - 120;
  assert.equal((await it.send(it.claims(undefined, { iat }))).status, 202);
  assert.deepEqual(await it.left(there), ["session"], "access is another matter: it was given before this was known");
});

test("keys are found by the settings of the transmitter, and one that is away is asked to send again", async (t) => {
  const it = await signalling(t);
  await it.transmit({ jwksUri: null });
  const there = await it.arrive();
  const claims = it.claims();
  const away = await it.send(claims);
  assert.equal(away.status, 503, away.text);
  assert.deepEqual(await it.left(there), ["session", "grant"]);
  it.provider.signalSettings = { issuer: `${it.provider.issuer}/another`, jwks_uri: `${it.provider.issuer}/jwks` };
  assert.equal((await it.send(claims)).status, 503, "settings of another issuer");
  it.provider.signalSettings = { issuer: it.provider.issuer, jwks_uri: `${it.provider.issuer}/jwks` };
  assert.equal((await it.send(claims)).status, 202, "what was refused so is taken when it comes again");
  assert.deepEqual(await it.left(there), []);
});

test("signals are taken from whom the file names, as security event tokens and nothing else", async (t) => {
  const it = await signalling(t);
  const there = await it.arrive();
  const signed = (typ?: string) => it.provider.sign({ ...it.claims() }, typ === undefined ? {} : { typ });
  const good = await signed("secevent+jwt");
  assert.equal((await it.push(good, { path: "/signals/another" })).status, 404);
  assert.equal((await it.push(good, { type: "application/json" })).status, 415);
  assert.equal((await it.push(good, { type: "text/plain" })).status, 415);
  for (const token of [await signed(), await signed("JWT"), "", "not.a.token", "{}", `${good}x`, `${good}.${good}`])
    assert.equal((await it.push(token)).status, 400, token);
  const one = { [`${CAEP}session-revoked`]: {} };
  for (const [what, more] of Object.entries({
    "no id": { jti: undefined },
    "an id without end": { jti: "j".repeat(256) },
    "no time": { iat: undefined },
    "no events": { events: undefined },
    "two events": { events: { ...one, [`${CAEP}credential-change`]: {} } },
    "an event that is none": { events: { [`${CAEP}session-revoked`]: "now" } },
    nobody: { sub_id: undefined },
    "an address": { sub_id: { format: "email", email: "erin@example.test" } },
    "an account": { sub_id: { format: "account", uri: "acct:erin@example.test" } },
    "a number": { sub_id: { format: "iss_sub", iss: it.provider.issuer, sub: 1 } },
    "of last year": { iat: Math.floor(Date.now() / 1_000) - 8 * 86_400 },
    "of tomorrow": { iat: Math.floor(Date.now() / 1_000) + 3_600 },
    "over already": { exp: Math.floor(Date.now() / 1_000) - 60 },
  })) {
    const { status, err } = await it.send(it.claims(undefined, more as never));
    assert.deepEqual([status, err], [400, "invalid_request"], what);
  }
  assert.deepEqual(await it.left(there), ["session", "grant"]);
  assert.equal((await it.push(good)).status, 202);
  assert.deepEqual(await it.left(there), []);
});
