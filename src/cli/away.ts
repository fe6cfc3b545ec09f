import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import type { AbsenceView } from "../contract/away.ts";
import type { Person } from "../contract/values.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { usage } from "./failure.ts";
import { momentText, withExamples, withoutWords, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

type AwayOptions = {
  readonly until?: string;
  readonly delegate?: string;
  readonly back?: true;
  readonly user?: string;
};

export function away(program: Command): void {
  const group = program
    .command("away")
    .description("whether you are away, and for whom you decide; or say that you are, and who decides in your place")
    .enablePositionalOptions();
  withExamples(
    group,
    "tidegate away",
    "tidegate away --until 2026-12-10 --delegate frank",
    "tidegate away --back",
    "tidegate away list",
  );
  set(group);
  list(group);
}

function set(group: Command): void {
  const command = group
    .command("set", { isDefault: true })
    .description("be away until then, or back; without options: whether you are away, and for whom you decide")
    .option(
      "--until <time>",
      "2026-12-10 (midnight here), 2026-12-10T08:00:00Z or +2d",
      momentText(systemClock.nowMs()),
    )
    .option("--delegate <handle>", "who decides in your place; left out: nobody")
    .option("--back", "you are back")
    .option("--user <handle>", "say it for somebody else (for admins)");
  withExamples(
    withServer(withoutWords(command, ["set", "list"])),
    "tidegate away --until 2026-12-10 --delegate frank",
    "tidegate away --user bob --until +2d --delegate frank",
    "tidegate away --back",
  ).action(
    act(async (context, _word: unknown, { until, delegate, back, user }: AwayOptions) => {
      const { client, output } = context;
      if ([until, delegate, back, user].every((option) => option === undefined)) return mine(context);
      if ((until === undefined) === (back === undefined)) throw usage("Say exactly one of --until TIME and --back.");
      if (until === undefined) {
        if (delegate !== undefined) throw usage("Whoever is back decides themselves: leave out --delegate.");
        const answer = await client.setBack(user);
        return output.answer(answer, ({ person }) => [`${person.handle} is back, and decides themselves.`]);
      }
      const absence = await client.setAway({ until, delegate: delegate ?? null }, user);
      output.answer(absence, (it, page) => [awayLine(it, page)]);
    }),
  );
}

/** How it stands with whoever asks. */
async function mine({ client, output }: Context): Promise<void> {
  const [{ id, handle, name }, { away: absences }] = [await client.me(), await client.listAway()];
  const shown: Mine = {
    person: { id, handle, name },
    away: absences.find(({ person }) => person.id === id) ?? null,
    decidesFor: absences.filter(({ delegate }) => delegate?.id === id),
  };
  output.answer(shown, mineLines);
}

type Mine = {
  readonly person: Person;
  readonly away: AbsenceView | null;
  /** Who is away and has named this person. */
  readonly decidesFor: readonly AbsenceView[];
};

function mineLines({ away: absence, decidesFor, person }: Mine, { nowMs }: Page): string[] {
  const own = absence === null ? ["You are here, and decide yourself."] : awayLines(absence, person, nowMs);
  return [
    ...own,
    ...(decidesFor.length === 0 ? ["You decide in nobody's place."] : []),
    ...decidesFor.map(({ person: other, until }) => `You decide for ${other.handle} until ${moment(until, nowMs)}.`),
  ];
}

function awayLines({ until, delegate, setBy }: AbsenceView, me: Person, nowMs: number): string[] {
  const who = delegate === null ? "nobody decides" : `${delegate.handle} decides`;
  const said = setBy.id === me.id ? "" : `, as ${setBy.handle} has said`;
  return [
    `You are away until ${moment(until, nowMs)}${said}; ${who} in your place.`,
    "When you are back: tidegate away --back",
  ];
}

function awayLine({ person, until, delegate }: AbsenceView, { nowMs }: Page): string {
  const who = delegate === null ? "nobody decides in their place" : `${delegate.handle} decides in their place`;
  return `${person.handle} is away until ${moment(until, nowMs)}; ${who}.`;
}

function list(group: Command): void {
  const command = group.command("list").description("who is away, and who decides in their place");
  withExamples(withServer(command), "tidegate away list").action(
    act(async ({ client, output }) => {
      output.answer(await client.listAway(), ({ away: absences }, page) => listed(absences, page));
    }),
  );
}

function listed(absences: readonly AbsenceView[], page: Page): string[] {
  if (absences.length === 0) return ["Nobody is away."];
  return table<AbsenceView>(
    [
      { title: "who", cell: ({ person }) => person.handle },
      { title: "until", cell: ({ until }) => moment(until, page.nowMs) },
      { title: "in their place", cell: ({ delegate }) => delegate?.handle ?? "nobody" },
      { title: "said by", cell: ({ setBy }) => setBy.handle },
    ],
    absences,
    page,
  );
}
