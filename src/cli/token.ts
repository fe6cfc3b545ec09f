import { type Command, Option } from "commander";
import { SCOPE_NAMES, SCOPES } from "../base/scope.ts";
import type { Client } from "../contract/client.ts";
import type { TokenIssued, TokenView } from "../contract/tokens.ts";
import { act } from "./act.ts";
import { EXIT } from "./exit-code.ts";
import { CommandFailure, usage } from "./failure.ts";
import { createFile } from "./new-file.ts";
import { durationText, withExamples, withoutWords, withServer } from "./options.ts";
import type { Output, Page } from "./output.ts";
import { replaceFile } from "./replace-file.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

export function token(program: Command): void {
  const group = program
    .command("token")
    .description("tokens of services and people: what there is, make, rotate, revoke")
    .enablePositionalOptions();
  withExamples(group, "tidegate token", "tidegate token issue ci --service deployer --scope requests:write");
  list(group);
  issue(group);
  rotate(group);
  revoke(group);
}

function list(group: Command): void {
  const command = group
    .command("list", { isDefault: true })
    .description("tokens that are good, the newest first; auditors and admins see everybody's")
    .option("--person <handle>", "of a person or a service alone; me: your own");
  withExamples(
    withServer(withoutWords(command, ["list", "issue", "rotate", "revoke", "create"])),
    "tidegate token",
    "tidegate token --person deployer",
  ).action(
    act(async ({ client, output }, _word: unknown, { person }: { readonly person?: string }) => {
      output.answer({ tokens: await allOf(client, person) }, ({ tokens }, page) => listed(tokens, page));
    }),
  );
}

