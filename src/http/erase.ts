import { isRefusal, type Refusal } from "../base/problem.ts";
import type { ErasedPerson } from "../contract/people.ts";
import { erasePerson } from "../operations/erase-person.ts";
import type { Call, ServerDeps } from "./call.ts";
import { peopleOf } from "./people.ts";

/** Erases a person, and answers what is left of them. */
export async function erased(
  { context }: ServerDeps,
  person: string,
  { principal, idempotency }: Call,
): Promise<{ readonly status: 200; readonly body: ErasedPerson } | Refusal> {
  const done = await erasePerson(context, principal, person, idempotency);
  if (isRefusal(done)) return done;
  const { principalId, erasedAt, removed } = done;
  const people = await peopleOf(context.db, principal, [principalId]);
  return { status: 200, body: { person: people(principalId), erasedAt, removed } };
}
