import type { Command } from "commander";
import { addressOf, type ServerOptions } from "./connect.ts";
import { CommandFailure } from "./failure.ts";
import { forgetSession, type KeptSession, readSession } from "./login/kept-session.ts";
import { withAddress, withExamples } from "./options.ts";
import { Output } from "./output.ts";

export function logout(program: Command): void {
  const command = program
    .command("logout")
    .description("sign out on this machine; access on targets is not ended by it");
  withExamples(withAddress(command), "tidegate logout").action((options: ServerOptions) =>
    runLogout(options, process.env),
  );
}

async function runLogout(options: ServerOptions, env: NodeJS.ProcessEnv): Promise<void> {
  const output = new Output(options.json === true);
  const url = addressOf(options, env);
  // Others may have read the file: that is a reason more to end what is in it.
  const kept = await readSession(url, env, { evenIfOpen: true });
  if (kept === null) {
    output.answer({ url, signedOut: false }, () => [`You were not signed in to ${url} here.`]);
  } else {
    const trouble = await end(url, kept).then(
      () => null,
      (error: unknown) => (isOver(error) ? null : error),
    );
    await forgetSession(url, env);
    if (trouble !== null)
      throw new CommandFailure(
        "not-signed-out",
        `Your token was removed here, but ${url} could not be told (${trouble instanceof Error ? trouble.message : String(trouble)}): session ${kept.session} goes on until it expires. End it with tidegate sessions end ${kept.session}, at /auth/sessions, or ask an admin.`,
        undefined,
        { session: kept.session },
      );
    output.answer({ url, signedOut: true, session: kept.session }, () => [`Signed out of ${url}.`]);
  }
  if (env["TIDEGATE_TOKEN"]?.trim()) output.note("TIDEGATE_TOKEN is set here and goes on being used: unset it too.");
}

/** Its token may be too old for anything but being exchanged. */
async function end(url: string, { token: held, session }: KeptSession): Promise<void> {
  const { createClient } = await import("../contract/client.ts");
  const { token } = await createClient({ url, token: null }).renewToken(held);
  await createClient({ url, token }).endSession(session);
}

/** The session is over already, for whatever reason. */
const isOver = (error: unknown): boolean =>
  error instanceof Error && "code" in error && ["unauthenticated", "not-found"].includes(String(error.code));
