/**
 * What policy would say to somebody who brought what its rules ask for: a ticket, a reason, a call to duty, an emergency.
 * Nothing is asked for. It tries: so a rule that wants a ticket shows as a way that needs one, and not as a no.
 */
import { demandInWords } from "./authentication.ts";
import type { Offered } from "./circumstances.ts";
import { conditionsOf, type Policy } from "./evaluate.ts";
import { exampleOf } from "./pattern.ts";
import type { ApproveRule, Decision } from "./policy.ts";

/** What somebody is imagined to bring; each left out costs nothing. */
export type Bringing = {
  /** Empty: none. Good for whatever is asked of tickets: open, and their own. */
  readonly ticket: string;
  readonly reason: string;
  readonly emergency: boolean;
  /** They would be on call, in the first line. */
  readonly onCall: boolean;
};

/** One way to an entitlement: through one rule, bringing no more than it takes. */
export type Way = { readonly bringing: Bringing; readonly decision: Decision; readonly rule: ApproveRule };

/** Stands for a ticket that somebody would give. */
const SOME_TICKET = "(a ticket)";
/** Forms of tickets that are tried besides. */
const EXAMPLES_MAX = 4;

export const NOTHING: Bringing = { ticket: "", reason: "", emergency: false, onCall: false };

/** Everything worth trying with these rules, what asks the least of people first. `policy` is that of one entitlement: the fewer rules, the fewer tries. */
export function triesOf({ approveRules }: Policy, { emergencies, callsToDuty }: Beyond): Bringing[] {
  const rules = approveRules.map(({ rule }) => rule);
  const texts = rules.flatMap(conditionsOf);
  const asks = {
    ticket: rules.some(({ ticketRequired }) => ticketRequired) || texts.some((text) => /\bticket\b/.test(text)),
    reason: rules.some(wantsReason) || texts.some((text) => /\brequest\s*\.\s*reason\b/.test(text)),
    emergency: emergencies && rules.some(({ emergency }) => emergency !== undefined),
    onCall: callsToDuty && texts.some((text) => /\boncall\b/.test(text)),
  };
  const longest = Math.max(0, ...rules.map(({ reasonMinLength }) => reasonMinLength ?? 0));
  const reason = "a reason ".repeat(Math.ceil(longest / 9) + 1);
  const reasons = asks.reason ? ["", reason] : [""];
  const tickets = asks.ticket ? ["", SOME_TICKET, ...examplesIn(texts)] : [""];
  const either = (asked: boolean): boolean[] => (asked ? [false, true] : [false]);
  return either(asks.emergency).flatMap((emergency) =>
    either(asks.onCall).flatMap((onCall) =>
      tickets.flatMap((ticket) => reasons.map((tried) => ({ emergency, onCall, ticket, reason: tried }))),
    ),
  );
}

/** How far to imagine: only what somebody may decide to bring, or also what happens to them. */
export type Beyond = { readonly emergencies: boolean; readonly callsToDuty: boolean };

const wantsReason = ({ reasonMinLength, emergency }: ApproveRule): boolean =>
  reasonMinLength !== null || emergency !== undefined;

/** Tickets of the forms that conditions ask for, as in `request.ticket.matches("^INC-[0-9]+$")`. */
function examplesIn(texts: readonly string[]): string[] {
  const found = new Set<string>();
  for (const text of texts)
    for (const [, , pattern = ""] of text.matchAll(/\bticket\s*\.\s*matches\(\s*r?(["'])(.*?)\1\s*\)/g)) {
      const example = exampleOrNull(pattern.replaceAll("\\\\", "\\"));
      if (example !== null && example !== "") found.add(example);
    }
  return [...found].slice(0, EXAMPLES_MAX);
}

function exampleOrNull(pattern: string): string | null {
  try {
    return exampleOf(pattern);
  } catch {
    // Read off the text by eye; what is no pattern is no example.
    return null;
  }
}

/** The ways, each rule once, with what it takes at the least. */
export function* foresee(
  { approveRules }: Policy,
  tries: readonly Bringing[],
  decide: (bringing: Bringing) => Decision,
): Generator<Way, undefined, undefined> {
  const seen = new Set<string>();
  for (const bringing of tries) {
    const decision = decide(bringing);
    if (decision.outcome === "denied" || decision.rule === null || seen.has(decision.rule)) continue;
    seen.add(decision.rule);
    const rule = approveRules.find(({ rule: { name } }) => name === decision.rule)?.rule;
    if (rule !== undefined) yield { bringing, decision, rule };
  }
  return undefined;
}

/** What a way takes besides approval, in words. */
export function needsOf({ bringing, rule }: Way): string[] {
  const { ticket, reason } = bringing;
  return [
    ...(ticket === "" ? [] : [ticket === SOME_TICKET ? "a ticket" : `a ticket such as ${ticket}`]),
    ...(reason === "" ? [] : [reasonNeeded(rule)]),
    ...(rule.authentication?.request === undefined ? [] : [demandInWords(rule.authentication.request)]),
  ];
}

const reasonNeeded = ({ reasonMinLength }: ApproveRule): string =>
  reasonMinLength === null ? "a reason" : `a reason of at least ${reasonMinLength} characters`;

export const longestMs = ({ entitlement }: Offered, rule: ApproveRule): number =>
  Math.min(entitlement.maxDurationMs, rule.maxDurationMs ?? Number.POSITIVE_INFINITY);
