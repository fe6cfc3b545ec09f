/**
 * What the people of a request write to each other. A comment may ask the requester for information: the request then waits
 * for their answer, which is whatever they write next. Nothing else depends on it: a request can be decided meanwhile.
 */
import { type CommentId, commentId, type PrincipalId, type RequestId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { hasSay } from "./approvers.ts";
import type { EntryDraft } from "./audit.ts";
import { requestEntry } from "./decide-request.ts";
import { telling } from "./message.ts";
import { hasRole, type Principal } from "./principal.ts";
import { type AccessRequest, onOffer } from "./request.ts";
import type { Resource } from "./resource.ts";

export type Comment = {
  readonly id: CommentId;
  readonly requestId: RequestId;
  readonly authorId: PrincipalId;
  readonly text: string;
  /** Asks the requester for information. */
  readonly asks: boolean;
  /** Of one that asks: what the requester wrote next. Null: not answered. */
  readonly answeredBy: CommentId | null;
  readonly createdMs: number;
};

/** So many hold everything that people have to say about one request; what loops writes no more. */
export const COMMENTS_MAX = 200;
/** Nobody uses up the room of the others. */
export const COMMENTS_OF_ONE_MAX = 50;

/** Whether this person has a say: who asked, who may review it now, who is in charge. `resource` null: it is configured no more. */
export const mayComment = (
  person: Principal,
  request: AccessRequest,
  resource: Resource | null,
  standsFor: readonly Principal[] = [],
): boolean =>
  person.id === request.requesterId ||
  hasRole(person, "operator", "admin") ||
  (resource !== null && hasSay(person, request.decision, resource, request.requesterId, standsFor));

export type Written = { readonly text: string; readonly asks: boolean };

/** The comment, what it answers, and the entry that tells of it. `before` are those that are there, oldest first. */
export function comment(
  request: AccessRequest,
  { text, asks }: Written,
  author: Principal,
  before: readonly Comment[],
  nowMs: number,
): { readonly comments: readonly Comment[]; readonly entry: EntryDraft } | Refusal {
  const mine = author.id === request.requesterId;
  const no = asks ? mayNotAsk(request, mine, nowMs) : null;
  if (no !== null) return no;
  if (before.length >= COMMENTS_MAX)
    return refuse("comments-full", `A request holds ${COMMENTS_MAX} comments. Talk about the rest elsewhere.`);
  if (before.filter(({ authorId }) => authorId === author.id).length >= COMMENTS_OF_ONE_MAX)
    return refuse("comments-full", `You have written ${COMMENTS_OF_ONE_MAX} comments here; that is the most.`);
  const written: Comment = {
    id: commentId.make(),
    requestId: request.id,
    authorId: author.id,
    text,
    asks,
    answeredBy: null,
    createdMs: nowMs,
  };
  const answered = mine ? unanswered(before).map((question) => ({ ...question, answeredBy: written.id })) : [];
  const kind = asks ? "request.asked-back" : answered.length > 0 ? "request.answered" : "request.commented";
  const data = { comment: written.id, ...(answered.length > 0 ? { answers: answered.map(({ id }) => id) } : {}) };
  const others = before.map(({ authorId }) => authorId).filter((id) => id !== author.id);
  const to = mine ? (answered.length > 0 ? answered.map(({ authorId }) => authorId) : others) : [request.requesterId];
  const said = { entitlement: onOffer(request).entitlement, by: author.id, text };
  const entry = requestEntry(request, kind, { principal: author.id }, data, { text });
  return { comments: [written, ...answered], entry: telling(entry, { kind, to: [...new Set(to)], data: said }) };
}

/** Questions that wait for the requester. */
export const unanswered = (comments: readonly Comment[]): Comment[] =>
  comments.filter(({ asks, answeredBy }) => asks && answeredBy === null);

function mayNotAsk(request: AccessRequest, mine: boolean, nowMs: number): Refusal | null {
  if (mine) return refuse("invalid-input", "You are the one who is asked. Write it as a comment, without asks.");
  if (request.state !== "pending")
    return refuse("request-decided", `This request is already ${request.state}: nothing waits for an answer.`, {
      state: request.state,
    });
  return nowMs < request.expiresMs
    ? null
    : refuse("request-expired", "Nobody decided this request in time: nothing waits for an answer.");
}
