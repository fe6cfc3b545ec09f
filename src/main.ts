/** What the `tidegate` program runs: commands that talk to a server, and those that are the server. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { addStoreCommands } from "./admin/commands.ts";
import { systemClock } from "./base/clock.ts";
import { SCOPE_NAMES } from "./base/scope.ts";
import { withExamples } from "./cli/options.ts";
import { policy } from "./cli/policy.ts";
import { createProgram, run } from "./cli/program.ts";

const ROOT = resolve(import.meta.dirname, "..");
const { env } = process;

const systemData = "/var/lib/tidegate";
const dataDefault = (): string =>
  env["TIDEGATE_DATA"] ??
  (process.getuid?.() === 0
    ? systemData
    : join(env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "tidegate"));
const configDefault = (): string => env["TIDEGATE_CONFIG"] ?? "tidegate.yaml";

/** Prints a finished answer and leaves with its code. What machines read is on stdout, whatever it says. */
function finish({ exitCode, text }: { exitCode: number; text: string }, json = false): void {
  if (text !== "")
    (exitCode === 0 || json ? process.stdout : process.stderr).write(text.endsWith("\n") ? text : `${text}\n`);
  process.exitCode = exitCode;
}

function port(text: string): number {
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number > 65_535) throw new InvalidArgumentError("write a number from 0 to 65535");
  return number;
}

async function serve(options: {
  config: string;
  data: string;
  host: string;
  port: number;
  metricsPort?: number;
  logLevel: string;
}): Promise<void> {
  // Heard from the first moment: a signal during the start must not leave the embedded store running behind us. And for
  // good: the first process of a container is deaf to what it does not listen to, any other would be killed half-way.
  const { promise: signalled, resolve: stop } = Promise.withResolvers<string>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop(signal));
  // Without a listener this one would end the process; before there is anything to read again, it has nothing to say.
  let reload = (): void => {};
  process.on("SIGHUP", () => reload());
  const stopping = new AbortController();
  void signalled.then(() => stopping.abort());
  const { createLogger, startTidegate } = await import("./app.ts");
  const log = createLogger(options.logLevel);
  const tidegate = await startTidegate({
    configFile: resolve(options.config),
    dataDir: resolve(options.data),
    databaseUrl: env["DATABASE_URL"] ?? null,
    host: options.host,
    port: options.port,
    metricsPort: options.metricsPort ?? null,
    env,
    log,
    stopping: stopping.signal,
  }).catch((error: unknown) => {
    if (!(error instanceof Error) || error.name !== "StoppedWaiting") throw error;
    return null;
  });
  if (tidegate === null) return log.info("stopped while the store was away");
  log.info({ url: tidegate.url }, "tidegate serves");
  reload = () => {
    log.info({ signal: "SIGHUP" }, "reading the configuration again");
    void tidegate.reloadConfiguration();
  };
  log.info({ signal: await signalled }, "stopping");
  await tidegate.stop();
  log.info("stopped");
}

async function demo(options: { dir?: string; port?: number; story: boolean; exit?: boolean }): Promise<void> {
  const [{ createLogger, startTidegate }, { runDemo }] = await Promise.all([
    import("./app.ts"),
    import("./demo/demo.ts"),
  ]);
  process.exitCode = await runDemo(
    {
      dir: options.dir ?? null,
      defaultDir: join(dataDefault(), "demo"),
      port: options.port ?? null,
      story: options.story,
      exit: options.exit ?? false,
      program: join(ROOT, "bin", "tidegate"),
    },
    async ({ logFile, ...settings }) => {
      const tidegate = await startTidegate({
        ...settings,
        databaseUrl: null,
        metricsPort: null,
        host: "127.0.0.1",
        env,
        log: createLogger("info", logFile),
      });
      return { url: tidegate.url, storeSuperuserUrl: tidegate.storeSuperuserUrl, stop: () => tidegate.stop() };
    },
    (line) => console.log(line),
  );
}

