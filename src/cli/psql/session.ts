/** From the moment the credential is there: psql runs, and what becomes of the access afterwards. */
import { unreachable } from "../../base/assert.ts";
import { systemClock } from "../../base/clock.ts";
import type { GrantView } from "../../contract/access.ts";
import type { Context } from "../connect.ts";
import { EXIT, exitCodeOfSignal } from "../exit-code.ts";
import type { Interrupts } from "../interrupts.ts";
import { patiently } from "../patience.ts";
import { extendHint } from "../words/grant-words.ts";
import { moment } from "../words/time.ts";
import type { Access } from "./access.ts";
import { type ChildEnd, runChild } from "./child.ts";
import { type PasswordCredential, psqlEnvironment } from "./environment.ts";
import { endedWords, giveBack, isClosed, NotGivenBack, untilProven } from "./give-back.ts";
import { GrantWatch } from "./grant-watch.ts";

export type Session = {
  readonly access: Access;
  readonly credential: PasswordCredential & { readonly expiresAt: string };
  readonly program: string;
  readonly args: readonly string[];
  /** Keep the access when psql ends, whoever made it. */
  readonly keep: boolean;
};

/** How long the grant is asked for after psql ended; unanswered, what was known before is taken for it. */
const AFTER_WITHIN_MS = 5_000;

/** Runs psql, then ends or keeps the access and says so. Answers the exit code: psql's own. */
export async function runSession(context: Context, session: Session, interrupts: Interrupts): Promise<number> {
  const { access, credential, program, args } = session;
  const { output, client } = context;
  const grant: GrantView = { ...access.grant, state: "active", expiresAt: credential.expiresAt };
  output.note(`Access ends ${moment(grant.expiresAt, systemClock.nowMs())}. More time: ${extendHint(grant.id)}`);
  const watch = new GrantWatch(context, grant);
  watch.start();
  const environment = psqlEnvironment(process.env, credential);
  const end = await runChild(program, args, environment, interrupts)
    .catch((error: unknown) => afterNoStart(context, access, error))
    .finally(() => watch.stop());
  const after = await patiently(() => client.getGrant(grant.id), { withinMs: AFTER_WITHIN_MS }).catch(() => grant);
  const signal = (): NodeJS.Signals | null => end.endedBy ?? interrupts.received;
  let failed: number = EXIT.done;
  try {
    if (hasEnded(after)) await tellEnd(context, after, watch.saidProven);
    else await settle(context, { grant: after, made: access.made }, end, session.keep, interrupts);
  } catch (error) {
    if (!(error instanceof NotGivenBack)) throw error;
    output.note(output.notePage.paint("red", error.message));
    failed = EXIT.failed;
  }
  const told = signal();
  if (told !== null) return exitCodeOfSignal(told);
  return end.exitCode === EXIT.done ? failed : end.exitCode;
}

/** psql did not even start: nothing is kept that was made for it. */
async function afterNoStart(context: Context, { grant, made }: Access, error: unknown): Promise<never> {
  const done = made
    ? await giveBack(context, grant.id, "psql did not start").catch(String)
    : `Grant ${grant.id} goes on.`;
  context.output.note(done);
  throw error;
}

const hasEnded = (grant: GrantView): boolean =>
  isClosed(grant) || grant.state === "revoking" || Date.parse(grant.expiresAt) <= systemClock.nowMs();

/** The access ended while psql ran: when, and whether that it is gone is proven. */
async function tellEnd(context: Context, grant: GrantView, saidProven: boolean): Promise<void> {
  if (saidProven) return;
  const { output } = context;
  const { paint } = output.notePage;
  const seen = await untilProven(context, grant);
  const ended = endedWords(seen);
  const look = `tidegate grants show ${seen.id}`;
  if (isClosed(seen)) output.note(`${ended}.`);
  else if (seen.accessGone) output.note(paint("yellow", `${ended}: it is gone, clean-up is pending: ${look}`));
  else output.note(paint("red", `${ended}, but that it is gone is NOT PROVEN YET; Tidegate keeps at it: ${look}`));
}

/** The access lives on after psql: given back, or kept and said so. */
async function settle(
  context: Context,
  { grant, made }: Access,
  end: ChildEnd,
  keep: boolean,
  interrupts: Interrupts,
): Promise<void> {
  const { output } = context;
  const unasked = made ? "give-back" : "keep";
  const asks = end.endedBy === null && output.interactive;
  const choice = keep ? "keep" : asks ? ((await askWhether(grant, made, interrupts.signal)) ?? unasked) : unasked;
  switch (choice) {
    case "give-back":
      return output.note(await giveBack(context, grant.id, "psql ended"));
    case "keep":
      return output.note(
        `Access goes on: ends ${moment(grant.expiresAt, systemClock.nowMs())}.`,
        `Again: tidegate psql ${grant.entitlement}   Give it back: tidegate revoke ${grant.id}`,
      );
    default:
      return unreachable(choice);
  }
}

/** Null: Ctrl-C, or the terminal is gone; that is no answer. */
async function askWhether(grant: GrantView, made: boolean, signal: AbortSignal): Promise<"give-back" | "keep" | null> {
  const { confirm } = await import("@clack/prompts");
  // A terminal that went away answers reads with an error, which nobody else takes.
  process.stdin.on("error", () => undefined);
  const answer = await confirm({
    output: process.stderr,
    signal,
    message: `Give the access back? It would end ${moment(grant.expiresAt, systemClock.nowMs())}`,
    initialValue: made,
  });
  if (typeof answer !== "boolean") return null;
  return answer ? "give-back" : "keep";
}
