/** What people of a request said and did, in the order in which it happened. */
import type { RequestView } from "../../contract/access.ts";
import type { Page } from "../output.ts";
import { moment } from "./time.ts";

/** `bob asks: “which one?”`: questions that wait for the requester. */
export const questionLines = ({ questions }: RequestView): string[] =>
  questions.map(({ by, text }) => `${by.handle} asks: “${text}”`);

/** One line for each thing that happened: when, who, what, and what they wrote. */
export const timelineLines = ({ timeline = [] }: RequestView, page: Page): string[] =>
  timeline.map(({ at, by, what, text }) => {
    const wrote = text === "" ? "" : `: “${text}”`;
    return `${page.paint("dim", moment(at, page.nowMs))}  ${by === null ? "Tidegate" : by.handle} ${what}${wrote}`;
  });
