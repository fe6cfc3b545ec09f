import type { Command } from "commander";
import type { CredentialView } from "../contract/access.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { CommandFailure } from "./failure.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { LiveLine } from "./live-line.ts";
import { obtainCredential } from "./obtain-credential.ts";
import { grantIdText, withExamples, withServer } from "./options.ts";
import { shellExports } from "./psql/environment.ts";
import { clean } from "./words/clean.ts";
import { credentialLines, credentialVariables } from "./words/credential-words.ts";
import { lessLines } from "./words/less-words.ts";

type Options = { readonly rotate?: true; readonly env?: true };

export function credential(program: Command): void {
  const command = program
    .command("credential")
    .description("how to connect under a grant: shown once, kept nowhere")
    .argument("<grant>", "the grant: gr_…", grantIdText)
    .option("--rotate", "make a new one; the old one stops working")
    .option("--env", "print export lines, to be evaluated by a shell");
  withExamples(
    withServer(command),
    "tidegate credential gr_0123456789abcdef",
    'eval "$(tidegate credential gr_0123456789abcdef --env)"',
  ).action(
    act(async (context, id: string, options: Options) =>
      showCredential(context, await obtain(context, id, options.rotate === true), id, options.env === true),
    ),
  );
}

async function obtain(context: Context, id: string, rotate: boolean): Promise<CredentialView> {
  const { client, output } = context;
  // What keeps it from being read is told by the call for the credential.
  const grant = await client.getGrant(id).catch(() => null);
  if (grant !== null) output.note(...lessLines(clean(grant), output.notePage));
  const live = new LiveLine(context.output);
  const interrupts = new Interrupts(() => process.exit(130));
  try {
    return await obtainCredential(context, id, { live, signal: interrupts.signal, rotate, rotateIfDelivered: false });
  } catch (error) {
    if (interrupts.received !== null)
      throw new Interrupted(
        interrupts.received,
        `Waiting was broken off; the grant ${id} goes on. Give it back with: tidegate revoke ${id}`,
      );
    if (error instanceof Error && "code" in error && error.code === "credential-delivered")
      throw new CommandFailure(
        "credential-delivered",
        `The credential was delivered before and is kept nowhere. For a new one, which ends the old: tidegate credential ${id} --rotate`,
      );
    throw error;
  } finally {
    live.end();
    interrupts.stop();
  }
}

/** Prints what was delivered. What it warns of goes to stderr, so that `eval` and pipes get the credential alone. */
export function showCredential(
  { output }: Context,
  delivered: CredentialView,
  grantId: string,
  asExports: boolean,
): void {
  if (asExports && !output.json) {
    const variables = credentialVariables(delivered);
    if (variables === null)
      throw new CommandFailure(
        "no-secret",
        "This access has no secret of its own: your own account has it. Nothing to export.",
      );
    output.lines(shellExports(variables));
  } else if (output.json) output.jsonLine(delivered);
  // As it is: a password is not a text that may be tidied up.
  else output.lines(credentialLines(delivered, output.page));
  if (delivered.kind === "password" && !output.json)
    output.note(`Shown once, and kept nowhere. A new one, which ends this: tidegate credential ${grantId} --rotate`);
}
