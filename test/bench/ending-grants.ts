/** Many grants that are active and end when told, made by SQL with their logins on the target: giving them is not what is measured. */
import pg from "pg";
import type { GrantId } from "../../src/base/ids.ts";
import { idOf, makeManyGrants } from "../support/many-grants.ts";
import { ask } from "../support/served.ts";
import type { BenchWorld, Models } from "./bench-world.ts";
import { newStand, type Stand } from "./replay.ts";

/** Logins like those of grants, for grants of these ids or for the floor alone. */
export async function makeLogins(world: BenchWorld, models: Models, stands: readonly Stand[]): Promise<void> {
  const [group] = await ask<{ rolname: string }>(
    world.target.superuserUrl,
    "select rolname from pg_roles where rolname like 'tgg\\_%'",
  );
  const made = models.access.steps.flatMap((step) =>
    step.did === "query" && /^(comment on|alter) role /.test(step.text) ? [step.text] : [],
  );
  if (group === undefined || made.length === 0) throw new Error("the captured life is not as expected");
  const client = new pg.Client({ connectionString: world.adminUrl.href });
  await client.connect();
  for (const stand of stands) {
    await client.query("begin");
    await client.query(`create role ${stand.role} login inherit`);
    for (const text of made) await client.query(text.replaceAll(models.access.bareId, stand.bareId));
    await client.query(`grant ${group.rolname} to ${stand.role} with inherit true, set false`);
    await client.query("commit");
    const { rows } = await client.query<{ oid: number }>("select oid from pg_roles where rolname = $1", [stand.role]);
    stand.oid = rows[0]?.oid ?? null;
  }
  await client.end();
}

/** For the floor. */
export async function makeStands(world: BenchWorld, models: Models, count: number): Promise<Stand[]> {
  const stands = Array.from({ length: count }, () => newStand(models.access, models.role));
  await makeLogins(world, models, stands);
  return stands;
}

/** Ids of different calls never meet. */
let made = 0;

/**
 * `count` grants that end at these moments (SQL in `i`, from 1), the first `withLogins` of them with a login on the target.
 * Without one there is nothing to take away, which is less work: such a grant is only there to be in the way.
 */
export async function makeEndingGrants(
  world: BenchWorld,
  models: Models,
  wanted: { readonly count: number; readonly withLogins: number; readonly endsAt: string },
): Promise<GrantId[]> {
  const from = made + 1;
  made += wanted.count;
  const ids = Array.from({ length: wanted.count }, (_, n) => idOf(from + n));
  const bare = (id: GrantId): string => id.replace(/^gr_/, "");
  const stands = ids.slice(0, wanted.withLogins).map((id) => newStand(models.access, models.role, bare(id)));
  await makeLogins(world, models, stands);
  const store = new URL(world.storeUrl);
  const superuser = new URL(world.store.superuserUrl);
  superuser.pathname = store.pathname;
  const endsAt = wanted.endsAt.replaceAll(/\bi\b/g, `(i - ${from - 1})`);
  await makeManyGrants(superuser.href, {
    model: models.keeper,
    from,
    count: wanted.count,
    state: "'active'",
    startsAt: "clock_timestamp() - interval '30 days'",
    expiresAt: endsAt,
    dueAt: endsAt,
    lease: { replace: `'${bare(models.keeper)}'`, by: "lpad(i::text, 16, '0')" },
    requests: true,
  });
  await world.inStore("update leases set details = '{}' where grant_id = any($1)", [ids]);
  await world.inStore(
    "update leases set details = jsonb_build_object('oid', oid) from unnest($1::text[], $2::bigint[]) as known (id, oid) where grant_id = known.id",
    [ids.slice(0, wanted.withLogins), stands.map(({ oid }) => oid)],
  );
  return ids;
}

/** Takes what was not worked off out of the store again. */
export async function forgetGrants(world: BenchWorld, ids: readonly GrantId[]): Promise<void> {
  await world.inStore("delete from leases where grant_id = any($1)", [ids]);
  await world.inStore("delete from grants where id = any($1)", [ids]);
}

const DROPPED_AT_ONCE = 200;

/**
 * Logins of grants and of the floor that were not worked off go, and so does what all of them left in the target's catalogs:
 * to take one of many members out of a group costs by how many there are, and whoever is measured next would pay for them.
 */
export async function dropLogins(world: BenchWorld, models: Models): Promise<void> {
  const client = new pg.Client({ connectionString: world.target.superuserUrl });
  await client.connect();
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(rolname) as name from pg_roles
      where rolname like 'tg\\_%' and rolname not like '%' || $1`,
    [models.keeper.replace(/^gr_/, "")],
  );
  for (let from = 0; from < rows.length; from += DROPPED_AT_ONCE) {
    const some = rows.slice(from, from + DROPPED_AT_ONCE).map(({ name }) => name);
    await client.query(`drop role ${some.join(", ")}`);
  }
  await client.query("vacuum pg_authid, pg_auth_members, pg_shdepend, pg_shdescription, pg_db_role_setting");
  await client.end();
}
