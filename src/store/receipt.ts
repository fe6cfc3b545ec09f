/** What a receipt is made of: the entries of one grant, each with the proof that it is in the log of a checkpoint. */
import { sql } from "kysely";
import { canonicalJson } from "../base/canonical.ts";
import type { GrantId } from "../base/ids.ts";
import { type SigningKeyChange, signingKeyChanges } from "./audit.ts";
import type { Checkpoint } from "./audit-head.ts";
import { inclusionProofs } from "./audit-tree.ts";
import type { Db } from "./db.ts";

export type ReceiptOf = {
  readonly grant: GrantId;
  readonly checkpoint: Checkpoint;
  /** With the texts by and about people that have not been erased. */
  readonly withPersonal: boolean;
  /** With the entries that say what the people in it are called: they say more of them than that. */
  readonly withNames: boolean;
};

type Entry = {
  readonly seq: number;
  readonly leaf: string;
  readonly personal: Record<string, [salt: string, value: string]> | null;
};

/** The lines of a receipt for machines (verifier/verify.mjs tells their form), but for the seal. */
export async function receiptLines(db: Db, of: ReceiptOf): Promise<string[]> {
  const { checkpoint, grant } = of;
  const changes: readonly SigningKeyChange[] = await signingKeyChanges(db);
  const key = changes[0]?.from ?? checkpoint.by.text;
  const entries = await entriesOf(db, of);
  const indices = entries.map(({ seq }) => seq - 1);
  const proofs = await inclusionProofs(db, indices, checkpoint.size);
  return [
    JSON.stringify({ tidegateReceipt: 1, grant, checkpoint: checkpoint.note, key, changes }),
    ...entries.map(({ seq, leaf, personal }, n) => {
      const proof = Buffer.concat(proofs[n] ?? []).toString("base64");
      const texts = personal === null ? "" : `"personal":${canonicalJson(personal)},`;
      return `{"seq":${seq},"proof":"${proof}",${texts}"leaf":${leaf}}`;
    }),
  ];
}

/**
 * All that the log says of the grant, its request and the requests for more time; before it the configurations that it was
 * decided under, and what the people in it were called then.
 */
async function entriesOf(db: Db, { grant, checkpoint, withPersonal, withNames }: ReceiptOf): Promise<Entry[]> {
  const { rows } = await sql<Entry>`
    with own as materialized (
      select p.seq, e.id, e.leaf, e.leaf::jsonb as said
        from audit_lookup l join audit_positions p on p.seq = l.seq join audit_entries e on e.id = p.entry_id
       where l.seq <= ${checkpoint.size} and (l.grant_id = ${grant} or l.request_id = any(array(
         select id from requests where grant_id = ${grant} or extends_grant_id = ${grant})))
    ), ruled as (
      select max(l.seq) as seq
        from audit_lookup l join audit_entries e on e.id = l.entry_id
       where l.kind = 'config.activated' and l.seq <= ${checkpoint.size}
         and e.leaf::jsonb -> 'data' -> 'version' in (select said -> 'data' -> 'configVersion' from own)
       group by e.leaf::jsonb -> 'data' -> 'version'
    ), people as (
      select said -> 'actor' ->> 'principal' as id from own
      union select said -> 'refs' ->> 'principal' from own
      union select jsonb_array_elements_text(said -> 'data' -> 'standsFor') from own
       where jsonb_typeof(said -> 'data' -> 'standsFor') = 'array'
    ), named as (
      select max(l.seq) as seq
        from audit_lookup l join audit_personal t on t.entry_id = l.entry_id and t.field = 'handle'
       where l.kind in ('principal.added', 'principal.changed', 'principal.reactivated')
         and l.seq <= (select max(seq) from own) and l.principal_id in (select id from people)
         and ${withNames && withPersonal}
       group by l.principal_id
    )
    select p.seq, e.leaf, texts.personal
      from audit_positions p join audit_entries e on e.id = p.entry_id
      left join lateral (
        -- Of what somebody is called no more than how they are known here.
        select json_object_agg(t.field, json_build_array(t.salt, t.value)) as personal
          from audit_personal t
         where t.entry_id = e.id and ${withPersonal} and (p.seq in (select seq from own) or t.field = 'handle')
      ) texts on true
     where p.seq in (select seq from own union select seq from ruled union select seq from named)
     order by p.seq`.execute(db);
  return rows;
}
