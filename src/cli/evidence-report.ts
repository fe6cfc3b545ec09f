/** `tidegate evidence report`: a period on paper, with counts that add up, held against the log as it was signed. */
import type { CheckpointView } from "../contract/audit.ts";
import type { EvidenceAnswer, EvidenceQuery, EvidenceQuestion, EvidenceRow } from "../contract/evidence.ts";
import type { Context } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { createFile } from "./new-file.ts";
import { evidenceColumns, timesLine } from "./words/evidence-words.ts";
import { CONTROLS } from "./words/report-controls.ts";
import { type Report, reportHtml, reportMarkdown, type Section, type Table } from "./words/report-pages.ts";

export type Pages = (query: EvidenceQuery) => AsyncGenerator<EvidenceAnswer>;
type Period = { readonly from?: string; readonly until?: string };
type Gathered = {
  readonly first: EvidenceAnswer;
  readonly rows: Readonly<Record<Asked, EvidenceRow[]>>;
  readonly times: EvidenceAnswer["times"];
  readonly dropped: EvidenceAnswer["dropped"];
  readonly checkpoint: CheckpointView;
};
type Asked = Extract<EvidenceQuestion, "totals" | "approvals" | "emergencies" | "endings" | "unused" | "policy">;
const ASKED: readonly Asked[] = ["totals", "approvals", "emergencies", "endings", "unused", "policy"];

type Written = { readonly format: "md" | "html"; readonly out?: string };

export async function evidenceReport(
  { client, output }: Context,
  pages: Pages,
  period: Period,
  { format, out }: Written,
): Promise<number> {
  const gather = async (): Promise<Gathered> => {
    const rows = Object.fromEntries(ASKED.map((one): [Asked, EvidenceRow[]] => [one, []])) as Gathered["rows"];
    let [first, times]: [EvidenceAnswer | null, EvidenceAnswer["times"]] = [null, null];
    let dropped: EvidenceAnswer["dropped"] = null;
    for (const question of ASKED)
      for await (const page of pages({
        question,
        ...(first === null ? period : { from: first.from, until: first.until }),
      })) {
        first ??= page;
        times ??= page.times;
        dropped ??= page.dropped;
        rows[question].push(...page.rows);
      }
    if (first === null) throw new Error("the server answered no question");
    // Last, so that it is over everything that was told.
    return { first, rows, times, dropped, checkpoint: await client.auditCheckpoint() };
  };
  let gathered = await gather();
  // What ends while it is read is counted before and listed after: then the second time adds up.
  if (checksOf(gathered).some(({ holds }) => !holds)) gathered = await gather();
  const report = reportOf(gathered);
  const written = format === "html" ? reportHtml(report) : reportMarkdown(report);
  if (out === undefined) output.lines([written.trimEnd()]);
  else {
    const file = await createFile(out);
    await file.write(written);
    await file.sync();
    await file.close();
  }
  if (report.alarm === null) return EXIT.done;
  output.note(report.alarm);
  return EXIT.failed;
}

type Check = { readonly what: string; readonly one: number; readonly other: number; readonly holds: boolean };
const check = (what: string, one: number, other: number, holds = one === other): Check => ({ what, one, other, holds });

const sum = (rows: readonly EvidenceRow[]): number => rows.reduce((all, { count }) => all + (count ?? 0), 0);
const isOpen = ({ until }: EvidenceRow): boolean => until === null;
const isVoid = ({ state }: EvidenceRow): boolean => state.endsWith(", void");
const among = (rows: readonly EvidenceRow[], ...states: string[]): EvidenceRow[] =>
  rows.filter(({ state }) => states.includes(state));

/** Everything that is counted twice, in two ways. */
function checksOf({ rows, times, checkpoint, first }: Gathered): Check[] {
  const of = (what: string): EvidenceRow[] => rows.totals.filter((row) => row.what === what);
  const [requests, grants] = [of("requests"), of("grants")];
  const [all, open] = [sum(among(requests, "all")), sum(among(requests, "pending"))];
  const decided = sum(requests) - all - open;
  const gone = sum(among(grants, "revoked", "failed", "gone"));
  const live = sum(among(grants, "scheduled", "provisioning", "active", "revoking"));
  const { approvals, emergencies, endings } = rows;
  const cited = Object.values(rows).flatMap((some) => some.flatMap(({ entries }) => entries));
  const placed = cited.filter(({ seq }) => seq !== null && seq <= checkpoint.size);
  return [
    check("requests = decided + open", all, decided + open),
    check(
      "grants = proven gone + not gone + never made",
      sum(among(grants, "all")),
      gone + live + sum(among(grants, "cancelled")),
    ),
    ...of("log").map(({ count }) => check("grants = their entries in the log", sum(among(grants, "all")), count ?? 0)),
    check("endings counted = endings listed", times?.count ?? 0, endings.length),
    check("endings counted as not proven gone = those listed", times?.open ?? 0, endings.filter(isOpen).length),
    check(
      "decisions = approved + denied + void",
      approvals.length,
      among(approvals, "approve", "deny").length + approvals.filter(isVoid).length,
    ),
    check(
      "emergencies = reviewed + open + missing",
      emergencies.length,
      among(emergencies, "reviewed", "reviewed late", "open", "missing").length,
    ),
    check("entries that are named = those under the checkpoint", cited.length, placed.length),
    check(
      "the log when this was begun, at most the checkpoint",
      first.head,
      checkpoint.size,
      first.head <= checkpoint.size,
    ),
  ];
}

