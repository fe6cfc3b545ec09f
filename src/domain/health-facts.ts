/** What is known about how well Tidegate is, and from when on it counts as what. Thresholds stand here and nowhere else. */
import type { DeclaredAnchor, DeclaredSink } from "./sink.ts";

export const LEVELS = ["green", "yellow", "red"] as const;
export type Level = (typeof LEVELS)[number];

export const CHECKS = [
  "store",
  "quarantine",
  "overdue",
  "reconciler",
  "target",
  "second-looks",
  "clean-up",
  "drift",
  "panics",
  "emergencies",
  "configuration",
  "facts",
  "log",
  "sink",
  "anchor",
  "retention",
  "journal",
  "messages",
  "tokens",
] as const;
export type CheckName = (typeof CHECKS)[number];

export type HealthCheck = {
  readonly name: CheckName;
  /** The resource, of a target; the name, of a sink or an anchor; null otherwise. */
  readonly subject: string | null;
  readonly level: Level;
  /** What is so, in a sentence that names no person. */
  readonly says: string;
  readonly sinceMs: number | null;
  /** What to do; null where nothing is to be done. */
  readonly todo: string | null;
  /** The section of docs/operations.md that says more; null where nothing is to be done. */
  readonly runbook: string | null;
};

export type Health = {
  /** The worst of the checks. */
  readonly level: Level;
  readonly atMs: number;
  readonly checks: readonly HealthCheck[];
};

/** From when on, in milliseconds. A threshold without `red` is nothing that anybody must be woken for. */
export const THRESHOLDS = {
  storeAway: { yellow: 0, red: 5_000 },
  /** The reconciler looks every two seconds. */
  lastLook: { yellow: 6_000, red: 15_000 },
  /** Access past its end is promised to be gone within five seconds. */
  overdue: { yellow: 2_000, red: 5_000 },
  targetUnreached: { yellow: 10_000, red: 60_000 },
  targetTrouble: { yellow: 10_000, red: Number.POSITIVE_INFINITY },
  secondLook: { yellow: 15_000, red: 300_000 },
  cleanUp: { yellow: 60_000, red: Number.POSITIVE_INFINITY },
  /** Entries get their position within a fraction of a second. */
  position: { yellow: 10_000, red: 60_000 },
  /** A head is signed at least every minute. */
  head: { yellow: 120_000, red: 600_000 },
  /** The journal reads the store at least every five seconds. */
  journal: { yellow: 30_000, red: 120_000 },
  /** A message goes out within a second or two. Nobody is woken for one that does not: it is in the inbox all the same. */
  message: { yellow: 60_000, red: Number.POSITIVE_INFINITY },
  /** What the log need not keep any more is announced for a day before it goes. */
  retention: { yellow: 8 * 86_400_000, red: Number.POSITIVE_INFINITY },
} as const;
/** Targets are swept every five minutes; so long without, and no finding means nothing. */
export const SWEEP_AGE_MS_MAX = 1_800_000;
/** A service's token that ends within so long should have a successor by now. */
export const TOKEN_ENDS_SOON_MS = 7 * 24 * 60 * 60_000;

export type TargetTrouble = {
  /** Of the last error. */
  readonly code: string;
  readonly grants: number;
  /** Since the oldest of these troubles began. */
  readonly ageMs: number;
  /** The most attempts that any of these grants has seen. */
  readonly attempts: number;
};
export type TargetFacts = { readonly resource: string; readonly troubles: readonly TargetTrouble[] };

/** How many, and how old the oldest is; 0 where there is none. */
export type Waiting = { readonly count: number; readonly oldestMs: number };

/** Messages that wait to go out through a channel, and what kept the last attempt; null where there was none. */
export type ChannelFacts = Waiting & { readonly channel: string; readonly lastError: string | null };

/** A sink of the audit log, and how long the first entry that it has not has waited. */
export type SinkFacts = {
  /** Up to which it has everything. */
  readonly position: number;
  readonly waiting: number;
  readonly lagMs: number;
  readonly lastError: string | null;
};
/** How far an anchor holds the log, and how long ago a checkpoint last came there. */
export type AnchorFacts = { readonly size: number; readonly ageMs: number; readonly lastError: string | null };
/** Up to where the log is dropped, for how long what is announced, or could be, waits, and which sinks and anchors it waits for. */
export type RetentionFacts = {
  readonly droppedTo: number;
  readonly overdueMs: number;
  readonly lagging: readonly string[];
};
export type LateSink = { readonly name: string; readonly lagMs: number };

