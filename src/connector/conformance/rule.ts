import type { Bench } from "./bench.ts";
import type { Feature } from "./fixture.ts";

/** One thing that a connector must do, with how to find out. */
export type Rule = {
  /** Short and stable: `revoke-absent`. */
  readonly rule: string;
  /** As a sentence. */
  readonly name: string;
  /** Rules without which this one can say nothing: where one of them is broken, this one is not asked. */
  readonly after: readonly string[];
  readonly needs: readonly Feature[];
  /** Why it does not concern this connector, or null. */
  readonly exempt?: (bench: Bench) => string | null;
  /** Throws where it is broken. */
  run(bench: Bench): Promise<void>;
};
