import type { Command } from "commander";
import { act } from "./act.ts";
import { withExamples, withServer } from "./options.ts";
import { fullName } from "./words/people.ts";

export function whoami(program: Command): void {
  const command = program.command("whoami").description("who you are to Tidegate: groups, roles, on call");
  withExamples(withServer(command), "tidegate whoami").action(
    act(async ({ client, output }) => {
      output.answer(await client.me(), (me, { paint }) => [
        `${paint("bold", fullName(me))}  ${paint("dim", me.id)}`,
        `  ${me.kind === "service" ? "service account" : me.type || "person"}${me.email === null ? "" : `, ${me.email}`}`,
        `  groups: ${me.groups.join(", ") || "none"}`,
        `  roles: ${me.roles.join(", ") || "none"}`,
        `  ${me.onCallTier === 0 ? "not on call" : `on call, tier ${me.onCallTier}`}`,
      ]);
    }),
  );
}
