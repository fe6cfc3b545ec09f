/** An emergency in plain words: loud while it happens, and clear about what follows. */
import type { RequestView } from "../../contract/access.ts";
import type { Page } from "../output.ts";
import { either } from "./people.ts";
import { moment } from "./time.ts";

type Review = NonNullable<RequestView["emergencyReview"]>;

/** Said at once to whoever used it: who knows, who looks at it, by when. */
export function emergencyNotice({ emergencyReview: review, decision }: RequestView, page: Page): string[] {
  if (review === null) return [];
  const without = decision.outcome === "automatic" ? ", without approval" : "";
  return [
    `${page.paint("red", "EMERGENCY ACCESS")}${without}, by rule ${decision.rule ?? "none"}. All of it is in the log.`,
    `  Told just now: ${review.told.join(", ") || "nobody is there to be told"}`,
    `  Reviewed afterwards: ${dueLine(review, page)}`,
  ];
}

/** `by carol, until tomorrow 14:05`. */
const dueLine = (review: Review, page: Page): string =>
  `by ${reviewersOf(review)}, until ${moment(review.dueAt, page.nowMs)}`;

const reviewersOf = ({ reviewers, by }: Review): string =>
  reviewers.length === 0 ? `${by.join(" or ")} (nobody can now)` : either(reviewers);

/** `open`, `overdue`, or the verdict, with its colour. */
export function reviewState({ state, done }: Review, { paint }: Page): string {
  if (done !== null) return paint(done.verdict === "justified" ? "green" : "red", done.verdict);
  return paint(state === "overdue" ? "red" : "yellow", state);
}

/** What there is to say of the review, for who reads the request. */
export function emergencyLines({ emergency, emergencyReview: review, ...request }: RequestView, page: Page): string[] {
  if (!emergency) return [];
  const mark = page.paint("red", "Emergency access");
  if (review === null) return [`  ${mark}: reviewed afterwards, if it is given`];
  if (review.done !== null) {
    const { verdict, reviewer, comment } = review.done;
    const wrote = comment === "" ? "" : `: “${comment}”`;
    const colour = verdict === "justified" ? "green" : "red";
    return [`  ${mark}: ${reviewer.handle} found it ${page.paint(colour, verdict)}${wrote}`];
  }
  const late = review.state === "overdue" ? page.paint("red", "The review is overdue: ") : "To be reviewed ";
  return [
    `  ${mark}. ${late}${dueLine(review, page)}`,
    `  Told: ${review.told.join(", ") || "nobody is there to be told"}`,
    ...(review.canReview ? [`  ${page.paint("cyan", reviewCommand(request.id))}`] : []),
  ];
}

export const reviewCommand = (id: string): string =>
  `tidegate emergencies review ${id} --verdict justified --comment "…"`;
