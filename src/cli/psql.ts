import type { Command } from "commander";
import { unreachable } from "../base/assert.ts";
import { systemClock } from "../base/clock.ts";
import type { CredentialView, GrantView } from "../contract/access.ts";
import { act } from "./act.ts";
import { askForMissing } from "./asking.ts";
import type { Context } from "./connect.ts";
import { showCredential } from "./credential.ts";
import { EXIT, exitCodeOfSignal } from "./exit-code.ts";
import { CommandFailure, usage } from "./failure.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { LiveLine } from "./live-line.ts";
import { obtainCredential } from "./obtain-credential.ts";
import { durationText, entitlementName, withExamples, withServer } from "./options.ts";
import { patiently } from "./patience.ts";
import { type Access, askForAccess, type Begun, heldGrant, undo } from "./psql/access.ts";
import { type ChildEnd, runChild } from "./psql/child.ts";
import { psqlEnvironment } from "./psql/environment.ts";
import { findProgram } from "./psql/find-program.ts";
import { giveBack, isClosed, NotGivenBack, receiptOf, untilProven } from "./psql/give-back.ts";
import { GrantWatch } from "./psql/grant-watch.ts";
import type { Waiting } from "./waiting.ts";
import { extendHint } from "./words/grant-words.ts";
import { moment } from "./words/time.ts";

type Options = {
  readonly for?: string;
  readonly reason?: string;
  readonly ticket?: string;
  readonly keep?: true;
  readonly print?: true;
};

const EXAMPLE = 'tidegate psql orders-db:read --for 1h --reason "INC-42 slow checkouts" --ticket INC-42';

const MORE = `
Uses a grant that you hold already, otherwise asks and waits. The password goes to psql by its environment.
Ctrl-C while waiting takes everything back. Afterwards the access is given back unless you keep it.
--json prints how to connect, as --print does, and starts no psql. Exit code: psql's own.`;

export function psql(program: Command): void {
  const command = program
    .command("psql")
    .description("a psql prompt on production: asks, waits, connects, warns before the end, gives the access back")
    .argument("[entitlement]", "what: resource and entitlement", entitlementName)
    .argument("[psql-args...]", "after --: arguments for psql")
    .option("--for <duration>", "for how long: 15m, 8h, 1h30m", durationText)
    .option("--reason <text>", "why; approvers and the log read it")
    .option("--ticket <id>", "the ticket it is for")
    .option("--keep", "keep the access when psql ends")
    .option("--print", "start no psql: print how to connect, and keep the access");
  withExamples(withServer(command), EXAMPLE, 'tidegate psql orders-db:read -- -c "select count(*) from orders"')
    .addHelpText("after", MORE)
    .action(
      act(async (context, entitlement: string | undefined, args: readonly string[], options: Options) =>
        runPsql(context, entitlement, args, options),
      ),
    );
}

async function runPsql(
  context: Context,
  entitlement: string | undefined,
  args: readonly string[],
  options: Options,
): Promise<number> {
  const print = options.print === true || context.output.json;
  if (print && args.length > 0)
    throw usage("--print and --json start no psql: leave out the arguments after --, or the option.");
  // Looked for first: nobody should be bothered for access that cannot be used then.
  const program = print ? null : await requireProgram();
  const { access, credential } = await comeBy(context, entitlement, options);
  if (program === null) {
    showCredential(context, credential, access.grant.id, false);
    context.output.note(
      `Access ends ${moment(access.grant.expiresAt, systemClock.nowMs())}. Give it back before with: tidegate revoke ${access.grant.id}`,
    );
    return EXIT.done;
  }
  return use(context, access, credential, program, args, options.keep === true);
}

async function requireProgram(): Promise<string> {
  const found = await findProgram("psql", process.env["PATH"]);
  if (found !== null) return found;
  throw new CommandFailure(
    "psql-missing",
    "psql is not installed, or not on PATH. Debian and Ubuntu: apt install postgresql-client. Fedora: dnf install postgresql. macOS: brew install libpq. To connect with something else, add --print.",
  );
}

/** Access and its credential, found or asked for. Whatever breaks off on the way: what was begun is taken back. */
async function comeBy(
  context: Context,
  entitlement: string | undefined,
  options: Options,
): Promise<{ access: Access; credential: CredentialView }> {
  const { output } = context;
  const held = entitlement === undefined ? null : await heldGrant(context, entitlement);
  const asked =
    held === null
      ? await askForMissing(context, { entitlement, for: options.for, reason: options.reason }, EXAMPLE)
      : null;
  const live = new LiveLine(output);
  const begun: Begun = { request: null, grantId: null };
  const interrupts = new Interrupts(() => {
    live.end();
    output.note(`Stopped at once. What may be left: ${begun.grantId ?? begun.request?.id ?? "nothing"}`);
    process.exit(exitCodeOfSignal("SIGINT"));
  });
  const waiting: Waiting = { live, signal: interrupts.signal, ctrlC: "takes the request back" };
  try {
    const access =
      asked === null
        ? found(context, held)
        : await askForAccess(context, { ...asked, ticket: options.ticket ?? null }, begun, waiting);
    const credential = await obtainCredential(context, access.grant.id, {
      ...waiting,
      rotate: false,
      rotateIfDelivered: true,
      onRotate: () =>
        output.note("Its password was delivered before: a new one is made, and the old one stops working."),
    });
    waiting.signal.throwIfAborted();
    return { access, credential };
  } catch (error) {
    live.end();
    const happened = held === null ? await undo(context, begun).catch(messageOf) : `Your grant ${held.id} goes on.`;
    if (interrupts.received !== null) throw new Interrupted(interrupts.received, `Broken off. ${happened}`);
    if (begun.grantId !== null) output.note(happened);
    throw error;
  } finally {
    live.end();
    interrupts.stop();
  }
}

