import { SCOPE_NAMES, type Scope } from "../base/scope.ts";
import type { Reading, Value } from "./reading.ts";

/** What a token is good for. One that is good for nothing would be a mistake. */
export function readScopes(reading: Reading, value: Value): Scope[] | null {
  const items = reading.items(value);
  if (items?.length === 0)
    return reading.wrong(value.at, `${value.path} names none`, "leave it out for whatever its owner may do");
  const scopes = (items ?? []).map((item) => reading.choice(item, SCOPE_NAMES)).filter((scope) => scope !== null);
  return scopes.length === 0 ? null : [...new Set(scopes)];
}
