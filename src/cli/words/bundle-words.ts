/** A bundle in plain words: a line for each of its parts. */
import type { GrantView, RequestView } from "../../contract/access.ts";
import type { BundleDone, BundleView } from "../../contract/bundles.ts";
import type { Page } from "../output.ts";
import { grantState } from "./grant-words.ts";
import { endOf, stateOf, waitingFor } from "./request-words.ts";
import { table } from "./table.ts";

/** With the grants that came of it, as far as they could be read. */
export type BundleShown = BundleView & { readonly grants: readonly GrantView[] };

type Row = {
  readonly what: string;
  readonly state: string;
  readonly grant: string;
  readonly request: string;
  readonly how: string;
};

const STATES: Readonly<Record<BundleView["state"], string>> = {
  pending: "some of it waits",
  approved: "all of it is granted",
  "partly-approved": "some of it is granted, some is not",
  refused: "nothing of it is granted",
};
const STYLES = { pending: "yellow", approved: "green", "partly-approved": "yellow", refused: "red" } as const;

export function bundleLines(bundle: BundleShown, page: Page): string[] {
  const { id, name, title, state, requester, requests, refused } = bundle;
  const called = name === null ? "Bundle" : `Bundle ${name} (${title})`;
  const rows = [
    ...requests.map((request) => rowOf(request, bundle.grants, page)),
    ...refused.map(({ entitlement, detail }): Row => {
      return { what: entitlement, state: page.paint("red", "refused"), grant: "", request: "", how: detail };
    }),
  ];
  const ready = bundle.grants.filter((grant) => grant.state === "active" || grant.activateBy !== null);
  return [
    `${called} of ${requester.handle}, ${page.paint("bold", id)}: ${page.paint(STYLES[state], STATES[state])}`,
    ...table<Row>(
      [
        { title: "what", cell: (row) => row.what },
        { title: "state", cell: (row) => row.state },
        { title: "grant", cell: (row) => row.grant },
        { title: "request", cell: (row) => row.request },
        { title: "how", cell: (row) => row.how, shrinks: true },
      ],
      rows,
      page,
    ),
    ...(ready.length === 0
      ? []
      : [`How to connect: tidegate credential ${ready.length === 1 ? ready[0]?.id : "GRANT"}`]),
    ...(state === "pending" ? [`Look: tidegate requests show ${id}   Take it back: tidegate cancel ${id}`] : []),
    ...(requests.some(({ canReview }) => canReview)
      ? [`Decide on all that you may: tidegate approve ${id}   tidegate deny ${id} --comment "why"`]
      : []),
  ];
}

function rowOf(request: RequestView, grants: readonly GrantView[], page: Page): Row {
  const grant = grants.find(({ id }) => id === request.grantId);
  const given = request.less?.given ?? request;
  const what = `${given.entitlement} for ${given.duration}`;
  const row = { what, grant: request.grantId ?? "", request: request.id };
  if (request.state === "pending") return { ...row, state: stateOf(request, page), how: waitingFor(request) };
  if (request.state !== "approved") return { ...row, state: stateOf(request, page), how: endOf(request) };
  const how = request.less === null ? "" : "less than was asked for";
  return { ...row, state: grant === undefined ? stateOf(request, page) : grantState(grant, page), how };
}

/** What came of a verdict on a bundle, or of taking it back: what was done, and what was left as it is. */
export const doneLines =
  (word: string) =>
  (answer: BundleDone & BundleShown, page: Page): string[] => {
    const what = (id: string): string => answer.requests.find((one) => one.id === id)?.entitlement ?? id;
    return [
      `${page.paint("green", word)}: ${answer.done.map(what).join(", ")}.`,
      ...answer.notDone.map(({ requestId, detail }) => page.paint("yellow", `Left: ${what(requestId)}. ${detail}`)),
      ...bundleLines(answer, page),
    ];
  };
