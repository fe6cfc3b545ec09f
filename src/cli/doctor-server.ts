/** The half of `tidegate doctor` that looks at a server from outside: from the laptop of whoever uses it. */
import { systemClock } from "../base/clock.ts";
import { allWell, type Finding, findingLines, unknown, warns, well, wrong } from "../base/finding.ts";
import { tidegateVersion, understandEachOther, VERSION_HEADER } from "../base/version.ts";
import type { Me } from "../contract/identity.ts";
import { addressOf, type Context, connect, type ServerOptions } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { Output } from "./output.ts";
import { clean } from "./words/clean.ts";
import { fullName } from "./words/people.ts";

const ANSWER_WITHIN_MS = 10_000;
/** The Date header has whole seconds, and the way takes time; less says nothing. */
const CLOCK_APART_MS_MAX = 5_000;

export async function doctorServer(options: ServerOptions, env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const output = new Output(options.json === true);
  const url = addressOf(options, env);
  const groups = [{ title: `Server ${url}`, findings: await findingsOf(options, env) }];
  const ok = allWell(groups);
  output.answer({ ok, groups }, (answer) => findingLines(answer.groups));
  return ok ? EXIT.done : EXIT.failed;
}

type Heard = { version: string | null; apartMs: number | null };

async function findingsOf(options: ServerOptions, env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const heard: Heard = { version: null, apartMs: null };
  let askedMs = systemClock.nowMs();
  const hear = ({ headers }: Response): void => {
    heard.version = headers.get(VERSION_HEADER) ?? heard.version;
    const date = Date.parse(headers.get("date") ?? "");
    if (Number.isFinite(date)) heard.apartMs = apart(date, askedMs, systemClock.nowMs());
  };
  let context: Context;
  try {
    context = await connect(options, env, { timeoutMs: ANSWER_WITHIN_MS, hear });
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return [
      wrong("token", error.message, "A token comes from whoever keeps the configuration: tidegate token create."),
    ];
  }
  const readiness = await ready(context);
  if (readiness[0]?.check === "reachable" && readiness[0].ok === false) return readiness;
  askedMs = systemClock.nowMs();
  const token = await tokenFinding(context);
  return [...readiness, token, versionFinding(heard, token), clockFinding(heard)];
}

/** Nothing, as long as the server's second is one of those that passed while we waited. */
function apart(dateMs: number, askedMs: number, heardMs: number): number {
  if (dateMs + 1_000 < askedMs) return askedMs - (dateMs + 1_000);
  return dateMs > heardMs ? heardMs - dateMs : 0;
}

async function ready({ client }: Context): Promise<Finding[]> {
  try {
    const { checks } = await client.ready();
    return [
      well("reachable", "answers, and is ready"),
      ...Object.entries(checks).map(([name, { ok, detail }]) =>
        ok
          ? well(name, detail)
          : warns(name, detail, "Whoever runs the server: look at its log, and run tidegate doctor there."),
      ),
    ];
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.name === "ProblemError")
      return [
        well("reachable", "answers"),
        wrong("ready", error.message, "Whoever runs the server: look at its log, and run tidegate doctor there."),
      ];
    if (error.name !== "CannotReach" && error.name !== "UnexpectedAnswer") throw error;
    return [wrong("reachable", error.message, "Is this the address of Tidegate? Set TIDEGATE_URL, or give --url.")];
  }
}

async function tokenFinding({ client }: Context): Promise<Finding> {
  try {
    const me: Me = clean(await client.me());
    return well("token", `of ${fullName(me)}`);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return wrong(
      "token",
      error.message,
      "It may have expired or been replaced. A new one comes from whoever keeps the configuration: tidegate token create.",
    );
  }
}

function versionFinding({ version }: Heard, token: Finding): Finding {
  const ours = tidegateVersion();
  const check = "version";
  if (version === null)
    return token.ok === true
      ? warns(
          check,
          `the server does not say which it is; this command is ${ours}`,
          "It is an older Tidegate: upgrade it.",
        )
      : unknown(check, "the server says it only to those it knows");
  if (version === ours) return well(check, `${version}, as this command`);
  const saw = `the server is ${version}, this command ${ours}`;
  if (understandEachOther(version, ours)) return well(check, `${saw}; they understand each other`);
  return wrong(check, saw, "Use the command of the server's version: they may not understand each other.");
}

function clockFinding({ apartMs }: Heard): Finding {
  const check = "clock here against the server's";
  if (apartMs === null) return unknown(check, "the server does not say what time it is");
  const seconds = Math.round(Math.abs(apartMs) / 1_000);
  if (Math.abs(apartMs) <= CLOCK_APART_MS_MAX) return well(check, seconds === 0 ? "the same" : `${seconds} s apart`);
  return warns(
    check,
    `this machine is ${seconds} s ${apartMs > 0 ? "ahead" : "behind"}`,
    "Let it take its time from NTP: until then what is left of a grant is shown wrongly. The server's clock decides.",
  );
}
