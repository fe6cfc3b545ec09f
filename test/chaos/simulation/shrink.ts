/** Finds a smaller history that still goes wrong: events are left out, in ever smaller pieces, while anything is wrong. */
import type { Plan, Planned } from "./plan.ts";
import { runHistory } from "./run-history.ts";

const breaks = async (plan: Plan): Promise<boolean> => (await runHistory(plan)).wrong.length > 0;

/** Histories that may be tried for it. */
const TRIES_MAX = 250;

/** `isWrong`: unless told, whether the history of a plan breaks an invariant. */
export async function shrink(plan: Plan, isWrong = breaks): Promise<Plan> {
  let smallest = plan;
  let tries = 0;
  const stillWrong = async (candidate: Plan): Promise<boolean> => {
    tries += 1;
    return isWrong(candidate);
  };
  for (let size = Math.ceil(plan.events.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    let from = 0;
    while (from < smallest.events.length && tries < TRIES_MAX) {
      const events: Planned[] = smallest.events.filter((_, i) => i < from || i >= from + size);
      const candidate = { ...smallest, events };
      if (await stillWrong(candidate)) smallest = candidate;
      else from += size;
    }
  }
  const straight = { ...smallest, shiftsMs: smallest.shiftsMs.map(() => 0) };
  if (await stillWrong(straight)) smallest = straight;
  const fewer = { ...smallest, shiftsMs: smallest.shiftsMs.slice(0, 1) };
  return (await stillWrong(fewer)) ? fewer : smallest;
}