function local(program: Command): void {
  addLocal(program);
  addExamples(program);
}

function addLocal(program: Command): void {
  program
    .command("serve")
    .description("run the server: API, reconciler, jobs, and the embedded store unless DATABASE_URL is set")
    .option("--config <path>", "configuration: a file, or a folder of files (TIDEGATE_CONFIG)", configDefault())
    .option("--data <dir>", "data folder (TIDEGATE_DATA)", dataDefault())
    .option("--host <address>", "address to listen on", env["TIDEGATE_HOST"] ?? "127.0.0.1")
    .addOption(new Option("--port <port>", "port to listen on").env("TIDEGATE_PORT").argParser(port).default(7788))
    .addOption(
      new Option(
        "--metrics-port <port>",
        "figures for Prometheus and the health page without a token, on 127.0.0.1 only",
      )
        .env("TIDEGATE_METRICS_PORT")
        .argParser(port),
    )
    .option("--log-level <level>", "trace, debug, info, warn or error", "info")
    .action(serve);
  program
    .command("demo")
    .description("play the whole story on real databases, then stay up to try it by hand")
    .option("--dir <dir>", "where everything of the demo lives; the same folder goes on where it was")
    .option("--port <port>", "port of the server", port)
    .option("--no-story", "only start, do not play")
    .option("--exit", "end after the story; exit code 0 only if every step was seen to hold")
    .action(demo);
  program
    .command("migrate")
    .description("bring the store of DATABASE_URL up to date")
    .action(async () => {
      const { migrateStore } = await import("./admin/migrate-store.ts");
      finish(await migrateStore(env["DATABASE_URL"]));
    });
  addStoreCommands(program, {
    ...{ env, dataDefault, configDefault, finish },
    connectors: () => import("./connectors/index.ts"),
  });
  addChecks(program);
}

/** What needs no server and no store: configurations, policies, tokens. */
function addChecks(program: Command): void {
  program
    .command("check")
    .description("check a configuration: every mistake at file:line:column, with what to do")
    .argument("[path]", "configuration: a file, or a folder of files (TIDEGATE_CONFIG)", configDefault())
    .option("--json", "for machines")
    .option("--schema", "print the JSON Schema of configurations instead, for editors")
    .action(async (path: string, options: { json?: boolean; schema?: boolean }) => {
      const [{ check }, { connectorsByKind }, { schemaText }] = await Promise.all([
        import("./admin/check.ts"),
        import("./connectors/index.ts"),
        import("./config/schema.ts"),
      ]);
      if (options.schema) return finish({ exitCode: 0, text: schemaText(connectorsByKind) });
      finish(check({ path, connectors: connectorsByKind, env, json: options.json ?? false }), options.json);
    });
  addDoctor(program);
  policy(program, {
    configDefault,
    load: async (path) => {
      const [{ loadRuleset }, { connectorsByKind }] = await Promise.all([
        import("./admin/load-ruleset.ts"),
        import("./connectors/index.ts"),
      ]);
      return loadRuleset({ path, connectors: connectorsByKind, env });
    },
    diff: async (...input) => (await import("./domain/policy-replay.ts")).diffPolicies(...input),
    test: async ({ json, ...options }) => {
      const [{ policyTest }, { connectorsByKind }] = await Promise.all([
        import("./admin/policy-test.ts"),
        import("./connectors/index.ts"),
      ]);
      finish(policyTest({ ...options, connectors: connectorsByKind, env, json, clock: systemClock }), json);
    },
  });
  const token = program.commands.find((command) => command.name() === "token") ?? program.command("token");
  token
    .command("create")
    .description("make a token for the configuration, without a server: shown once, with the line that makes it valid")
    .argument("<name>", "what the token is for, such as laptop")
    .option("--expires <time>", "when it stops working: in 90 days if left out, in 365 at most")
    .addOption(
      new Option("--scope <scope...>", "what it is good for; left out: whatever its owner may do").choices(SCOPE_NAMES),
    )
    .option("--out <file>", "put the token into this new file, readable by you alone, and do not show it")
    .option("--json", "for machines")
    .action(async (name: string, options: { expires?: string; scope?: string[]; out?: string; json?: boolean }) => {
      const { createToken } = await import("./admin/token-create.ts");
      finish(createToken({ name, nowMs: systemClock.nowMs(), ...options }), options.json);
    });
}

