/** Whether somebody that a source names is this person. */
import type { FactSource } from "../domain/fact-sources.ts";
import type { Principal } from "../domain/principal.ts";
import type { Named } from "./source.ts";
import { sameWord } from "./texts.ts";

/** Who is written under `people` is known there by that and by nothing else. */
export function isPerson({ people, match }: FactSource, { handle, email }: Principal, named: Named): boolean {
  const mapped = Object.hasOwn(people, handle) ? people[handle] : undefined;
  if (mapped !== undefined) return [...named.ids, named.email].some((id) => id !== "" && sameWord(id, mapped));
  if (match === "people") return false;
  if (match === "handle") return named.handle === handle;
  return email !== null && named.email !== "" && sameWord(named.email, email);
}
