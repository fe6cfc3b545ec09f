import type { RequestView } from "../../contract/access.ts";
import type { Page } from "../output.ts";
import { stateOf, waitingFor } from "./request-words.ts";

/** What came of a comment that was just written. */
export const commentedLines =
  (asks: boolean) =>
  (request: RequestView, page: Page): string[] => {
    const { id, state, requester } = request;
    if (asks) return [`${page.paint("green", "Asked")}: request ${id} waits for an answer by ${requester.handle}.`];
    const how = state === "pending" ? waitingFor(request) : stateOf(request, page);
    return [`${page.paint("green", "Noted")}; request ${id}: ${how}.`];
  };
