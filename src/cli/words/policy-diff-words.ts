/** What two sets of rules decide otherwise, as a table with its sums. */
import { authenticationLines, type PolicyChange, type Replayed } from "../../contract/policy.ts";
import type { Page } from "../output.ts";
import type { ShownDiff } from "../policy-diff.ts";
import { table } from "./table.ts";
import { clockTime } from "./time.ts";

export function policyDiffLines(diff: ShownDiff, page: Page): string[] {
  const { changes } = diff;
  const head =
    diff.requests === 0
      ? ["No request was made in that time: nothing was replayed."]
      : changes.length === 0
        ? [page.paint("green", `Nothing would be decided otherwise: ${requests(diff.requests)} replayed.`)]
        : [...changeTable(changes, page), "", ...sums(diff, page)];
  return [...head, ...remarks(diff, page)];
}

const changeTable = (changes: readonly PolicyChange[], page: Page): string[] =>
  table<PolicyChange>(
    [
      { title: "who", cell: ({ request }) => request.user.handle },
      {
        title: "entitlement",
        cell: ({ request }) => `${request.entitlement}${request.extension === null ? "" : " (more time)"}`,
      },
      { title: "when", cell: ({ request }) => clockTime(Date.parse(request.at), page.nowMs) },
      { title: "for", cell: ({ request }) => request.duration },
      { title: "request", cell: ({ request }) => request.id },
      // Never cut: on a narrow page they stand in lines of their own.
      { title: "old", cell: (change) => said(change.old, page) },
      { title: "new", cell: (change) => said(change.new, page) },
    ],
    changes,
    page,
  );

const COLOURS = { automatic: "green", "needs-approval": "yellow", denied: "red" } as const;

/** `needs-approval by payments (1 of owners)`. */
function said({ outcome, rule, steps, activation, authentication, why }: Replayed, { paint }: Page): string {
  const by = rule === null ? (why === "" ? "" : `: ${why}`) : ` by ${rule}`;
  const starts = activation === "on-use" ? ", starts on use" : "";
  const shows = authentication === null ? "" : `, ${authenticationLines(authentication).join(", ")}`;
  const needs = steps.map((step) => `${step.count} of ${step.by.join(", ")}`).join(" and ");
  return paint(COLOURS[outcome], `${outcome}${by}${needs === "" ? "" : ` (${needs})`}${starts}${shows}`);
}

function sums({ requests: replayed, changes, counts }: ShownDiff, { paint }: Page): string[] {
  const kinds = counts.map(({ from, to, count }) =>
    from === to ? `${count} stay ${from}, by another rule or other people` : `${count} from ${from} to ${to}`,
  );
  return [
    paint("bold", `${changes.length} of ${replayed} requests would be decided otherwise:`),
    ...kinds.map((line) => `  ${line}`),
  ];
}

function remarks({ asOfNow, unlikeThen, complete, requests: replayed, old }: ShownDiff, { paint }: Page): string[] {
  return [
    ...(complete ? [] : [paint("yellow", `Only the newest ${replayed} were replayed; --limit lets more in.`)]),
    ...(asOfNow === 0
      ? []
      : [
          `${requests(asOfNow)} replayed with the person (groups, type and so on), or the length of an extension, as they are now: they were not kept then.`,
        ]),
    ...(unlikeThen === 0
      ? []
      : [
          `${requests(unlikeThen)} decided otherwise at the time than by ${old}: other rules were in force, or they were decided anew later.`,
        ]),
  ];
}

const requests = (count: number): string => (count === 1 ? "1 request was" : `${count} requests were`);
