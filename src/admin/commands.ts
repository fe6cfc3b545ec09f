/** The local commands about keys and backups, as they are typed. What they do is loaded when it is asked for. */
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Connectors } from "../config/load-configuration.ts";
import type { CommandResult } from "./check.ts";
import type { KeysOptions } from "./keys.ts";

export type LocalCommandsFor = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly dataDefault: () => string;
  readonly configDefault: () => string;
  readonly connectors: () => Promise<{ connectorsByKind: Connectors }>;
  readonly finish: (result: CommandResult, json?: boolean) => void;
};

type Given = { readonly data: string; readonly json?: boolean };

const WAIT_SECONDS = 25;

export function addStoreCommands(program: Command, local: LocalCommandsFor): void {
  addKeyCommands(program, local);
  addBackupCommands(program, local);
  addRecover(program, local);
  addTarget(program, local);
}

const withPlace = (command: Command, { dataDefault }: LocalCommandsFor): Command =>
  command
    .addOption(new Option("--data <dir>", "data folder of the server (TIDEGATE_DATA)").default(dataDefault()))
    .option("--json", "for machines");

const placeOf = ({ data }: Given, { env }: LocalCommandsFor) => ({
  dataDir: resolve(data),
  databaseUrl: env["DATABASE_URL"] ?? null,
});

function addKeyCommands(program: Command, local: LocalCommandsFor): void {
  const keys = program.command("keys").description("sealing keys: list, rotate, forget, or give up a lost one");
  type Verbs = typeof import("./keys.ts");
  const act =
    <Options extends Given>(
      run: (verbs: Verbs, given: Options, options: KeysOptions, id: string) => Promise<CommandResult>,
    ) =>
    async (id: string, given: Options): Promise<void> => {
      const options = { ...placeOf(given, local), env: local.env, json: given.json ?? false };
      local.finish(await run(await import("./keys.ts"), given, options, id), options.json);
    };
  /** The same for a command without an argument. */
  const actAlone =
    <Options extends Given>(run: (verbs: Verbs, given: Options, options: KeysOptions) => Promise<CommandResult>) =>
    (given: Options): Promise<void> =>
      act<Options>((verbs, it, options) => run(verbs, it, options))("", given);
  const verb = (name: string, description: string): Command =>
    withPlace(keys.command(name).description(description), local);

  verb("list", "each key, what it seals, and how many running servers hold it").action(
    actAlone((verbs, _given, options) => verbs.listKeys(options)),
  );
  verb("rotate", "a new key: added, awaited at every running server, then promoted")
    .option("--wait <seconds>", "how long to wait for running servers", seconds, WAIT_SECONDS)
    .option("--signing", "the key that signs the audit log, in place of the sealing key")
    .action(
      actAlone<Given & { wait: number; signing?: boolean }>((verbs, { wait, signing }, options) =>
        signing === true ? verbs.rotateSigningKey(options) : verbs.rotateKeys({ ...options, waitMs: wait * 1_000 }),
      ),
    );
  verb("add", "first half of a rotation of several replicas: a new key that seals nothing yet").action(
    actAlone((verbs, _given, options) => verbs.addKey(options)),
  );
  verb("promote", "second half: the key seals from now on; refused while a running server lacks it")
    .argument("<id>", "the key")
    .action(act((verbs, _given, options, id) => verbs.promoteKey(id, options)));
  verb("forget", "drop an earlier key; refused while anything is sealed with it")
    .argument("<id>", "the key")
    .action(act((verbs, _given, options, id) => verbs.forgetKey(id, options)));
  verb("abandon", "give up a key that is lost, so that the server can start without it")
    .argument("<id>", "the key")
    .option("--yes", "do it; without this only what it means is shown")
    .action(
      act<Given & { yes?: boolean }>((verbs, { yes }, options, id) =>
        verbs.abandon(id, { ...options, yes: yes ?? false }),
      ),
    );
}

function addBackupCommands(program: Command, local: LocalCommandsFor): void {
  withPlace(program.command("backup").description("everything the store holds, in one file; the server may run"), local)
    .argument("<file>", "the new file")
    .option("--include-keys", "the keys too: whoever has the file then can open all secrets")
    .action(async (file: string, given: Given & { includeKeys?: boolean }) => {
      const { backup } = await import("./backup.ts");
      const json = given.json ?? false;
      const more = { file, includeKeys: given.includeKeys ?? false, env: local.env, json };
      local.finish(await backup({ ...placeOf(given, local), ...more }), json);
    });
  withPlace(
    program.command("restore").description("a backup into an empty store; ends the grants that it holds"),
    local,
  )
    .argument("<file>", "the backup")
    .option("--nothing-since", "nothing happened after the backup (the server was stopped): grants go on")
    .action(async (file: string, given: Given & { nothingSince?: boolean }) => {
      const { restore } = await import("./backup.ts");
      const json = given.json ?? false;
      local.finish(
        await restore({ ...placeOf(given, local), file, nothingSince: given.nothingSince ?? false, json }),
        json,
      );
    });
}

function addTarget(program: Command, local: LocalCommandsFor): void {
  const target = program.command("target").description("work on targets");
  withPlace(
    target
      .command("accept")
      .description("after a planned move: who answers now, and where access was given; with a reason, accept it"),
    local,
  )
    .argument("<resource>", "the resource, as configured")
    .option("--config <path>", "where file references are looked up from (TIDEGATE_CONFIG)", local.configDefault())
    .option("--reason <text>", "what was moved, and how; goes into the audit log")
    .action(async (resource: string, given: Given & { config: string; reason?: string }) => {
      const [{ targetAccept }, { connectorsByKind }] = await Promise.all([
        import("./target-accept.ts"),
        local.connectors(),
      ]);
      const json = given.json ?? false;
      const more = { resource, configPath: given.config, connectors: connectorsByKind, env: local.env, json };
      local.finish(await targetAccept({ ...placeOf(given, local), ...more, reason: given.reason ?? null }), json);
    });
}

function addRecover(program: Command, local: LocalCommandsFor): void {
  withPlace(
    program
      .command("recover")
      .description("what a quarantine is about and what it has ended; with a reason, out of it"),
    local,
  )
    .option("--reason <text>", "what you found; goes into the audit log, and people may ask again")
    .option("--although-open", "also while access is not proven gone yet; it goes on being revoked")
    .action(async (given: Given & { reason?: string; althoughOpen?: boolean }) => {
      const { recover } = await import("./recover.ts");
      const json = given.json ?? false;
      const more = { reason: given.reason ?? null, althoughOpen: given.althoughOpen ?? false, json, env: local.env };
      local.finish(await recover({ ...placeOf(given, local), ...more }), json);
    });
}

function seconds(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError("Write whole seconds, such as 30.");
  return Number(text);
}
