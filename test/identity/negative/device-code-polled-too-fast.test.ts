import assert from "node:assert/strict";
import { test } from "node:test";
import { beginLogin, finishLogin, intervalPasses, typeCodeIn } from "../../support/cli-sign-in.ts";
import { realProvider } from "../../support/identity-provider.ts";
import { callback, company, declared } from "../../support/signing-in.ts";

test("who asks sooner than they may is refused, is not asked about, and waits five seconds more from then on", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], { sub: "user-1", groups: [] });
  await it.provide(declared(provider.issuer));
  const begun = await beginLogin(it);

  await t.test("also when somebody has signed in meanwhile: it has to wait all the same", async () => {
    await typeCodeIn(begun.address, "confirm");
    const asked = provider.asked("/token");
    for (const seconds of [10, 15]) {
      const { status, body, headers } = await finishLogin(it, begun);
      assert.equal(status, 429);
      assert.equal(body.code, "too-many-requests");
      assert.match(body.detail, new RegExp(`every ${seconds} seconds`));
      assert.equal(headers["retry-after"], String(seconds));
    }
    assert.equal(provider.asked("/token"), asked, "the provider was not bothered");
    const { rows } = await it.world.store.pool.query(
      "select interval_ms::int as ms, next_poll_at > clock_timestamp() + interval '13 seconds' as later from cli_logins",
    );
    assert.deepEqual(rows, [{ ms: 15_000, later: true }]);
    assert.match(it.api.logged(), /"code":"too-many-requests"/);
  });

  await t.test("who then waits is signed in", async () => {
    await intervalPasses(it);
    assert.equal((await finishLogin(it, begun)).status, 200);
  });

  await t.test("two at once: one of them is too soon", async () => {
    const another = await beginLogin(it);
    await intervalPasses(it);
    const all = await Promise.all([finishLogin(it, another), finishLogin(it, another)]);
    assert.deepEqual(all.map(({ status }) => status).sort(), [202, 429]);
  });

  await t.test("what the provider itself calls too fast slows down as well", async () => {
    const another = await beginLogin(it);
    provider.refuses = "slow_down";
    await intervalPasses(it);
    const { status, body } = await finishLogin(it, another);
    assert.equal(status, 202);
    assert.equal(body.retryAfterMs, 10_000);
    provider.refuses = null;
  });
});
