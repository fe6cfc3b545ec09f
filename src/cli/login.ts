import { createHash, randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import type { Client } from "../contract/client.ts";
import type { LoginBegun } from "../contract/login.ts";
import { addressOf, type ServerOptions } from "./connect.ts";
import { EXIT, exitCodeOfSignal } from "./exit-code.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { LiveLine } from "./live-line.ts";
import { byBrowser } from "./login/by-browser.ts";
import { byDevice } from "./login/by-device.ts";
import { keepSession, readSession } from "./login/kept-session.ts";
import type { Signing } from "./login/signing.ts";
import { withAddress, withExamples } from "./options.ts";
import { Output } from "./output.ts";
import { cleanText } from "./words/clean.ts";
import { fullName } from "./words/people.ts";
import { moment } from "./words/time.ts";

type Options = ServerOptions & {
  readonly provider?: string;
  readonly browser?: true;
  readonly open?: true;
};

const MORE = `
Shows an address and a code: sign in there with any browser, also on another machine. Where the provider has no such codes,
a browser on this machine signs in (--browser). The token is kept in a file for you alone, and exchanged while you use it;
TIDEGATE_TOKEN and --token-file come before it. Out again: tidegate logout. Wherever you are signed in: tidegate sessions.`;

export function login(program: Command): void {
  const command = program
    .command("login")
    .description("sign in through your company's identity provider")
    .option("--provider <name>", "which, where there are several")
    .option("--browser", "through a browser on this machine, without a code")
    .option("--open", "open the address in a browser");
  withExamples(withAddress(command), "tidegate login --url https://tidegate.example.com", "tidegate login --open")
    .addHelpText("after", MORE)
    .action(async (options: Options) => {
      process.exitCode = await runLogin(options, process.env);
    });
}

async function runLogin(options: Options, env: NodeJS.ProcessEnv): Promise<number> {
  const output = new Output(options.json === true);
  const url = addressOf(options, env);
  const { createClient } = await import("../contract/client.ts");
  const interrupts = new Interrupts((received) => process.exit(exitCodeOfSignal(received)));
  const live = new LiveLine(output);
  const signing: Signing = {
    ...{ client: createClient({ url, token: null }), output, live, signal: interrupts.signal },
    bold: (text) => output.notePage.paint("bold", text),
    verifier: randomBytes(32).toString("base64url"),
    former: await readSession(url, env, { evenIfOpen: true }).then(
      (kept) => kept?.token ?? null,
      () => null,
    ),
    open: options.open === true,
  };
  try {
    const agent = `tidegate on ${hostname().replaceAll(/[^\x20-\x7e]/g, "-")}`.slice(0, 100);
    const begun = await begin(signing, options, agent);
    const done = await (begun.how === "device" ? byDevice(signing, begun) : byBrowser(signing, begun.address, agent));
    live.end();
    const { token, renewAfterMs, session, provider, person, expiresAt } = done;
    const file = await keepSession({ url, token, session, renewAtMs: systemClock.nowMs() + renewAfterMs }, env);
    output.answer({ url, person, provider, session, expiresAt, file }, (said, { nowMs }) => [
      `Signed in to ${url} as ${fullName(said.person)}, through ${said.provider}; ${moment(said.expiresAt, nowMs)} at the latest you sign in again.`,
    ]);
    if (env["TIDEGATE_TOKEN"]?.trim())
      output.note("TIDEGATE_TOKEN is set here and comes first: unset it to be who you have just signed in as.");
    return EXIT.done;
  } catch (error) {
    live.end();
    if (interrupts.received === null) throw error;
    throw new Interrupted(interrupts.received, "Broken off: you are not signed in.");
  } finally {
    interrupts.stop();
  }
}

async function begin(signing: Signing, options: Options, agent: string): Promise<LoginBegun> {
  const { client, signal, output } = signing;
  const challenge = createHash("sha256").update(signing.verifier).digest("base64url");
  const ask = (provider: string | undefined): ReturnType<Client["beginLogin"]> =>
    client.beginLogin(
      {
        ...{ challenge, agent },
        ...(provider === undefined ? {} : { provider }),
        ...(options.browser === true ? { how: "browser" as const } : {}),
      },
      { signal },
    );
  try {
    return await ask(options.provider);
  } catch (error) {
    const offered = options.provider === undefined ? offeredBy(error) : [];
    if (offered.length === 0 || !output.interactive) throw error;
    return ask(await pick(offered, signal));
  }
}

type Offered = { readonly name: string; readonly title: string };

/** The providers to choose from, where that is what the server wants to know. */
function offeredBy(error: unknown): Offered[] {
  const { extra } = error as { extra?: { providers?: unknown } };
  return Array.isArray(extra?.providers) ? (extra.providers as Offered[]).filter(({ name }) => name) : [];
}

async function pick(offered: readonly Offered[], signal: AbortSignal): Promise<string> {
  const { select } = await import("@clack/prompts");
  const answer = await select<string>({
    ...{ output: process.stderr, signal, message: "Through which provider?" },
    options: offered.map(({ name, title }) => ({ value: name, label: cleanText(title) })),
  });
  if (typeof answer === "string") return answer;
  throw new Interrupted("SIGINT", "Broken off: you are not signed in.");
}