function found({ output }: Context, held: GrantView | null): Access {
  if (held === null) throw new TypeError("neither held nor asked for");
  const ends =
    held.activateBy === null
      ? `it ends ${moment(held.expiresAt, systemClock.nowMs())}`
      : `its time (${held.duration}) starts now`;
  output.note(`You hold ${held.entitlement} already, grant ${held.id}: ${ends}.`);
  return { grant: held, made: false };
}

/** Runs psql, then ends or keeps the access. Answers the exit code. */
async function use(
  context: Context,
  access: Access,
  credential: CredentialView,
  program: string,
  args: readonly string[],
  keep: boolean,
): Promise<number> {
  const { output, client } = context;
  const { id } = access.grant;
  if (credential.kind !== "password") {
    if (access.made) output.note(await giveBack(context, id, "psql cannot use it").catch(messageOf));
    throw new CommandFailure(
      "no-password",
      `This access has no password of its own: your account ${credential.account} has it. ${credential.note}`,
    );
  }
  const grant = { ...access.grant, state: "active", expiresAt: credential.expiresAt } as const;
  output.note(`Access ends ${moment(grant.expiresAt, systemClock.nowMs())}. More time: ${extendHint(id)}`);
  const watch = new GrantWatch(context, grant);
  watch.start();
  let end: ChildEnd;
  try {
    end = await runChild(program, args, psqlEnvironment(process.env, credential));
  } catch (error) {
    if (access.made) output.note(await giveBack(context, id, "psql did not start").catch(messageOf));
    throw error;
  } finally {
    watch.stop();
  }
  const after = await patiently(() => client.getGrant(id), { withinMs: AFTER_WITHIN_MS }).catch(() => grant);
  const code = end.endedBy === null ? end.exitCode : exitCodeOfSignal(end.endedBy);
  try {
    if (hasEnded(after)) await tellEnd(context, after, watch.saidProven);
    else await settle(context, { grant: after, made: access.made }, end, keep);
    return code;
  } catch (error) {
    if (!(error instanceof NotGivenBack)) throw error;
    output.note(output.notePage.paint("red", error.message));
    return code === EXIT.done ? EXIT.failed : code;
  }
}

const AFTER_WITHIN_MS = 5_000;

const hasEnded = (grant: GrantView): boolean =>
  isClosed(grant) || grant.state === "revoking" || Date.parse(grant.expiresAt) <= systemClock.nowMs();

/** The server cut us: when it ended, and whether that is proven. */
async function tellEnd(context: Context, grant: GrantView, saidProven: boolean): Promise<void> {
  if (saidProven) return;
  const { paint } = context.output.notePage;
  const seen = await untilProven(context, grant);
  const endedMs = Math.min(
    Date.parse(seen.expiresAt),
    seen.revokedAt === null ? Number.POSITIVE_INFINITY : Date.parse(seen.revokedAt),
  );
  const ended = `Access ended ${moment(new Date(endedMs).toISOString(), systemClock.nowMs())}`;
  if (isClosed(seen)) context.output.note(`${ended}, and is proven gone${receiptOf(seen)}.`);
  else if (seen.accessGone)
    context.output.note(paint("yellow", `${ended}: it is gone, clean-up is pending. tidegate grants show ${seen.id}`));
  else
    context.output.note(
      paint(
        "red",
        `${ended}, but that it is gone is NOT PROVEN YET; Tidegate keeps at it: tidegate grants show ${seen.id}`,
      ),
    );
}

/** The access lives on after psql: given back, or kept and said so. */
async function settle(context: Context, { grant, made }: Access, end: ChildEnd, keep: boolean): Promise<void> {
  const { output } = context;
  const choice = keep
    ? "keep"
    : end.endedBy === null && output.interactive
      ? await askWhether(made, grant)
      : made
        ? "give-back"
        : "keep";
  switch (choice) {
    case "give-back":
      return output.note(await giveBack(context, grant.id, "psql ended"));
    case "keep":
      return output.note(
        `Access goes on: ends ${moment(grant.expiresAt, systemClock.nowMs())}. Again: tidegate psql ${grant.entitlement}   Give it back: tidegate revoke ${grant.id}`,
      );
    default:
      return unreachable(choice);
  }
}

async function askWhether(made: boolean, grant: GrantView): Promise<"give-back" | "keep"> {
  const { confirm } = await import("@clack/prompts");
  const answer = await confirm({
    output: process.stderr,
    message: `Give the access back? (it would end ${moment(grant.expiresAt, systemClock.nowMs())})`,
    initialValue: made,
  });
  // Ctrl-C is no answer: then as without a terminal.
  if (typeof answer === "boolean") return answer ? "give-back" : "keep";
  return made ? "give-back" : "keep";
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
