/**
 * The way of a message out: one row for each channel that takes it. Whoever tries a delivery puts its next attempt ahead
 * first, in the same statement that finds it, so that two processes do not try at once; should the one that tries die, it
 * is due again when that time has come. Time is database time.
 */
import { type Selectable, sql } from "kysely";
import type { MessageId } from "../base/ids.ts";
import type { ChannelFacts } from "../domain/health-facts.ts";
import type { Message } from "../domain/message.ts";
import type { Db, Tables, Tx } from "./db.ts";
import { toMessage } from "./messages.ts";

export type DeliveryState = "pending" | "delivered" | "failed";

export type Delivery = {
  readonly messageId: MessageId;
  readonly channel: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly dueMs: number;
  readonly doneMs: number | null;
  readonly lastError: string | null;
};

/** A channel, as far as it is asked which messages it takes; null: all. */
export type Takes = { readonly name: string; readonly kinds: readonly string[] | null };

/** Settles which channels take the messages that wait for it; answers how many there were. */
export async function handOver(db: Db, channels: readonly Takes[], limit: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with waiting as (
      select id, kind from messages where not handed_over order by seq limit ${limit} for update skip locked
    ), taken as (
      insert into message_deliveries (message_id, channel, state, due_at)
      select w.id, c.name, 'pending', clock_timestamp()
        from waiting w, json_to_recordset(${JSON.stringify(channels)}::json) as c (name text, kinds text[])
       where c.kinds is null or w.kind = any (c.kinds)
    ), handed as (
      update messages m set handed_over = true from waiting w where m.id = w.id
    )
    select count(*)::int as count from waiting`.execute(db);
  return rows[0]?.count ?? 0;
}

/** An attempt at a delivery. `attempt` counts from 1. */
export type Attempt = { readonly message: Message; readonly channel: string; readonly attempt: number };

/** Takes up deliveries of this channel that are due, the longest due first; nobody else does for so long. */
export async function takeUp(db: Db, channel: string, limit: number, forMs: number): Promise<Attempt[]> {
  const { rows } = await sql<Selectable<Tables["messages"]> & { attempts: number }>`
    with due as (
      select message_id from message_deliveries
       where channel = ${channel} and state = 'pending' and due_at <= clock_timestamp()
       order by due_at limit ${limit} for update skip locked
    ), taken as (
      update message_deliveries d
         set attempts = d.attempts + 1, due_at = clock_timestamp() + ${forMs} * interval '1 millisecond'
        from due where d.message_id = due.message_id and d.channel = ${channel}
      returning d.message_id, d.attempts
    )
    select m.*, t.attempts from taken t join messages m on m.id = t.message_id order by m.seq`.execute(db);
  return rows.map((row) => ({ message: toMessage(row), channel, attempt: row.attempts }));
}

export async function markDelivered(db: Db | Tx, { message, channel }: Attempt): Promise<void> {
  await sql`
    update message_deliveries set state = 'delivered', done_at = clock_timestamp(), last_error = null
     where message_id = ${message.id} and channel = ${channel} and state = 'pending'`.execute(db);
}

/** Tries again after so long; or, once the message is older than `giveUpAfterMs`, no more. Answers which. An attempt that was overtaken by a later one says nothing. */
export async function markMissed(
  db: Db | Tx,
  { message, channel, attempt }: Attempt,
  missed: { readonly error: string; readonly retryInMs: number; readonly giveUpAfterMs: number },
): Promise<DeliveryState> {
  const { rows } = await sql<{ state: DeliveryState }>`
    update message_deliveries d
       set last_error = ${missed.error},
           state = case when old then 'failed' else 'pending' end,
           done_at = case when old then clock_timestamp() end,
           due_at = clock_timestamp() + ${missed.retryInMs} * interval '1 millisecond'
      from (select created_at < clock_timestamp() - ${missed.giveUpAfterMs} * interval '1 millisecond' as old
              from messages where id = ${message.id}) m
     where d.message_id = ${message.id} and d.channel = ${channel} and d.state = 'pending' and d.attempts = ${attempt}
    returning d.state`.execute(db);
  return rows[0]?.state ?? "pending";
}

/** What waits for a channel that is no longer configured is given up. */
export async function dropRemoved(db: Db, channels: readonly string[]): Promise<void> {
  await sql`
    update message_deliveries set state = 'failed', done_at = clock_timestamp(), last_error = 'the channel was removed from the configuration'
     where state = 'pending' and not channel = any (${[...channels]}::text[])`.execute(db);
}

/** What waits for each channel, from when it was written on; and what kept the attempt of it that is made again last. */
export async function channelFigures(db: Db): Promise<ChannelFacts[]> {
  const { rows } = await sql<ChannelFacts>`
    select d.channel, count(*)::int as count,
      greatest(0, extract(epoch from statement_timestamp() - min(m.created_at)) * 1000)::float8 as "oldestMs",
      (array_agg(d.last_error order by d.due_at desc) filter (where d.last_error is not null))[1] as "lastError"
      from message_deliveries d join messages m on m.id = d.message_id
     where d.state = 'pending' group by d.channel order by d.channel`.execute(db);
  return rows;
}

/** Deliveries of these messages, by message. */
export async function deliveriesOf(db: Db, ids: readonly MessageId[]): Promise<Map<MessageId, Delivery[]>> {
  const found = new Map<MessageId, Delivery[]>();
  if (ids.length === 0) return found;
  const rows = await db
    .selectFrom("message_deliveries")
    .selectAll()
    .where("message_id", "in", ids)
    .orderBy("channel")
    .execute();
  for (const row of rows) {
    const id = row.message_id as MessageId;
    found.set(id, [...(found.get(id) ?? []), toDelivery(row)]);
  }
  return found;
}

const toDelivery = (row: Selectable<Tables["message_deliveries"]>): Delivery => ({
  messageId: row.message_id as MessageId,
  channel: row.channel,
  state: row.state as DeliveryState,
  attempts: row.attempts,
  dueMs: row.due_at,
  doneMs: row.done_at,
  lastError: row.last_error,
});
