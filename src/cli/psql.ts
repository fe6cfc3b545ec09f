import type { Command } from "commander";
import { defined } from "../base/assert.ts";
import { systemClock } from "../base/clock.ts";
import type { CredentialView, GrantView } from "../contract/access.ts";
import { act } from "./act.ts";
import { askForMissing, goesOn, nameEntitlement } from "./asking.ts";
import type { Context } from "./connect.ts";
import { showCredential } from "./credential.ts";
import { EXIT, exitCodeOfSignal } from "./exit-code.ts";
import { CommandFailure, usage } from "./failure.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { LiveLine } from "./live-line.ts";
import { obtainCredential } from "./obtain-credential.ts";
import { durationText, EMERGENCY_ABOUT, entitlementName, withExamples, withServer } from "./options.ts";
import { type Access, askForAccess, type Begun, heldGrant, undo, type Wanted } from "./psql/access.ts";
import { findProgram } from "./psql/find-program.ts";
import { giveBack } from "./psql/give-back.ts";
import { runSession } from "./psql/session.ts";
import type { Waiting } from "./waiting.ts";
import { clean } from "./words/clean.ts";
import { lessLines } from "./words/less-words.ts";
import { moment } from "./words/time.ts";

type Options = {
  readonly for?: string;
  readonly reason?: string;
  readonly ticket?: string;
  readonly emergency?: true;
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
    .option("--emergency", EMERGENCY_ABOUT)
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
  const { output } = context;
  const print = options.print === true || output.json;
  if (print && args.length > 0)
    throw usage("--print and --json start no psql: leave out the arguments after --, or the option.");
  // Looked for first: nobody should be bothered for access that cannot be used then.
  const program = print ? null : await requireProgram();
  const wanted = await nameEntitlement(context, entitlement);
  const held = wanted === undefined ? null : await heldGrant(context, wanted);
  const asked =
    held === null
      ? await askForMissing(context, { entitlement: wanted, for: options.for, reason: options.reason }, EXAMPLE)
      : null;
  const begun: Begun = { request: null, grantId: null };
  const interrupts = new Interrupts((received) => {
    output.note(`Stopped at once. What may be left: ${begun.grantId ?? begun.request?.id ?? "nothing"}`);
    process.exit(exitCodeOfSignal(received));
  });
  try {
    const come =
      asked === null
        ? found(context, held, wanted)
        : { ...asked, ticket: options.ticket ?? null, emergency: options.emergency === true };
    const { access, credential } = await comeBy(context, come, begun, interrupts);
    if (program !== null) {
      const session = { access, credential: await usable(context, access, credential), program, args };
      return await runSession(context, { ...session, keep: options.keep === true }, interrupts);
    }
    showCredential(context, credential, access.grant.id, false);
    const ends = moment(credential.expiresAt, systemClock.nowMs());
    output.note(`Access ends ${ends}. Give it back before with: tidegate revoke ${access.grant.id}`);
    return EXIT.done;
  } finally {
    interrupts.stop();
  }
}

async function requireProgram(): Promise<string> {
  const found = await findProgram("psql", process.env["PATH"]);
  if (found !== null) return found;
  throw new CommandFailure(
    "psql-missing",
    "psql is not installed, or not on PATH. Debian and Ubuntu: apt install postgresql-client. Fedora: dnf install postgresql. macOS: brew install libpq. To connect with something else, add --print.",
  );
}

function found({ output }: Context, held: GrantView | null, wanted: string | undefined): Access {
  const grant = defined(held, "the grant that is held");
  const ends =
    grant.activateBy === null
      ? `it ends ${moment(grant.expiresAt, systemClock.nowMs())}`
      : `its time (${grant.duration}) starts now`;
  output.note(
    grant.entitlement === wanted
      ? `You hold ${grant.entitlement} already, grant ${grant.id}: ${ends}.`
      : `You asked for ${wanted} and were approved for less: ${grant.entitlement}, grant ${grant.id}; ${ends}. To ask for all of it again: tidegate request ${wanted}`,
  );
  return { grant, made: false };
}

/** Access and its credential. Whatever breaks off on the way: what was begun is taken back, and that is said. */
async function comeBy(
  context: Context,
  come: Access | Wanted,
  begun: Begun,
  interrupts: Interrupts,
): Promise<{ access: Access; credential: CredentialView }> {
  const { output } = context;
  const live = new LiveLine(output);
  const waiting: Waiting = { live, signal: interrupts.signal, ctrlC: "takes the request back" };
  try {
    const access = "made" in come ? come : await askForAccess(context, come, begun, waiting);
    await acceptLess(context, access.grant);
    const credential = await obtainCredential(context, access.grant.id, {
      ...waiting,
      rotate: false,
      rotateIfDelivered: true,
      onRotate: () =>
        output.note("Its password was delivered before: a new one is made, and the old one stops working."),
    });
    interrupts.signal.throwIfAborted();
    return { access, credential };
  } catch (error) {
    live.end();
    const happened =
      "made" in come ? `Your grant ${come.grant.id} goes on.` : await undo(context, begun).catch(messageOf);
    if (interrupts.received !== null) throw new Interrupted(interrupts.received, `Broken off. ${happened}`);
    if (begun.request !== null && isUndone(begun)) output.note(happened);
    throw error;
  } finally {
    live.end();
  }
}

/** Less than was asked for may be of no use: whoever asked says so before a password is made known, or is told in passing. */
async function acceptLess(context: Context, grant: GrantView): Promise<void> {
  const { output } = context;
  if (grant.less === null) return;
  output.note(...lessLines(clean(grant), output.notePage));
  if (grant.credential === "delivered" || (await goesOn(context, "Go on with that?"))) return;
  throw new CommandFailure("less-declined", "You did not want less than you asked for.");
}

/** There was something to take back: a grant, or a request that still waited. */
const isUndone = ({ request, grantId }: Begun): boolean => grantId !== null || request?.state === "pending";

/** What psql can sign in with; access without a password of its own is given back again. */
async function usable(
  context: Context,
  access: Access,
  credential: CredentialView,
): Promise<CredentialView & { kind: "password" }> {
  if (credential.kind === "password") return credential;
  if (access.made) context.output.note(await giveBack(context, access.grant.id, "psql cannot use it").catch(messageOf));
  const { account, note } = credential;
  throw new CommandFailure(
    "no-password",
    `This access has no password of its own: your account ${account} has it. ${note}`,
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
