import { type Command, Option } from "commander";
import type { RequestView } from "../contract/access.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { given, type Narrowing, narrowed, noteMore, withNarrowing, withPages } from "./list-options.ts";
import { requestIdText, withExamples, withoutWords, withServer, wordsOf } from "./options.ts";
import type { Page } from "./output.ts";
import { emergencyLines, reviewState } from "./words/emergency-words.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

/** As the contract has them; the contract itself is loaded only to talk. */
const STATES = ["open", "overdue", "done"];
const VERDICTS = ["justified", "unjustified"] as const;
type Verdict = (typeof VERDICTS)[number];

type ListOptions = Narrowing & { readonly toReview?: true; readonly state?: string; readonly verdict?: Verdict };

export function emergencies(program: Command): void {
  const group = program
    .command("emergencies")
    .description("access that was taken in an emergency: list it, and say afterwards whether it was justified")
    .enablePositionalOptions()
    .addHelpText(
      "after",
      '\nWithout a command it lists. To break the glass: tidegate psql NAME --emergency --for 30m --reason "…"',
    );
  list(group);
  review(group);
}

function list(group: Command): void {
  const command = group
    .command("list", { isDefault: true })
    .description("emergencies that you may see, newest first, and how far their review is")
    .addOption(new Option("--to-review", "those that wait for your review").conflicts(["mine", "state", "verdict"]))
    .option("--state <states>", `only these: ${STATES.join(", ")}; several with commas`, wordsOf(STATES))
    .addOption(new Option("--verdict <verdict>", "only those that were found so").choices(VERDICTS));
  const narrowable = withNarrowing(withoutWords(command, ["list", "review"]), {
    whose: "only used by this person",
    did: "used",
  });
  withExamples(
    withServer(withPages(narrowable)),
    "tidegate emergencies --to-review",
    "tidegate emergencies list --state open,overdue --resource orders-db",
    "tidegate emergencies list --verdict unjustified --from 2026-01-01 --json",
  ).action(act(async (context, _word: undefined, options: ListOptions) => listEmergencies(context, options)));
}

async function listEmergencies({ client, output }: Context, options: ListOptions): Promise<void> {
  const { toReview, verdict } = options;
  const state = toReview ? "open,overdue" : options.state;
  const page = await client.listEmergencies({ ...narrowed(options), ...given({ state, verdict }) });
  const shown = toReview ? { ...page, emergencies: page.emergencies.filter(canReview) } : page;
  const none = toReview ? "No emergency waits for your review." : "No emergencies here.";
  output.answer(shown, (answer, sheet) =>
    answer.emergencies.length === 0 ? [none] : emergencyTable(answer.emergencies, sheet),
  );
  noteMore({ output }, page.next);
}

export const canReview = ({ emergencyReview }: RequestView): boolean => emergencyReview?.canReview === true;

export const emergencyTable = (all: readonly RequestView[], page: Page): string[] => [
  ...table<RequestView>(
    [
      { title: "request", cell: ({ id }) => id },
      { title: "review", cell: ({ emergencyReview: it }) => (it === null ? "" : reviewState(it, page)) },
      { title: "due", cell: ({ emergencyReview: it }) => (it === null ? "" : moment(it.dueAt, page.nowMs)) },
      { title: "who", cell: ({ requester }) => requester.handle },
      { title: "what", cell: ({ entitlement, duration }) => `${entitlement} for ${duration}` },
      { title: "used", cell: ({ createdAt }) => moment(createdAt, page.nowMs) },
      { title: "why", cell: ({ ticket, reason }) => `${ticket} ${reason}`.trim(), shrinks: true },
    ],
    all,
    page,
  ),
  ...(all.some(canReview)
    ? [
        page.paint(
          "dim",
          'Look: tidegate requests show ID   Say: tidegate emergencies review ID --verdict justified --comment "…"',
        ),
      ]
    : []),
];

type ReviewOptions = { readonly verdict: Verdict; readonly comment?: string };

function review(group: Command): void {
  const command = group
    .command("review")
    .description("say whether an emergency was justified; once, and never of your own")
    .argument("<id>", "the request: rq_…", requestIdText)
    .addOption(new Option("--verdict <verdict>", "what you found").choices(VERDICTS).makeOptionMandatory())
    .option("--comment <text>", "for the requester and the log; needed where it was unjustified");
  withExamples(
    withServer(command),
    'tidegate emergencies review rq_0123456789abcdef --verdict justified --comment "INC-42 says the same"',
  ).action(
    act(async ({ client, output }, id: string, { verdict, comment = "" }: ReviewOptions) => {
      output.answer(await client.reviewEmergency(id, { verdict, comment }), reviewedLines);
    }),
  );
}

const reviewedLines = (request: RequestView, page: Page): string[] => [
  `Reviewed: ${request.requester.handle} on ${request.entitlement}, ${request.id}`,
  ...emergencyLines(request, page),
];
