/** Waiting for what others do: a decision by people, access by the reconciler, proof by its probe. */
import { systemClock } from "../base/clock.ts";
import type { GrantView, RequestView } from "../contract/access.ts";
import type { BundleView } from "../contract/bundles.ts";
import type { PanicView } from "../contract/panics.ts";
import type { Context } from "./connect.ts";
import type { LiveLine } from "./live-line.ts";
import { plain } from "./output.ts";
import { patiently, pause } from "./patience.ts";
import { cleanText } from "./words/clean.ts";
import { panicProgress } from "./words/panic-words.ts";
import { waitingFor } from "./words/request-words.ts";
import { moment } from "./words/time.ts";
import { questionLines } from "./words/timeline-words.ts";

const HOLD_SECONDS = 20;
/** Between two looks at what did not change, should the server not hold the answer. */
const LOOK_AGAIN_MS = 200;
/** A start nearer than this is not worth announcing. */
const SOON_MS = 2_000;
/** A server may be away this long while we wait for people anyway. */
export const SILENCE_MS_MAX = 2 * 60_000;

export type Waiting = {
  readonly live: LiveLine;
  readonly signal: AbortSignal;
  /** What Ctrl-C does meanwhile: `stops waiting`. */
  readonly ctrlC?: string;
};

/** The request once it is decided, expired or cancelled. The line says who can approve. */
export async function untilDecided(
  { client, output }: Context,
  request: RequestView,
  waiting: Waiting,
): Promise<RequestView> {
  let seen = request;
  const told = new Set<string>();
  while (seen.state === "pending") {
    tellQuestions(output, seen, told, waiting);
    waiting.live.say(cleanText(`${capital(waitingFor(seen))}. Ctrl-C ${waiting.ctrlC ?? "stops waiting"}.`));
    const known = seen;
    const askedMs = systemClock.monotonicMs();
    const hold = { signal: waiting.signal, waitSeconds: HOLD_SECONDS, while: known.state };
    seen = await borne(() => client.getRequest(known.id, hold), waiting);
    if (seen.state === "pending") await lookAgain(askedMs, waiting.signal);
  }
  return seen;
}

/** The bundle once nothing of it waits. The line says how much does, and for whom first. */
export async function untilBundleDecided(
  { client, output }: Context,
  bundle: BundleView,
  waiting: Waiting,
): Promise<BundleView> {
  let seen = bundle;
  const told = new Set<string>();
  for (;;) {
    const pending = seen.requests.filter(({ state }) => state === "pending");
    const [first] = pending;
    if (first === undefined) return seen;
    for (const request of pending) tellQuestions(output, request, told, waiting);
    const many = `${pending.length} of ${seen.requests.length}`;
    waiting.live.say(cleanText(`${many}: ${first.entitlement} is ${waitingFor(first)}. Ctrl-C stops waiting.`));
    const askedMs = systemClock.monotonicMs();
    const hold = { signal: waiting.signal, waitSeconds: HOLD_SECONDS, pending: pending.length };
    seen = await borne(() => client.getBundle(bundle.id, hold), waiting);
    await lookAgain(askedMs, waiting.signal);
  }
}

export const isOver = (grant: GrantView): boolean =>
  ["revoking", "revoked", "cancelled", "failed"].includes(grant.state);

/** Nothing more comes by waiting: it is there, it is over, or it waits for its time or its first use. */
export function isSettled(grant: GrantView): boolean {
  if (grant.state === "active" || isOver(grant)) return true;
  return grant.state === "scheduled" && (grant.activateBy !== null || Date.parse(grant.startsAt) > systemClock.nowMs());
}

/** What the requester is asked, each once and whole: the live line has no room for it, and it should not scroll away. */
function tellQuestions(output: Context["output"], request: RequestView, told: Set<string>, { live }: Waiting): void {
  const fresh = request.questions.filter(({ id }) => !told.has(id));
  if (fresh.length === 0) return;
  live.end();
  const lines = questionLines({ ...request, questions: fresh });
  output.note(...lines.map(cleanText), `Answer with: tidegate comment ${request.id} "your answer"`);
  for (const { id } of fresh) told.add(id);
}

/** The grant once `enough` says so. The line says what it waits for. */
export async function untilGrant(
  { client }: Context,
  grant: GrantView,
  enough: (grant: GrantView) => boolean,
  waiting: Waiting,
): Promise<GrantView> {
  let seen = grant;
  while (!enough(seen)) {
    waiting.live.say(cleanText(beingMade(seen)));
    const known = seen;
    const askedMs = systemClock.monotonicMs();
    const hold = { signal: waiting.signal, waitSeconds: HOLD_SECONDS, while: known.state };
    seen = await borne(() => client.getGrant(known.id, hold), waiting);
    if (!enough(seen)) await lookAgain(askedMs, waiting.signal);
  }
  return seen;
}

/** The panic once `enough` says so. The line says what is proven gone, and what is not yet. */
export async function untilPanicProven(
  { client, output }: Context,
  panic: PanicView,
  enough: (panic: PanicView) => boolean,
  waiting: Waiting,
): Promise<PanicView> {
  let seen = panic;
  while (!enough(seen)) {
    const trouble = seen.unproven.find((grant) => !grant.accessGone && grant.trouble !== null)?.trouble;
    waiting.live.say(
      cleanText(`${panicProgress(seen, { ...output.page, paint: plain })}${trouble ? ` ${trouble}` : ""}`),
    );
    const known = seen;
    const askedMs = systemClock.monotonicMs();
    const hold = { signal: waiting.signal, waitSeconds: HOLD_SECONDS, live: known.ended.live };
    seen = await borne(() => client.getPanic(known.id, hold), waiting);
    if (!enough(seen)) await lookAgain(askedMs, waiting.signal);
  }
  return seen;
}

/** At once after an answer that was held; a little later where the server did not hold it. */
async function lookAgain(askedMs: number, signal: AbortSignal): Promise<void> {
  if (systemClock.monotonicMs() - askedMs < LOOK_AGAIN_MS) await pause(LOOK_AGAIN_MS, signal);
}

const borne = <T>(ask: () => Promise<T>, { live, signal }: Waiting): Promise<T> =>
  patiently(ask, {
    signal,
    withinMs: SILENCE_MS_MAX,
    onTrouble: (why) => live.say(cleanText(`Tidegate does not answer (${why}); still trying`)),
  });

function beingMade(grant: GrantView): string {
  const trouble =
    grant.trouble === null
      ? ""
      : ` (${grant.trouble.attempts} attempts, last error: ${grant.trouble.lastError.message})`;
  const nowMs = systemClock.nowMs();
  if (grant.state === "scheduled" && Date.parse(grant.startsAt) - nowMs > SOON_MS)
    return `Waiting for the start: ${moment(grant.startsAt, nowMs)}${trouble}`;
  if (grant.state === "revoking") return `Waiting for the proof that access is gone${trouble}`;
  return `Making the access${trouble}`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
