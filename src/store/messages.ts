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
import type { PageOf } from "./visible.ts";

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
  /** Only messages to each of these. */
  readonly toAll?: readonly PrincipalId[];
  /** Only messages to one of these; null: whoever they are to. */
  readonly toAny?: readonly PrincipalId[] | null;
  readonly kinds?: readonly string[] | undefined;
} & PageOf;

/** `seq` is the cursor. */
export async function listMessages(
  db: Db,
  { toAll = [], toAny = null, kinds, order, cursor, limit }: MessageFilter,
): Promise<{ seq: number; message: Message }[]> {
  const oldest = order === "oldest";
  let query = db
    .selectFrom("messages")
    .selectAll()
    .orderBy("seq", oldest ? "asc" : "desc")
    .limit(limit);
  if (toAll.length > 0) query = query.where(sql<boolean>`recipients @> ${[...toAll]}::text[]`);
  if (toAny !== null) query = query.where(sql<boolean>`recipients && ${[...toAny]}::text[]`);
  if (kinds !== undefined) query = query.where("kind", "in", kinds);
  if (cursor !== undefined) query = query.where("seq", oldest ? ">" : "<", cursor);
  return (await query.execute()).map((row) => ({ seq: row.seq, message: toMessage(row) }));
}

export async function findMessage(db: Db, id: MessageId): Promise<Message | null> {
  const row = await db.selectFrom("messages").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : toMessage(row);
}

/** What these entries tell, by entry. */
export async function messagesAbout(db: Db, entries: readonly EntryId[]): Promise<Map<EntryId, Message[]>> {
  const found = new Map<EntryId, Message[]>();
  if (entries.length === 0) return found;
  const ids = sql<string>`any(${[...entries]}::text[])`;
  const rows = await db.selectFrom("messages").selectAll().where("entry_id", "=", ids).orderBy("seq").execute();
  for (const message of rows.map(toMessage))
    found.set(message.entryId, [...(found.get(message.entryId) ?? []), message]);
  return found;
}

/** Forgets what is older, but for what is still on its way. Answers how many. */
export async function forgetMessages(db: Db, keptDays: number): Promise<number> {
  const gone = await sql`
    delete from messages m
    where m.created_at < statement_timestamp() - ${keptDays} * interval '1 day' and m.handed_over
      and not exists (select from message_deliveries d where d.message_id = m.id and d.state = 'pending')`.execute(db);
  return Number(gone.numAffectedRows ?? 0);
}
