/**
 * What a journal must know, read on a connection of its own: whether the store answers must not depend on how busy the
 * others are, and one that hangs is thrown away after its deadline.
 */
import pg from "pg";
import type { JsonObject } from "../base/canonical.ts";
import type { GrantId } from "../base/ids.ts";
import type { Configuration } from "../domain/configuration.ts";
import type { Lease } from "../domain/lease.ts";
import { STATEMENTS_OF_OURS, storeTypes } from "./db.ts";
import { type KeyRing, openRow } from "./sealed.ts";

/** The lease of a grant that ends soon, or is being ended. */
export type EndingLease = Pick<
  Lease,
  "grantId" | "rightKey" | "names" | "details" | "account" | "scope" | "scopeHash" | "target"
> & {
  readonly kind: string;
  readonly resource: string;
  /** `found`: the right stood there before us. */
  readonly standing: boolean;
  /** Database time; null: it is being ended already. */
  readonly endsMs: number | null;
  /** Until when other live grants hold the same right; null: there are none. */
  readonly coveredUntilMs: number | null;
  /** The connection as it was written down, with references; and the same with its secrets, where that opens here. */
  readonly written: JsonObject;
  readonly kept: JsonObject | null;
};

export type Endings = {
  readonly databaseMs: number;
  readonly leases: readonly EndingLease[];
  /** There are more than were asked for: the ones that end last are not here. */
  readonly more: boolean;
  /** How resources are reached as configured now, with references. */
  readonly configured: Readonly<Record<string, { readonly connector: string; readonly connection: JsonObject }>>;
};

export type JournalSource = {
  /** Throws when the store does not answer in time. */
  read(horizonMs: number, max: number): Promise<Endings>;
  close(): Promise<void>;
};

/** Time for one look; a store that needs longer is away. */
const ANSWER_WITHIN_MS = 3_000;

/** Which row of leases it was: whoever writes to a lease makes another. */
type Version = string;
type Listed = [id: string, endsMs: number | null, coveredUntilMs: number | null, version: Version];
type Row = {
  id: string;
  version: Version;
  right_key: string;
  names: JsonObject;
  details: JsonObject;
  account: Lease["account"];
  scope: JsonObject;
  scope_hash: string;
  target_identity: string;
  target_position: string | null;
  origin: string;
  connector: { kind: string; resource: string; connection: JsonObject; sealedConnection: string };
};
type SealedRow = Parameters<typeof openRow>[1];
type Known = { readonly version: Version; readonly lease: EndingLease };

/** What may still be access there (as `grants_still` says it), the first to end first; then what is being ended early. */
const ENDINGS = `
  with soon as (
    (select id, case when state = 'revoking' then null else expires_at end as ends from grants
      where (state in ('provisioning', 'active') or (state = 'revoking' and not access_gone))
        and expires_at <= statement_timestamp() + $1 * interval '1 millisecond'
      order by expires_at limit $2)
    union
    (select id, null from grants where state = 'revoking' and not access_gone limit $2)
  )
  select g.id, g.ends,
    (select max(o.expires_at) from leases other join grants o on o.id = other.grant_id
      where other.right_key = l.right_key and other.state <> 'released' and other.grant_id <> l.grant_id
        and o.state in ('provisioning', 'active')) as covered_until,
    l.xmin || ' ' || l.ctid as version
  from soon g join leases l on l.grant_id = g.id
  where l.state <> 'released'
  order by g.ends nulls first, g.id limit $2`;

const LEASES = `
  select grant_id as id, xmin || ' ' || ctid as version, right_key, names, details, account, scope, scope_hash,
    target_identity, target_position, origin, connector
  from leases where grant_id = any ($1) and state <> 'released'`;

