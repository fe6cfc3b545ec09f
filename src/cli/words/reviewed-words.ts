import type { RequestView } from "../../contract/access.ts";
import type { Page } from "../output.ts";
import { fullName } from "./people.ts";
import { stepLines, whatIsAsked } from "./request-words.ts";

/** What came of a request by the review that was just given. */
export function reviewedLines(request: RequestView, page: Page): string[] {
  const who = fullName(request.requester);
  if (request.state === "denied")
    return [`${page.paint("red", "Denied")}: ${who} does not get ${whatIsAsked(request)}.`];
  if (request.state === "approved") {
    const given = request.offered?.entitlement ?? request.entitlement;
    return [`${page.paint("green", "Approved")}: ${who} gets ${given}, grant ${request.grantId ?? "none"}.`];
  }
  return [
    `${page.paint("yellow", "Noted")}; it is not enough yet:`,
    ...stepLines(request, page).map((line) => `  ${line}`),
  ];
}