const tableOf = (titles: readonly string[], rows: readonly (readonly string[])[]): Table => ({ titles, rows });
const listOf = (rows: readonly EvidenceRow[]): Table => {
  const columns = evidenceColumns(rows);
  return tableOf(
    columns.map(({ title }) => title),
    rows.map((row) => columns.map(({ cell }) => cell(row))),
  );
};
function reportOf(gathered: Gathered): Report {
  const { first } = gathered;
  const checks = checksOf(gathered);
  const wrong = checks.filter(({ holds }) => !holds);
  return {
    title: `Evidence of access from ${first.from} until ${first.until}`,
    alarm:
      wrong.length === 0
        ? null
        : `THE COUNTS DO NOT ADD UP: ${wrong.map(({ what, one, other }) => `${what}: ${one} and ${other}`).join("; ")}. Do not rely on this report: run tidegate audit verify.`,
    sections: [madeOf(gathered, checks), ...decided(gathered), ...ended(gathered), ...inForce(gathered)],
  };
}

const section = (title: string, text: readonly string[], table?: Table): Section => ({
  ...{ title, text },
  ...(table === undefined ? {} : { table }),
});

const madeOf = ({ first, dropped, checkpoint: { size, root, at, key } }: Gathered, checks: readonly Check[]): Section =>
  section(
    "1. Of what, and when",
    [
      `Installation ${first.installation}, Tidegate ${first.tidegate}; the end of the period is not included. Made ${first.madeAt} by ${first.madeBy.handle} (${first.madeBy.id}).`,
      `Drawn up at the checkpoint of ${size} entries, root ${root}, signed ${at} with ${key}. To hold it against the log: tidegate audit export, and node verify.mjs with a checkpoint that you kept.`,
      ...(dropped === null ? [] : [`${dropped.says} What stood there is not in this report.`]),
    ],
    tableOf(
      ["what is counted twice", "once", "again", "adds up"],
      checks.map(({ what, one, other, holds }) => [what, String(one), String(other), holds ? "yes" : "NO"]),
    ),
  );

const named = (people: EvidenceRow["by"]): string => people.map(({ handle, id }) => `${handle} (${id})`).join();

function decided({ rows: { totals, approvals, emergencies } }: Gathered): Section[] {
  const countsOf = (of: string): Table =>
    tableOf(
      ["count", "what became of them", ""],
      totals.filter(({ what }) => what === of).map(({ count, state, note }) => [String(count), state, note]),
    );
  const by = Map.groupBy(approvals, (row) => named(row.by) || "a rule alone");
  const verdicts = [...by].map(([who, given]) => [
    ...[who, String(among(given, "approve").length), String(among(given, "deny").length)],
    String(given.filter(isVoid).length),
  ]);
  return [
    section("2. Requests made in the period", ["By what they are now."], countsOf("requests")),
    section("3. Grants made in the period", ["By what they are now."], countsOf("grants")),
    section(
      "4. Decisions given in the period, by whom",
      ["Void: what was decided about was edited afterwards."],
      tableOf(["who", "approved", "denied", "void"], verdicts),
    ),
    section("5. Emergencies of the period, with their reviews", [], listOf(emergencies)),
  ];
}

function ended({ rows: { endings, unused }, times }: Gathered): Section[] {
  const causes = [...Map.groupBy(endings, ({ note }) => note)].map(([cause, all]) => [
    ...[cause, String(all.length), String(all.filter(isOpen).length)],
    String(all.reduce((longest, { ms }) => Math.max(longest, ms ?? 0), 0) / 1_000),
  ]);
  const states = ["never used", "never started", "not used yet", "not known"];
  return [
    section(
      "6. Endings, by their cause",
      timesLine({ times }),
      tableOf(["cause", "endings", "not proven gone", "longest to the proof, in seconds"], causes),
    ),
    section("7. Access that was to end and is not proven gone", [], listOf(endings.filter(isOpen))),
    section(
      "8. Grants that nobody is known to have used",
      ["Not known: the right was given to an account that the person has."],
      tableOf(states, [states.map((one) => String(among(unused, one).length))]),
    ),
  ];
}

const inForce = ({ rows: { policy }, checkpoint }: Gathered): Section[] => [
  section(
    "9. Policy in force",
    ["Each version with the hash of its content, and who confirmed it."],
    tableOf(
      ["version", "hash", "from", "until", "confirmed by", ""],
      policy.map(({ what, state, at, until, by, note }) => [what, state, at ?? "", until ?? "", named(by), note]),
    ),
  ),
  section("10. The log", [
    `A Merkle tree of ${checkpoint.size} entries. It shows that nothing before a kept checkpoint was changed, and not that somebody kept one.`,
  ]),
  section(
    "11. Controls",
    ["What each asks, which section answers it, and what is not shown here."],
    tableOf(["control", "asks", "sections", "not shown by Tidegate"], CONTROLS),
  ),
];