/** What the store knows. */
export type LedgerFacts = {
  /** Past their end, or being ended and resisting, and not proven gone. */
  readonly overdue: Waiting;
  readonly cleanUps: Waiting;
  /** Second looks that should have been done by now. */
  readonly lateLooks: Waiting;
  /** Every configured resource, and every other in trouble. */
  readonly targets: readonly TargetFacts[];
  readonly quarantine: { readonly ageMs: number; readonly why: string } | null;
  readonly panics: Waiting;
  readonly emergencies: {
    /** Used, and not reviewed; late or not. */
    readonly open: number;
    /** Not reviewed in time; since the oldest was due. */
    readonly overdue: Waiting;
  };
  /** `stray`: what waits first for a position and is no entry of the log, by its id: taken to wait since 1970. Null: an entry, or nothing. */
  readonly unsequenced: Waiting & { readonly stray: string | null };
  /** Tokens of services that end soon, and have not. */
  readonly endingTokens: number;
  /** Channels through which something waits to go out. */
  readonly channels: readonly ChannelFacts[];
  /** Every sink of the configuration; null: it has not begun. */
  readonly sinks: readonly { readonly sink: DeclaredSink; readonly facts: SinkFacts | null }[];
  readonly anchors: readonly { readonly anchor: DeclaredAnchor; readonly facts: AnchorFacts | null }[];
  /** Null: the log is kept for ever. */
  readonly retention: RetentionFacts | null;
  /** What sweeps found and nobody has resolved, and how long ago they saw each target whole (null: never). */
  readonly drift: {
    readonly findings: readonly { readonly resource: string; readonly kind: string; readonly count: number }[];
    readonly sweeps: readonly { readonly resource: string; readonly ageSeconds: number | null }[];
  };
};

export type HealthFacts = {
  readonly nowMs: number;
  /** For how long the store has not answered this process; null while it does. */
  readonly storeAwayMs: number | null;
  readonly reconciler: {
    readonly running: boolean;
    /** Null: not yet. */
    readonly lastLookMs: number | null;
    /** Resources whose target has not answered this process several times in a row. */
    readonly silent: readonly string[];
  };
  /** What is wrong with the configuration's files; null where nothing is. */
  readonly configurationTrouble: string | null;
  /** Services that are asked about the world, as asking them has gone in this process. */
  readonly sources: readonly SourceFacts[];
  /** Of the kept signed head; null where there is none. */
  readonly headAgeMs: number | null;
  readonly journal: JournalFacts | null;
  /** Null while the store does not answer. */
  readonly ledger: LedgerFacts | null;
};

export type SourceFacts = {
  readonly role: "oncall" | "tickets";
  readonly name: string;
  readonly lastSuccessMs: number | null;
  /** Since when every question failed, and why the last one did; null while they are answered, or nobody has asked. */
  readonly failing: { readonly sinceMs: number; readonly why: string } | null;
  /** How many failed, by what went wrong. */
  readonly failures: Readonly<Record<string, number>>;
};

export type JournalFacts = {
  /** Since it last read what ends soon. */
  readonly ageMs: number;
  /** Grants that it could shut. */
  readonly grants: number;
  /** The store is away, and it is what ends access now. */
  readonly atWork: boolean;
  /** Its file cannot be kept: a process that dies now leaves nothing behind. */
  readonly unkept: boolean;
  /** More ends soon than it holds. */
  readonly full: boolean;
};

/** Codes of trouble that mean: what should be done there cannot even be begun. `moved`: somebody else answers. */
export const UNREACHED: ReadonlySet<string> = new Set(["unreachable", "cannot-sign-in", "moved"]);
/** Kinds of drift that are access of ours which nobody should have, and those that take nothing from anybody's safety. */
export const DRIFT_ALARMS: ReadonlySet<string> = new Set(["unknown-mark", "left-over"]);
export const DRIFT_HARMLESS: ReadonlySet<string> = new Set(["standing", "less"]);
