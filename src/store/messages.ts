/** Messages to people: written with the audit entry of what they tell, and read back by those whom they are to. */
import { type RawBuilder, type Selectable, sql } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import {
  type EntryId,
  type GrantId,
  type MessageId,
  messageId,
  type PrincipalId,
  type RequestId,
} from "../base/ids.ts";
import type { EntryDraft } from "../domain/audit.ts";
import type { Message } from "../domain/message.ts";
import { type Db, json, type Tables } from "./db.ts";

/** The messages that an entry brings, as they will be kept. */
export const messagesOf = (draft: EntryDraft, entryId: EntryId, nowMs: number): Message[] =>
  (draft.tells ?? []).map(({ kind, to, data }) => ({
    id: messageId.make(),
    entryId,
    kind,
    atMs: nowMs,
    requestId: draft.refs.request ?? null,
    grantId: draft.refs.grant ?? null,
    to,
    data,
  }));

/** Part of a statement that writes entries. */
export function writingMessages(messages: readonly Message[]): RawBuilder<unknown> {
  const rows = messages.map((message) => ({
    id: message.id,
    entry_id: message.entryId,
    kind: message.kind,
    created_at: toTimestamp(message.atMs),
    request_id: message.requestId,
    grant_id: message.grantId,
    recipients: message.to,
    data: message.data,
  }));
  const columns = sql.raw("id, entry_id, kind, created_at, request_id, grant_id, recipients, data");
  return sql`messaged as (
    insert into messages (${columns}) select ${columns} from json_populate_recordset(null::messages, ${json(rows)}::json)
  )`;
}

export function toMessage(row: Selectable<Tables["messages"]>): Message {
  return {
    id: row.id as MessageId,
    entryId: row.entry_id as EntryId,
    kind: row.kind,
    atMs: row.created_at,
    requestId: row.request_id as RequestId | null,
    grantId: row.grant_id as GrantId | null,
    to: row.recipients as PrincipalId[],
    data: row.data,
  };
}

export type MessageFilter = {
  /** Only messages to this person; null: to anybody. */
  readonly to: PrincipalId | null;
  /** The `seq` of the last one on the page before. */
  readonly beforeSeq?: number | undefined;
  readonly limit: number;
};

/** Newest first; `seq` is the cursor. */
export async function listMessages(db: Db, filter: MessageFilter): Promise<{ seq: number; message: Message }[]> {
  let query = db.selectFrom("messages").selectAll().orderBy("seq", "desc").limit(filter.limit);
  if (filter.to !== null) query = query.where(sql<boolean>`recipients @> array[${filter.to}]::text[]`);
  if (filter.beforeSeq !== undefined) query = query.where("seq", "<", filter.beforeSeq);
  return (await query.execute()).map((row) => ({ seq: row.seq, message: toMessage(row) }));
}
