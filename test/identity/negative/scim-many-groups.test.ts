import assert from "node:assert/strict";
import { test } from "node:test";
import { assertScimRefused, scimCompany } from "../../support/scim.ts";

test("nobody is in more than 1,000 groups: whoever would be is in none of the others less for it", async (t) => {
  const it = await scimCompany(t);
  const [walter, jesse] = [await it.user("walter"), await it.user("jesse")];
  await it.world.store.pool.query(
    `with made as (
       insert into scim_groups (id, issuer, display_name, version, created_at, changed_at)
       select 'sg_' || lpad(i::text, 16, '0'), 'https://company.example', 'group ' || i, 1, now(), now()
         from generate_series(1, 1000) as i returning id)
     insert into scim_members select id, $1 from made`,
    [walter],
  );
  const members = [{ value: walter }, { value: jesse }];
  const full = await it.scim("POST", "/Groups", { displayName: "cooks", members });
  assertScimRefused(it, full, 400, "invalidValue", /is in 1000 groups, and nobody is in more/);
  assert.deepEqual((await it.world.principal("jesse")).groups, []);
  assert.equal((await it.scim("GET", '/Groups?filter=displayName%20eq%20"cooks"')).body.totalResults, 0);
});
