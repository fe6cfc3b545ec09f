/** What was looked up about the world before the transaction that decides: with its source and age, kept with the request. */
export type Facts = {
  readonly oncall: {
    /** 0: not on call, and also what an unreachable or stale source means. */
    readonly tier: number;
    readonly source: string;
    readonly ageMs: number;
  };
  /** What our own ledger says of the person; looked up inside the transaction, and only where the policy asks for it. */
  readonly history?: History;
};

/** Grants of one person. `here`: of the same resource. */
export type History = {
  /** That have not ended. */
  readonly open: number;
  readonly openHere: number;
  /** Made within the last `HISTORY_DAYS` days, whatever became of them. */
  readonly recent: number;
  readonly recentHere: number;
  /** Their emergencies that nobody has reviewed yet; left out where it was stored before there were any. */
  readonly unreviewed?: number;
};

export const HISTORY_DAYS = 30;
