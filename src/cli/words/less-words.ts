/** That less was approved than was asked for: said before it is used, since whoever asked counts on what they asked for. */
import type { GrantView } from "../../contract/access.ts";
import type { Page } from "../output.ts";
import { allowed } from "./request-words.ts";

/** `Less than you asked for: orders-db:peek for 30m, not orders-db:read for 1h.`, and what it allows where that differs; nothing where it is not less. */
export function lessLines({ less, describe }: GrantView, page: Page): string[] {
  if (less === null) return [];
  const { asked, given } = less;
  const line = `${page.paint("yellow", "Less than was asked for")}: ${given.entitlement} for ${given.duration}, not ${asked.entitlement} for ${asked.duration}.`;
  return asked.entitlement === given.entitlement ? [line] : [line, ...allowed(describe)];
}
