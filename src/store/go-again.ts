import { isStalePlan } from "./preparing-client.ts";

const ATTEMPTS_MAX = 5;
/** Deadlock, serialization failure, or a name that another took first: the loser of two that met; it simply goes again. */
const MET_ANOTHER = new Set(["40P01", "40001", "23505"]);

/** Nothing is wrong with what was asked, and nothing was written. */
export const mayGoAgain = (error: unknown): boolean =>
  isStalePlan(error) || (error instanceof Error && "code" in error && MET_ANOTHER.has(String(error.code)));

/** Runs a transaction from its start until it has not lost against another. */
export async function goingAgain<T>(transaction: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction();
    } catch (error) {
      if (!mayGoAgain(error) || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}
