import type { Command } from "commander";
import { suggest } from "../base/nearest.ts";
import type { AuditEntry } from "../contract/audit.ts";
import { act } from "./act.ts";
import { verifying } from "./audit-verify.ts";
import type { Context } from "./connect.ts";
import { usage } from "./failure.ts";
import { given, named, type Order, orderOption, spanned, type TimeSpan, timeGiven } from "./list-options.ts";
import { createFile } from "./new-file.ts";
import { grantIdText, requestIdText, wholeNumber, withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { clean, cleanText } from "./words/clean.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000_000;
const PAGE_MAX = 1_000;
const SEQ_MAX = Number.MAX_SAFE_INTEGER;
const ACTOR = "a handle or an id, me, or a part of Tidegate such as system:reconciler";

type Options = TimeSpan & {
  readonly kind?: string;
  readonly actor?: string;
  readonly grant?: string;
  readonly request?: string;
  readonly order?: Order;
  readonly after: number;
  readonly before?: number;
  readonly limit?: number;
  readonly ocsf?: true;
};

export function audit(program: Command): void {
  const group = program.command("audit").description("the audit log");
  const list = group
    .command("list")
    .description("entries in their order; with --json one entry in each line")
    .option("--kind <kinds>", "only these: grant.revoked and so on; several with commas")
    .option("--actor <who>", "only by this person, or part of Tidegate as in system:reconciler", named(ACTOR))
    .option("--grant <id>", "only what belongs to this grant", grantIdText)
    .option("--request <id>", "only what belongs to this request", requestIdText)
    .option("--from <time>", "only written at this time or later: 2026-01-31, 14:30, or 2h (ago)", timeGiven)
    .option("--until <time>", "only written before this time", timeGiven)
    .addOption(orderOption("oldest"))
    .option("--after <seq>", "only entries after this position", wholeNumber(0, SEQ_MAX), 0)
    .option("--before <seq>", "only entries before this position", wholeNumber(1, SEQ_MAX))
    .option("--limit <count>", "how many at most (default: 100; with --ocsf all)", wholeNumber(1, LIMIT_MAX))
    .option("--ocsf", "as events of OCSF 1.8.0, one in each line: 3001, 3002 and 3005; others are left out");
  withExamples(
    withServer(list),
    "tidegate audit list --grant gr_0123456789abcdef",
    "tidegate audit list --kind grant.revoked,grant.failed --from 2d --order newest",
    "tidegate audit list --after 1200 --limit 5000 --json",
    "tidegate audit list --ocsf --from 1d > events.jsonl",
  ).action(act(async (context, options: Options) => listAudit(context, options)));
  exporting(group);
  verifying(group);
}

/** The whole log in a form that "tidegate audit verify" reads. */
function exporting(group: Command): void {
  const command = group
    .command("export")
    .description("the whole log with what was signed, for keeping and for verifying without a server")
    .option("--out <file>", "write to this file, which must not exist; default: stdout")
    .option("--without-personal", "leave out what people are called and wrote; what verifies stays");
  withExamples(
    withServer(command),
    "tidegate audit export --out audit.jsonl",
    "tidegate audit verify audit.jsonl",
  ).action(act(async (context, options: ExportOptions) => exportAudit(context, options)));
  const checkpoint = group
    .command("checkpoint")
    .description("the signed head of the log, for keeping elsewhere")
    .option("--witnessed <anchor>", "the last that this witness signed, with its signature");
  withExamples(
    withServer(checkpoint),
    "tidegate audit checkpoint > checkpoint-monday",
    "tidegate audit checkpoint --witnessed auditors > witnessed",
  ).action(
    act(async ({ client, output }, options: { readonly witnessed?: string }) => {
      const found = await client.auditCheckpoint();
      const { witnessed: name } = options;
      const of = found.witnessed.find(({ anchor }) => anchor === name);
      if (name !== undefined && of === undefined)
        throw usage(
          `No witness ${JSON.stringify(name)} has signed: ${found.witnessed.map((it) => it.anchor).join(", ") || "none has"}.`,
        );
      if (output.json) output.jsonLine(of ?? found);
      else output.lines((of ?? found).checkpoint.trimEnd().split("\n").map(cleanText));
    }),
  );
}

type ExportOptions = { readonly out?: string; readonly withoutPersonal?: boolean };

async function exportAudit({ client, output }: Context, options: ExportOptions): Promise<void> {
  const file = options.out === undefined ? null : await createFile(options.out);
  let bytes = 0;
  try {
    for await (const piece of client.exportAudit(options.withoutPersonal === true ? "no" : "yes")) {
      bytes += piece.length;
      await (file === null ? output.bytes(piece) : file.write(piece));
    }
    await file?.sync();
  } finally {
    await file?.close();
  }
  const where = options.out === undefined ? "" : ` in ${options.out}`;
  output.note(`${bytes} bytes${where}. Whether that is whole: tidegate audit verify ${options.out ?? "FILE"}`);
}

async function listAudit({ client, output }: Context, options: Options): Promise<void> {
  const { kind, actor, grant, request, order, ocsf } = options;
  await requireKinds(kind);
  const filter = { ...given({ kind, actor, grant, request, order }), ...spanned(options) };
  const found: AuditEntry[] = [];
  let place: Place | null = { after: options.after, ...given({ before: options.before }) };
  const eventOf = ocsf ? (await import("./words/ocsf.ts")).ocsfEvent : null;
  let [read, events] = [0, 0];
  let dropped: string | undefined;
  for (let left = options.limit ?? (ocsf ? SEQ_MAX : LIMIT_DEFAULT); left > 0 && place !== null; ) {
    const page: Answered = await client.listAudit({ ...filter, ...place, limit: Math.min(left, PAGE_MAX) });
    // Entries go out page by page, so that a long log needs no memory and a reader that stops early stops us.
    if (eventOf !== null)
      for (const event of page.entries.flatMap((entry) => eventOf(entry) ?? [])) {
        await output.bytes(Buffer.from(`${JSON.stringify(event)}\n`));
        events += 1;
      }
    else if (output.json) for (const entry of page.entries) output.jsonEntry(entry);
    else found.push(...page.entries);
    dropped ??= page.dropped?.says;
    read += page.entries.length;
    left -= page.entries.length;
    place = page.entries.length === 0 ? null : placeAfter(page.next, place, order);
  }
  if (dropped !== undefined) output.note(dropped);
  if (ocsf)
    return output.note(`${events} events of ${read} entries; the others are of no class of OCSF that is written here.`);
  if (output.json) return;
  output.lines(found.length === 0 ? ["No entries here."] : listed(clean(found), output.page));
  if (place !== null) output.note(`More: the same with ${placeWords(place, order)}`);
}

type Answered = Awaited<ReturnType<Context["client"]["listAudit"]>>;
/** Between which positions: the end that the list moves away from is the one that changes. */
type Place = { readonly after: number; readonly before?: number };

const placeAfter = (next: number | null, place: Place, order: Order | undefined): Place | null =>
  next === null ? null : order === "newest" ? { ...place, before: next } : { ...place, after: next };

const placeWords = ({ after, before }: Place, order: Order | undefined): string =>
  order === "newest" ? `--before ${before}` : `--after ${after}`;

/** Refused here, where the one that was meant can be named. The list comes with the contract, which was loaded to connect. */
async function requireKinds(kinds: string | undefined): Promise<void> {
  if (kinds === undefined) return;
  const { ENTRY_KINDS } = await import("../contract/audit.ts");
  const known: readonly string[] = ENTRY_KINDS;
  const wrong = kinds.split(",").find((kind) => !known.includes(kind));
  if (wrong === undefined) return;
  const ofIts = known.filter((kind) => kind.startsWith(`${wrong}.`));
  const meant = ofIts.length > 0 ? `kinds: ${ofIts.join(", ")}` : suggest(wrong, known, "kinds");
  throw usage(`There is no kind of entry named ${JSON.stringify(wrong)}: ${meant}`);
}

const listed = (entries: readonly AuditEntry[], page: Page): string[] =>
  table<AuditEntry>(
    [
      { title: "seq", cell: (entry) => String(entry.seq) },
      { title: "when", cell: (entry) => moment(entry.at, page.nowMs) },
      { title: "what", cell: (entry) => entry.kind },
      { title: "who", cell: (entry) => entry.who },
      { title: "about", cell: (entry) => entry.refs.grant ?? entry.refs.request ?? entry.refs.principal ?? "" },
      { title: "details", cell: details, shrinks: true },
    ],
    entries,
    page,
  );

/** For machines: long, and of no use to the eye. */
const LEFT_OUT = ["scopeHash", "configVersion"];

/** A hash as short as "tidegate config versions" shows it, so that the two can be put side by side; --json has it whole. */
const short = (value: string | number | boolean): string =>
  /^[0-9a-f]{64}$/.test(String(value)) ? `${String(value).slice(0, HASH_CHARS_SHOWN)}…` : String(value);
const HASH_CHARS_SHOWN = 12;

/** What the entry says, as short as it can be said: plain values, then what people wrote. */
function details(entry: AuditEntry): string {
  const facts = Object.entries(entry.data).flatMap(([key, value]) => {
    const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
    return isPlain && value !== "" && !LEFT_OUT.includes(key) ? [`${key}=${short(value)}`] : [];
  });
  return [...facts, ...Object.values(entry.personal).map((text) => `“${short(text)}”`)].join(" ");
}
