import type { Command } from "commander";
import type { PasskeyView } from "../contract/passkeys.ts";
import { act } from "./act.ts";
import { withExamples, withoutWords, withServer } from "./options.ts";
import { cleanText } from "./words/clean.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

export function passkeys(program: Command): void {
  const group = program
    .command("passkeys")
    .description("your passkeys, where to add one, and how to remove one")
    .enablePositionalOptions();
  withExamples(group, "tidegate passkeys", "tidegate passkeys remove pk_4h6k8m1n3p5q7r9s");
  const list = group
    .command("list", { isDefault: true })
    .description("passkeys, the oldest first")
    .option("--user <handle>", "of somebody else (for admins)");
  withExamples(
    withServer(withoutWords(list, ["list", "remove"])),
    "tidegate passkeys",
    "tidegate passkeys --user bob",
  ).action(
    act(async ({ client, output }, _word: unknown, { user }: { readonly user?: string }) => {
      output.answer(await client.listPasskeys(user), ({ person, passkeys: all, addAt }, page) => [
        ...(all.length === 0
          ? [`${person.handle} has no passkey.`]
          : table<PasskeyView>(
              [
                { title: "passkey", cell: ({ id }) => id },
                { title: "name", cell: ({ name }) => cleanText(name) },
                { title: "since", cell: ({ addedAt }) => moment(addedAt, page.nowMs) },
                { title: "last used", cell: ({ lastUsedAt: at }) => (at === null ? "never" : moment(at, page.nowMs)) },
              ],
              all,
              page,
            )),
        ...(addAt === null || user !== undefined ? [] : [`Add one in a browser: ${cleanText(addAt)}`]),
      ]);
    }),
  );
  const remove = group
    .command("remove")
    .description("it counts no more")
    .argument("<passkey>", "id of the passkey, as the list shows it");
  withExamples(withServer(remove), "tidegate passkeys remove pk_4h6k8m1n3p5q7r9s").action(
    act(async ({ client, output }, id: string) => {
      output.answer(await client.removePasskey(id), ({ person }) => [`${person.handle} has it no more.`]);
    }),
  );
}