export function journalSource(url: string, ring: KeyRing): JournalSource {
  let client: pg.Client | null = null;
  // Of thousands of leases that end soon few are written to between two looks: only those are read again.
  let known = new Map<string, Known>();
  let catalog: { version: number; resources: Endings["configured"] } | null = null;

  async function connected(): Promise<pg.Client> {
    if (client !== null) return client;
    const fresh = new pg.Client({
      connectionString: url,
      application_name: "tidegate journal",
      types: storeTypes,
      connectionTimeoutMillis: ANSWER_WITHIN_MS,
      query_timeout: ANSWER_WITHIN_MS,
      statement_timeout: ANSWER_WITHIN_MS,
      keepAlive: true,
      options: STATEMENTS_OF_OURS,
    });
    fresh.on("error", () => undefined);
    client = fresh;
    await fresh.connect();
    return fresh;
  }

  function forget(): void {
    client?.connection.stream.destroy();
    client = null;
    // A store that was away may be another when it is back.
    known = new Map();
  }

  async function look(horizonMs: number, max: number): Promise<Endings> {
    const it = await connected();
    const [time] = (await it.query<{ now: number }>("select clock_timestamp() as now")).rows;
    if (time === undefined) throw new Error("the store did not say what time it is");
    const found = (await it.query<Listed>({ text: ENDINGS, values: [horizonMs, max + 1], rowMode: "array" })).rows;
    const listed = found.slice(0, max);
    const fresh = await leasesOf(
      it,
      listed.filter(([id, , , version]) => known.get(id)?.version !== version).map(([id]) => id),
    );
    const now = new Map<string, Known>();
    for (const [id, endsMs, coveredUntilMs, version] of listed) {
      const before = known.get(id);
      const one = before?.version === version ? before : fresh.get(id);
      // It was let go of in between: there is nothing left to shut.
      if (one === undefined) continue;
      const { lease } = one;
      const isSame = lease.endsMs === endsMs && lease.coveredUntilMs === coveredUntilMs;
      now.set(id, isSame ? one : { version: one.version, lease: { ...lease, endsMs, coveredUntilMs } });
    }
    const leases = [...now.values()].map(({ lease }) => lease);
    // What does not open here is tried again each time: the key may come.
    known = new Map([...now].filter(([, { lease }]) => lease.kept !== null));
    return { databaseMs: time.now, leases, more: found.length > max, configured: await resources(it) };
  }

  async function leasesOf(it: pg.Client, ids: readonly string[]): Promise<Map<string, Known>> {
    if (ids.length === 0) return new Map();
    const { rows } = await it.query<Row>(LEASES, [ids]);
    const opened = await openKept(it, rows);
    const lease = (row: Row): EndingLease => ({
      grantId: row.id as GrantId,
      kind: row.connector.kind,
      resource: row.connector.resource,
      rightKey: row.right_key,
      names: row.names,
      details: row.details,
      account: row.account,
      scope: row.scope,
      scopeHash: row.scope_hash,
      target: { identity: row.target_identity, position: row.target_position },
      standing: row.origin === "found",
      endsMs: null,
      coveredUntilMs: null,
      written: row.connector.connection,
      kept: opened.get(row.connector.sealedConnection) ?? null,
    });
    return new Map(rows.map((row) => [row.id, { version: row.version, lease: lease(row) }]));
  }

  async function openKept(it: pg.Client, rows: readonly Row[]): Promise<Map<string, JsonObject>> {
    const wanted = new Set(rows.map(({ connector }) => connector.sealedConnection));
    const sealed = await it.query<SealedRow>(
      "select id, purpose, key_id, wrapped_key, ciphertext from sealed_secrets where id = any ($1) and purpose = 'connection'",
      [[...wanted]],
    );
    const opened = new Map<string, JsonObject>();
    for (const row of sealed.rows) {
      const secret = openRow(ring, row);
      if (secret !== null) opened.set(row.id, JSON.parse(secret.reveal()) as JsonObject);
    }
    return opened;
  }

  async function resources(it: pg.Client): Promise<Endings["configured"]> {
    const [active] = (await it.query<{ version_id: number }>("select version_id from config_active")).rows;
    if (active === undefined) return {};
    if (catalog?.version !== active.version_id) {
      const [row] = (
        await it.query<{ content: Configuration }>("select content from config_versions where id = $1", [
          active.version_id,
        ])
      ).rows;
      const all = Object.entries(row?.content.resources ?? {});
      catalog = {
        version: active.version_id,
        resources: Object.fromEntries(
          all.map(([name, { connector, connection }]) => [name, { connector, connection }]),
        ),
      };
    }
    return catalog.resources;
  }

  return {
    async read(horizonMs, max) {
      try {
        return await look(horizonMs, max);
      } catch (error) {
        forget();
        throw error;
      }
    },
    async close() {
      const open = client;
      client = null;
      await open?.end().catch(() => undefined);
    },
  };
}
