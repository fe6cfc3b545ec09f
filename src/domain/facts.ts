/** What was looked up about the world before the transaction that decides: with its source and age, kept with the request. */
export type Facts = {
  readonly oncall: {
    /** 0: not on call, and also what an unreachable or stale source means. */
    readonly tier: number;
    readonly source: string;
    readonly ageMs: number;
  };
};