async function allOf(client: Client, person: string | undefined): Promise<TokenView[]> {
  const all: TokenView[] = [];
  for (let cursor: string | undefined; ; ) {
    const { tokens, next } = await client.listTokens({
      ...(person === undefined ? {} : { person }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    all.push(...tokens);
    if (next === null) return all;
    cursor = next;
  }
}

function listed(tokens: readonly TokenView[], page: Page): string[] {
  if (tokens.length === 0) return ["There are none."];
  const at = (time: string | null, never: string): string => (time === null ? never : moment(time, page.nowMs));
  return table<TokenView>(
    [
      { title: "token", cell: ({ id }) => id },
      { title: "of", cell: ({ person }) => person.handle },
      { title: "name", cell: ({ name, current }) => `${name}${current ? " (this one)" : ""}` },
      { title: "good for", cell: ({ scopes }) => scopes?.join(", ") ?? "everything" },
      { title: "last used", cell: ({ lastUsedAt }) => at(lastUsedAt, "never") },
      {
        title: "ends",
        cell: ({ expiresAt, successor }) => `${at(expiresAt, "–")}${successor === null ? "" : " (rotated)"}`,
      },
    ],
    tokens,
    page,
  );
}

type Kept = { readonly out?: string };

function issue(group: Command): void {
  const command = group
    .command("issue")
    .description("make a token that the server keeps, as a hash; it is shown once")
    .argument("<name>", "what it is for, such as ci")
    .addOption(new Option("--scope <scope...>", "what it is good for").choices(SCOPE_NAMES).makeOptionMandatory())
    .option(
      "--for <duration>",
      "how long; a person's 30d if left out (90d at most), a service's 90d (365d)",
      durationText,
    )
    .option("--service <handle>", "for a service account (for admins); left out: for yourself")
    .option("--out <file>", "put it into this new file, readable by you alone, and do not show it")
    .addHelpText("after", `\nScopes:\n${SCOPE_NAMES.map((name) => `  ${name.padEnd(15)} ${SCOPES[name]}`).join("\n")}`);
  withExamples(
    withServer(command),
    "tidegate token issue laptop --scope requests:read requests:write --for 30d",
    "tidegate token issue ci --service deployer --scope requests:write --out ci.token",
  ).action(
    act(
      async (
        { client, output },
        name: string,
        { scope, for: lifetime, service, out }: Kept & { scope: TokenView["scopes"]; for?: string; service?: string },
      ) => {
        const file = out === undefined ? null : await createFile(out);
        const more = { ...(lifetime === undefined ? {} : { lifetime }), ...(service === undefined ? {} : { service }) };
        try {
          const issued = await client.issueToken({ name, scopes: scope ?? [], ...more });
          await file?.writeFile(`${issued.secret}\n`);
          show(output, issued, out);
        } catch (error) {
          if (file !== null && out !== undefined) await discard(out);
          throw error;
        } finally {
          await file?.close();
        }
      },
    ),
  );
}

async function discard(path: string): Promise<void> {
  const { rm } = await import("node:fs/promises");
  await rm(path, { force: true });
}

function rotate(group: Command): void {
  const command = group
    .command("rotate")
    .description("a new token in the place of one that was issued; the old one goes on for a while, then is gone")
    .argument("[token]", "id, or name of one of your own; left out: the one that is used")
    .option("--overlap <duration>", "how long the old one goes on: 1h if left out, 7d at most", durationText)
    .option("--for <duration>", "how long the new one is good; left out: as long as the old one was", durationText)
    .option("--service <handle>", "the name is that of a service account (for admins)")
    .option("--in-place", "put it where the old one is: the file of --token-file, replaced in one step")
    .option("--out <file>", "put it into this new file, readable by you alone, and do not show it");
  withExamples(
    withServer(command),
    "tidegate token rotate --token-file /etc/ci/token --in-place",
    "tidegate token rotate ci --service deployer --overlap 24h --out ci.token",
  ).action(
    act(
      async (
        { client, output },
        wanted: string | undefined,
        { overlap, for: lifetime, service, out, inPlace, tokenFile }: Kept & Rotate,
      ) => {
        if (inPlace === true && (tokenFile === undefined || wanted !== undefined || out !== undefined))
          throw usage("--in-place replaces the token of --token-file: give that, and no other.");
        const file = out === undefined ? null : await createFile(out);
        const put = (secret: string): Promise<void> | undefined =>
          inPlace === true && tokenFile !== undefined
            ? replaceFile(tokenFile, `${secret}\n`)
            : file?.writeFile(`${secret}\n`);
        try {
          const [old] = wanted === undefined ? [await own(client)] : await named(client, wanted, service, true);
          if (old === undefined) throw new CommandFailure("not-found", `There is no token ${wanted}.`, EXIT.failed);
          const more = {
            ...(overlap === undefined ? {} : { overlap }),
            ...(lifetime === undefined ? {} : { lifetime }),
          };
          const issued = await client.rotateToken(old.id, more);
          await put(issued.secret);
          show(output, issued, inPlace === true ? tokenFile : out);
        } catch (error) {
          if (file !== null && out !== undefined) await discard(out);
          throw error;
        } finally {
          await file?.close();
        }
      },
    ),
  );
}
type Rotate = {
  readonly overlap?: string;
  readonly for?: string;
  readonly service?: string;
  readonly inPlace?: true;
  readonly tokenFile?: string;
};

async function own(client: Client): Promise<{ readonly id: string }> {
  const { token: shown } = await client.me();
  if (shown === undefined) throw usage("You are signed in with tidegate login. Name the token: tidegate token.");
  return shown;
}

/** One by its id; by a name all that are called so, or of those that which has not been rotated. */
async function named(
  client: Client,
  wanted: string,
  service: string | undefined,
  latest: boolean,
): Promise<readonly { readonly id: string }[]> {
  if (wanted.startsWith("tk_")) return [{ id: wanted }];
  const tokens = await allOf(client, service ?? "me");
  return tokens.filter(({ name, successor }) => name === wanted && !(latest && successor !== null));
}

function revoke(group: Command): void {
  const command = group
    .command("revoke")
    .description("end a token at once, also one of the configuration")
    .argument("<token>", "id, or the name of your own: then all that are called so")
    .option("--service <handle>", "the name is that of a service account (for admins)");
  withExamples(
    withServer(command),
    "tidegate token revoke tk_0123456789abcdef",
    "tidegate token revoke ci --service deployer",
  ).action(
    act(async ({ client, output }, wanted: string, { service }: { readonly service?: string }) => {
      const found = await named(client, wanted, service, false);
      if (found.length === 0) throw new CommandFailure("not-found", `There is no token ${wanted}.`, EXIT.failed);
      const revoked: Awaited<ReturnType<Client["revokeToken"]>>[] = [];
      for (const { id } of found) revoked.push(await client.revokeToken(id));
      output.answer({ revoked }, () =>
        revoked.map(({ id, name, person }) => `${name} of ${person.handle} (${id}) opens nothing any more.`),
      );
    }),
  );
}

/** The secret once; where it was put into a file, not at all. */
function show(output: Output, { secret, token: made }: TokenIssued, file: string | undefined): void {
  const said = file === undefined ? { secret, token: made } : { file, token: made };
  output.answer(said, (_said, { nowMs }) => [
    ...(file === undefined
      ? ["The token, shown this once; keep it where secrets belong:", "", `  ${secret}`, ""]
      : [`The token is in ${file}, which only you can read.`]),
    `${made.name} of ${made.person.handle} (${made.id}), good for ${made.scopes?.join(", ") ?? "everything"}${
      made.expiresAt === null ? "" : `, ends ${moment(made.expiresAt, nowMs)}`
    }.`,
  ]);
}
