import type { Command } from "commander";
import type { SessionView } from "../contract/sessions.ts";
import { act } from "./act.ts";
import { withExamples, withoutWords, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

export function sessions(program: Command): void {
  const group = program
    .command("sessions")
    .description("where you are signed in, and how to sign out there")
    .enablePositionalOptions();
  withExamples(group, "tidegate sessions", "tidegate sessions end se_4h6k8m1n3p5q7r9s");
  list(group);
  end(group);
}

function list(group: Command): void {
  const command = group
    .command("list", { isDefault: true })
    .description("browsers and command lines in which you are signed in, the newest first")
    .option("--user <handle>", "of somebody else (for admins)");
  withExamples(
    withServer(withoutWords(command, ["list", "end"])),
    "tidegate sessions",
    "tidegate sessions --user bob",
  ).action(
    act(async ({ client, output }, _word: unknown, { user }: { readonly user?: string }) => {
      output.answer(await client.listSessions(user), ({ person, sessions: all }, page) =>
        listed(person.handle, all, page),
      );
    }),
  );
}

function listed(handle: string, all: readonly SessionView[], page: Page): string[] {
  if (all.length === 0) return [`${handle} is signed in nowhere.`];
  return table<SessionView>(
    [
      { title: "session", cell: ({ id }) => id },
      { title: "through", cell: ({ provider }) => provider },
      { title: "since", cell: ({ signedInAt }) => moment(signedInAt, page.nowMs) },
      { title: "last used", cell: ({ lastSeenAt }) => moment(lastSeenAt, page.nowMs) },
      {
        title: "with",
        cell: ({ agent, kind, current }) =>
          `${agent || (kind === "cli" ? "a command line" : "a browser")}${current ? " (this one)" : ""}`,
      },
    ],
    all,
    page,
  );
}

function end(group: Command): void {
  const command = group
    .command("end")
    .description("sign out there; access on targets is not ended by it")
    .argument("<session>", "id of the session, as the list shows it");
  withExamples(withServer(command), "tidegate sessions end se_4h6k8m1n3p5q7r9s").action(
    act(async ({ client, output }, id: string) => {
      output.answer(await client.endSession(id), ({ person }) => [`${person.handle} is signed out there.`]);
    }),
  );
}
