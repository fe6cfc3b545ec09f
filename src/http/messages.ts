import { toTimestamp } from "../base/clock.ts";
import { messageId, type PrincipalId } from "../base/ids.ts";
import { refuse } from "../base/problem.ts";
import type { MessageView } from "../contract/messages.ts";
import { inWords, type Message, namedIn } from "../domain/message.ts";
import { type Delivery, deliveriesOf } from "../store/deliveries.ts";
import { findMessage, listMessages } from "../store/messages.ts";
import type { Viewer } from "../store/visible.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { nextCursor } from "./page.ts";
import { idsOf, peopleOf } from "./people.ts";
import { inScene } from "./scene.ts";

/** So many of those whom a message is to are named. */
const SHOWN_MAX = 100;

const NO_SUCH_MESSAGE = refuse("not-found", "There is no such message, or it is not to you.");

/** What people are told. */
export function messageHandlers({ context }: ServerDeps): Handlers<"messages"> {
  const { db } = context;

  async function views(messages: readonly Message[], viewer: Viewer): Promise<MessageView[]> {
    const deliveries = viewer.seesAll
      ? await deliveriesOf(
          db,
          messages.map(({ id }) => id),
        )
      : null;
    const ids = messages.flatMap((message) => [...message.to.slice(0, SHOWN_MAX), ...namedIn(message)]);
    const personOf = await peopleOf(db, viewer.principal, ids);
    return messages.map((message) => ({
      id: message.id,
      kind: message.kind,
      at: toTimestamp(message.atMs),
      to: message.to.slice(0, SHOWN_MAX).map(personOf),
      requestId: message.requestId,
      grantId: message.grantId,
      ...inWords(message, (id) => personOf(id).handle),
      data: message.data,
      deliveries: deliveries && (deliveries.get(message.id) ?? []).map(deliveryView),
    }));
  }

  return {
    list: ({ query }, { principal }) =>
      inScene(context, principal, async ({ viewer }) => {
        const own = viewer.seesAll ? [] : [principal.id];
        const asked = query.person === undefined ? null : ((await idsOf(db, query.person, principal)) as PrincipalId[]);
        const page = await listMessages(db, {
          toAll: own,
          toAny: asked,
          kinds: query.kind,
          order: query.order,
          cursor: query.cursor,
          limit: query.limit,
        });
        const messages = await views(
          page.map(({ message }) => message),
          viewer,
        );
        return { status: 200 as const, body: { messages, next: nextCursor(page, query.limit) } };
      }),

    get: ({ params }, { principal }) =>
      inScene(context, principal, async ({ viewer }) => {
        const id = messageId.parse(params.id);
        const message = id === null ? null : await findMessage(db, id);
        if (message === null || !(viewer.seesAll || message.to.includes(principal.id))) return NO_SUCH_MESSAGE;
        const [body] = await views([message], viewer);
        return body === undefined ? NO_SUCH_MESSAGE : { status: 200 as const, body };
      }),
  };
}

const deliveryView = (it: Delivery): NonNullable<MessageView["deliveries"]>[number] => ({
  channel: it.channel,
  state: it.state,
  attempts: it.attempts,
  nextAttempt: it.state === "pending" ? toTimestamp(it.dueMs) : null,
  doneAt: it.doneMs === null ? null : toTimestamp(it.doneMs),
  lastError: it.lastError,
});
