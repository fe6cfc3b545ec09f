import { defined } from "../base/assert.ts";
import { toTimestamp } from "../base/clock.ts";
import { isRefusal, type Refusal } from "../base/problem.ts";
import type { AbsenceView } from "../contract/away.ts";
import type { Person } from "../contract/values.ts";
import type { Principal } from "../domain/principal.ts";
import { setAway, setBack } from "../operations/set-away.ts";
import { absences, type KnownAbsence } from "../store/absences.ts";
import type { Call, Handlers, ServerDeps } from "./call.ts";
import { peopleOf } from "./people.ts";

type Away = { readonly status: 200; readonly body: AbsenceView };
type Here = { readonly status: 200; readonly body: { readonly person: Person } };

/** Who is away, and who decides in their place. */
export function awayHandlers({ context }: ServerDeps): Handlers<"away"> {
  const { db } = context;

  async function views(known: readonly KnownAbsence[], me: Principal): Promise<AbsenceView[]> {
    const ids = known.flatMap(({ principalId, delegateId, setBy }) => [principalId, delegateId ?? setBy, setBy]);
    const people = await peopleOf(db, me, ids);
    return known.map(({ principalId, sinceMs, untilMs, delegateId, setBy }) => ({
      person: people(principalId),
      since: toTimestamp(sinceMs),
      until: toTimestamp(untilMs),
      delegate: delegateId === null ? null : people(delegateId),
      setBy: people(setBy),
    }));
  }

  async function away(
    person: string,
    { until, delegate }: { readonly until: number; readonly delegate: string | null },
    call: Call,
  ): Promise<Away | Refusal> {
    const set = await setAway(context, call.principal, person, { untilMs: until, delegate }, call.idempotency);
    if (isRefusal(set)) return set;
    const [view] = await views(await absences(db, set.principalId), call.principal);
    return { status: 200, body: defined(view, "the absence") };
  }

  async function back(person: string, call: Call): Promise<Here | Refusal> {
    const set = await setBack(context, call.principal, person, call.idempotency);
    if (isRefusal(set)) return set;
    const people = await peopleOf(db, call.principal, [set.principalId]);
    return { status: 200, body: { person: people(set.principalId) } };
  }

  return {
    list: async (_input, { principal }) => ({
      status: 200,
      body: { away: await views(await absences(db, null), principal) },
    }),
    set: ({ body }, call) => away(call.principal.id, body, call),
    back: (_input, call) => back(call.principal.id, call),
    send: ({ params, body }, call) => away(params.id, body, call),
    recall: ({ params }, call) => back(params.id, call),
  };
}
