/** Thousands to millions of grants, made from one by SQL: the same row again and again, under other names. */
import pg from "pg";
import type { GrantId } from "../../src/base/ids.ts";

export type Wanted = {
  readonly model: GrantId;
  readonly count: number;
  /** The number of the first; ids are made of it, so that several calls do not meet. */
  readonly from?: number;
  /** SQL in `i`, the number of the grant. All as the model's unless told. */
  readonly resource?: string;
  readonly state?: string;
  readonly startsAt?: string;
  readonly expiresAt?: string;
  readonly dueAt?: string;
  /** A lease for each, and what is replaced in its names, right and account, as SQL in `i`. Without: no lease. */
  readonly lease?: { readonly replace: string; readonly by: string };
  /** Its request too: whoever shows grants reads it. */
  readonly requests?: boolean;
};

/** Crockford's letters hold all digits. */
const ID = "lpad(i::text, 16, '0')";
export const idOf = (i: number): GrantId => `gr_${String(i).padStart(16, "0")}` as GrantId;

/** Foreign keys are not checked: only a superuser may do that. */
export async function makeManyGrants(superuserUrl: string, wanted: Wanted): Promise<void> {
  const { model, count, from = 1, resource = "g.resource", state = "g.state" } = wanted;
  const { startsAt = "g.starts_at", expiresAt = "g.expires_at", dueAt = "g.due_at", lease, requests } = wanted;
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    await client.query("begin");
    await client.query("set local session_replication_role = replica");
    const series = `generate_series(${from}::bigint, ${from + count - 1}::bigint) i`;
    const again = (table: string, row: string, changed: string, where: string) => `
      insert into ${table} overriding system value
      select made.* from ${table} ${row}, ${series}, jsonb_populate_record(${row}, jsonb_build_object(${changed})) made where ${where}`;
    if (requests === true)
      await client.query(
        again(
          "requests",
          "r",
          `'id', 'rq_' || ${ID}, 'grant_id', 'gr_' || ${ID}, 'seq', nextval(pg_get_serial_sequence('requests', 'seq'))`,
          "r.grant_id = $1",
        ),
        [model],
      );
    await client.query(
      again(
        "grants",
        "g",
        `'id', 'gr_' || ${ID}, 'request_id', 'rq_' || ${ID}, 'resource', ${resource}, 'state', ${state}, 'starts_at', ${startsAt}, 'expires_at', ${expiresAt},
         'due_at', ${dueAt}, 'claim_until', null, 'claim_owner', null, 'seq', nextval(pg_get_serial_sequence('grants', 'seq'))`,
        "g.id = $1",
      ),
      [model],
    );
    if (lease !== undefined) {
      const other = (column: string) => `replace(l.${column}::text, ${lease.replace}, ${lease.by})`;
      await client.query(
        again(
          "leases",
          "l",
          `'id', 'le_' || ${ID}, 'grant_id', 'gr_' || ${ID}, 'secret_id', null, 'right_key', ${other("right_key")},
           'names', ${other("names")}::jsonb, 'account', ${other("account")}::jsonb,
           'connector', jsonb_set(l.connector, '{resource}', (select to_jsonb(resource) from grants where id = 'gr_' || ${ID}))`,
          "l.grant_id = $1",
        ),
        [model],
      );
    }
    await client.query("commit");
    await client.query("vacuum (analyze) grants");
    await client.query("vacuum (analyze) leases");
  } finally {
    await client.end();
  }
}
