/** Whether somebody that a source names is this person. */
import type { FactSource } from "../domain/fact-sources.ts";
import type { Principal } from "../domain/principal.ts";
import type { TicketAnswer } from "./source.ts";
import { sameWord } from "./texts.ts";

type Named = Omit<NonNullable<TicketAnswer["assignee"]>, "shown">;

/** Who is written under `people` is known there by that and by nothing else. */
export function isPerson({ people, match }: FactSource, { handle, email }: Principal, named: Named): boolean {
  const mapped = Object.hasOwn(people, handle) ? people[handle] : undefined;
  if (mapped !== undefined) return [...named.ids, named.email].some((id) => id !== "" && sameWord(id, mapped));
  if (match === "handle") return named.handle === handle;
  return email !== null && named.email !== "" && sameWord(named.email, email);
}
