/** What the invariants are asked of, where servers are real: the log as the admin reads it, and the catalogs of the target. */
import { defined } from "../../../src/base/assert.ts";
import { grantId } from "../../../src/base/ids.ts";
import type { AuditEntry } from "../../../src/contract/audit.ts";
import type { EntryLeaf } from "../../../src/domain/audit.ts";
import type { Served } from "../../support/served.ts";
import { GrantsTold, type ToldEntry } from "../grants-told.ts";
import { alwaysTrue, type Handed, headsAreConsistent, type SeenThing, secretsAreKept } from "../invariants.ts";
import { log } from "./oracle.ts";

const toldEntry = ({ seq, leafHash, who: _who, personal, ...leaf }: AuditEntry): ToldEntry => ({
  seq,
  leafHash,
  personal,
  leaf: leaf as unknown as EntryLeaf,
});

const LOGINS = `
  select rolname as role, 'gr_' || regexp_replace(rolname, '^.*_', '') as grant,
         rolcanlogin or exists (select from pg_stat_activity a where a.usesysid = r.oid) as usable
    from pg_roles r where rolname ~ '^tg_'`;

/** What is wrong with the world as it is just now, in sentences; nothing where every invariant holds. */
export async function wrongNow(
  served: Served,
  handed: readonly { grant: string; password: string }[],
): Promise<string[]> {
  const [system] = await served.onTarget<{ identity: string; nowMs: number }>(
    `select system_identifier::text as identity, extract(epoch from clock_timestamp())::float8 * 1000 as "nowMs" from pg_control_system()`,
  );
  const logins = await served.onTarget<{ role: string; grant: string; usable: boolean }>(LOGINS);
  // Read after the target: what is there has been written before.
  const entries = (await log(served)).map(toldEntry);
  const told = new GrantsTold(entries);
  const identity =
    [...told.grants.values()].find(({ lease }) => lease !== null)?.lease?.identity ?? system?.identity ?? "";
  const things = logins.map(
    ({ role, grant, usable }): SeenThing => ({
      right: `login/${role}`,
      grant: defined(grantId.parse(grant), "the grant of a login"),
      usable,
      standing: false,
    }),
  );
  const world = { nowMs: system?.nowMs ?? 0, told, targets: [{ identity, clearSinceMs: null, things, changes: [] }] };
  const secrets = handed.map(({ grant, password }): Handed => {
    const id = defined(grantId.parse(grant), "the grant of a secret");
    return { grant: id, to: told.grants.get(id)?.principalId as Handed["to"], secret: password };
  });
  const texts = [served.output, ...entries.map((entry) => JSON.stringify(entry))];
  return [...alwaysTrue(world), ...headsAreConsistent(entries, []), ...secretsAreKept(world, secrets, texts)];
}
