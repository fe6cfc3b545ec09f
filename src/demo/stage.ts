/** Shows what happens on the stage of the demo's story, and keeps the score: whatever was claimed must have been seen. */
import { spawn } from "node:child_process";
import { type LiveSession, openSession, type Way } from "./live-session.ts";

export type Shown = { readonly code: number; readonly output: string };

export class Stage {
  readonly #say: (line: string) => void;
  readonly #program: string;
  readonly #url: string;
  readonly #tokens: Readonly<Record<string, string>>;
  readonly #atEnd: (stop: () => unknown) => void;
  readonly #failures: string[] = [];
  #scene = 0;

  constructor(options: {
    say: (line: string) => void;
    program: string;
    url: string;
    tokens: Readonly<Record<string, string>>;
    /** Has this stopped when the demo is, also in the middle of the story. */
    atEnd: (stop: () => unknown) => void;
  }) {
    this.#say = options.say;
    this.#program = options.program;
    this.#url = options.url;
    this.#tokens = options.tokens;
    this.#atEnd = options.atEnd;
  }

  get failures(): readonly string[] {
    return this.#failures;
  }

  say(line: string): void {
    this.#say(line);
  }

  scene(title: string): void {
    this.#scene += 1;
    this.#say(`\n── ${this.#scene}. ${title}`);
  }

  /** Notes whether something that was promised was seen. */
  saw(held: boolean, what: string): void {
    this.#say(`   ${held ? "✔" : "✘ NOT SEEN:"} ${what}`);
    if (!held) this.#failures.push(what);
  }

  /** A person's own session on production. */
  signIn(way: Way): Promise<LiveSession> {
    const opening = openSession(way);
    this.#atEnd(() => opening.then((session) => session.close()).catch(() => undefined));
    return opening;
  }

  /** Runs the real command as a person would, shows it and what it printed. */
  async run(person: string, args: readonly string[]): Promise<Shown> {
    this.#say(`\n${person}$ tidegate ${args.map(quoted).join(" ")}`);
    const env = {
      ...process.env,
      TIDEGATE_URL: this.#url,
      TIDEGATE_TOKEN: this.#tokens[person] ?? "",
      NO_COLOR: "1",
      COLUMNS: "110",
    };
    const child = spawn(this.#program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const { promise, resolve } = Promise.withResolvers<number>();
    child.on("error", () => resolve(127));
    child.on("close", (code) => resolve(code ?? 1));
    const code = await promise;
    for (const line of output.trimEnd().split("\n")) this.#say(`  ${line}`);
    return { code, output };
  }
}

const quoted = (arg: string): string => (/^[A-Za-z0-9_:./=-]+$/.test(arg) ? arg : `"${arg.replaceAll('"', '\\"')}"`);
