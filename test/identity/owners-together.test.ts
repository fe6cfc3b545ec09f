/** Tokens that come at the same moment are looked up together, and each leads to its own owner or to nobody. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { tokenId } from "../../src/base/ids.ts";
import { hashToken, newToken } from "../../src/base/token.ts";
import { authenticate, ownersTogether } from "../../src/identity/authenticate.ts";
import { configuration, directoryResource, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

test("of tokens that are shown at the same moment each is its owner's, and what is revoked, expired or unknown is nobody's", async (t) => {
  const world = await createWorld({ server, t });
  const handles = ["alice", "bob", "carol", "dave"];
  const dir = directoryResource("dir", world.directoryName, { admins: { group: "admins" } });
  await world.configure(
    configuration({ resources: [dir], principals: handles.map((handle) => person(handle)), policies: [] }),
  );
  const ends: Record<string, [string | null, string | null]> = {
    carol: ["clock_timestamp()", null],
    dave: [null, "clock_timestamp() - interval '1 second'"],
  };
  const tokens: string[] = [];
  for (const handle of handles) {
    const token = newToken();
    tokens.push(token);
    const [revoked, expires] = ends[handle] ?? [null, null];
    await world.store.pool.query(
      `insert into api_tokens (id, principal_id, name, hash, source, created_at, revoked_at, expires_at)
       values ($1, $2, 'laptop', $3, 'file', clock_timestamp(), ${revoked ?? "null"}, ${expires ?? "null"})`,
      [tokenId.make(), (await world.principal(handle)).id, hashToken(token)],
    );
  }
  const asked: string[] = [];
  const looks = ownersTogether(world.store.db);
  const shown = [...tokens, newToken(), tokens[0] ?? ""];
  const found = await Promise.all(
    shown.map((token) =>
      authenticate(
        world.store.db,
        (hash) => {
          asked.push(hash);
          return looks(hash);
        },
        `Bearer ${token}`,
      ),
    ),
  );
  assert.deepEqual(asked, shown.map(hashToken), "all were asked for before any was answered");
  const who = found.map((one) => ("principal" in one ? one.principal.handle : one.detail));
  assert.deepEqual(who.slice(0, 2), ["alice", "bob"]);
  assert.match(who[2] ?? "", /unknown, has expired or was revoked/);
  assert.match(who[3] ?? "", /expired at/);
  assert.match(who[4] ?? "", /unknown/);
  assert.equal(who[5], "alice");
});
