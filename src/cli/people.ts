import type { Command } from "commander";
import { act } from "./act.ts";
import { usage } from "./failure.ts";
import { withExamples, withServer } from "./options.ts";

export function people(program: Command): void {
  const group = program.command("people").description("erase who has left");
  withExamples(group, "tidegate people erase pr_5d7f9h2k4m6p8r0t --yes");
  const command = group
    .command("erase")
    .description("erase the texts by and about somebody who has left, for good (for admins)")
    .argument("<person>", "id, or the handle that they had")
    .option("--yes", "it cannot be undone, and is meant");
  withExamples(withServer(command), "tidegate people erase pr_5d7f9h2k4m6p8r0t --yes").action(
    act(async ({ client, output }, person: string, { yes }: { readonly yes?: true }) => {
      if (yes === undefined) throw usage(`What is erased of ${person} is gone for good. If that is meant, say --yes.`);
      output.answer(await client.erasePerson(person), ({ person: { id, handle }, removed }) => {
        const tables = Object.entries(removed).map(([table, rows]) => `  ${table}: ${rows}`);
        return tables.length === 0
          ? [`Nothing of ${id} was left to erase.`]
          : [`${id} is erased, and is called ${handle} from now on. Proofs hold as before. Rows by table:`, ...tables];
      });
    }),
  );
}