/** Beside a server everything it stands on; with --url the server as it is seen from here. */
function addDoctor(program: Command): void {
  type Given = { config: string; data: string; url?: string | true; tokenFile?: string; json?: true };
  program
    .command("doctor")
    .description("look whether all is well: configuration, store, keys, each target's rights; or a server, with --url")
    .option("--config <path>", "configuration: a file, or a folder of files (TIDEGATE_CONFIG)", configDefault())
    .option("--data <dir>", "data folder of the server (TIDEGATE_DATA)", dataDefault())
    .option("--url [url]", "look at a running server from here instead (TIDEGATE_URL)")
    .option("--token-file <file>", "with --url: file that holds the token (TIDEGATE_TOKEN, the token itself)")
    .option("--json", "for machines")
    .action(async ({ config, data, url, ...more }: Given) => {
      if (url !== undefined) {
        const { doctorServer } = await import("./cli/doctor-server.ts");
        process.exitCode = await doctorServer({ ...more, ...(url === true ? {} : { url }) });
        return;
      }
      const [{ doctor }, { connectorsByKind }] = await Promise.all([
        import("./admin/doctor/doctor.ts"),
        import("./connectors/index.ts"),
      ]);
      const place = { dataDir: resolve(data), databaseUrl: env["DATABASE_URL"] ?? null };
      const result = await doctor({
        ...place,
        configPath: config,
        connectors: connectorsByKind,
        env,
        json: more.json ?? false,
      });
      process.stdout.write(`${result.text}\n`);
      process.exitCode = result.exitCode;
    });
}

/** By the path of the command; those that talk to a server bring their own. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  serve: ["tidegate serve --config tidegate.yaml", "DATABASE_URL=postgres://… tidegate serve --host 0.0.0.0"],
  demo: ["tidegate demo --exit", "tidegate demo --dir ~/tidegate-demo --no-story"],
  migrate: ["DATABASE_URL=postgres://… tidegate migrate"],
  check: ["tidegate check tidegate.yaml"],
  doctor: ["tidegate doctor --config tidegate.yaml", "tidegate doctor --url http://127.0.0.1:7788"],
  backup: ["tidegate backup /backups/tidegate-monday.backup"],
  restore: ["tidegate restore /backups/tidegate-monday.backup --data /var/lib/tidegate"],
  "target accept": ['tidegate target accept orders-db --reason "moved to the new rack by streaming"'],
  recover: ["tidegate recover", 'tidegate recover --reason "restored last night, store disk failed"'],
  "keys list": ["tidegate keys list"],
  "keys rotate": ["tidegate keys rotate"],
  "keys add": ["tidegate keys add"],
  "keys promote": ["tidegate keys promote 0123456789abcdef"],
  "keys forget": ["tidegate keys forget 0123456789abcdef"],
  "keys abandon": ["tidegate keys abandon 0123456789abcdef --yes"],
  "token create": ["tidegate token create laptop --expires 2027-01-01T00:00:00Z"],
};

function addExamples(program: Command): void {
  for (const [path, examples] of Object.entries(EXAMPLES)) {
    let command: Command | undefined = program;
    for (const name of path.split(" ")) command = command?.commands.find((child) => child.name() === name);
    if (command === undefined) throw new Error(`there is no command ${path} to give an example of`);
    withExamples(command, ...examples);
  }
}

await run(createProgram({ local }), process.argv);
