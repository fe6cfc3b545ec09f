/** `[group:sre-leads, user:bob, owners]` — who may approve, and who owns. */
import { isName } from "../domain/entitlement.ts";
import type { Source } from "../domain/policy.ts";
import { shorten } from "./document.ts";
import { GROUP_PATTERN } from "./format-words.ts";
import type { Reading, Value } from "./reading.ts";

const GROUP = new RegExp(GROUP_PATTERN, "u");
const isGroup = (text: string): boolean => GROUP.test(text);
const GROUP_HINT = "a group is letters, digits, spaces and . _ - @ : / & + (at most 100)";

/** Who owns may not be named by the owners themselves, nor change with who asks. */
export function readSources(reading: Reading, value: Value, whose: "owners" | "by"): Source[] {
  const sources: Source[] = [];
  for (const item of reading.items(value) ?? []) {
    const source = readSource(reading, item, whose);
    if (source === null) continue;
    if (sources.includes(source))
      reading.wrong(item.tree.start, `${item.path}: ${shorten(source)} is named twice`, "keep one of them");
    sources.push(source);
  }
  return sources;
}

/** Who may do something: at least somebody. */
export function readSomebody(reading: Reading, value: Value): Source[] {
  const sources = readSources(reading, value, "by");
  if (value.tree.kind === "list" && value.tree.items.length === 0)
    reading.wrong(
      value.tree.start,
      `${value.path} is empty: nobody could approve`,
      "name a group, a user, owners or manager",
    );
  return sources;
}

function readSource(reading: Reading, item: Value, whose: "owners" | "by"): Source | null {
  const text = reading.text(item);
  if (text === null) return null;
  const { start } = item.tree;
  if (text === "owners") {
    if (whose === "by") return text;
    return reading.wrong(start, `${item.path}: owners cannot own`, "name a group or a user");
  }
  if (text === "manager")
    return whose === "by"
      ? text
      : reading.wrong(start, `${item.path}: manager: a resource does not ask, and has none`, "name a group or a user");
  const [, kind, name] = /^(group|user):(.*)$/s.exec(text) ?? [];
  if (kind === "group" && name !== undefined) {
    return isGroup(name)
      ? `group:${name}`
      : reading.wrong(start, `${item.path}: "${shorten(name)}" cannot name a group`, GROUP_HINT);
  }
  if (kind === "user" && name !== undefined) {
    return isName(name)
      ? `user:${name}`
      : reading.wrong(
          start,
          `${item.path}: "${shorten(name)}" cannot name a person`,
          "write the handle, as under principals",
        );
  }
  const choices = whose === "by" ? "group:NAME, user:HANDLE, owners or manager" : "group:NAME or user:HANDLE";
  return reading.wrong(start, `${item.path}: ${shorten(text)} is not a source`, `write ${choices}`);
}

export function readGroups(reading: Reading, value: Value): string[] {
  const groups: string[] = [];
  for (const item of reading.items(value) ?? []) {
    const name = reading.text(item);
    if (name === null) continue;
    if (name.startsWith("group:"))
      reading.wrong(
        item.tree.start,
        `${item.path}: a group is named without group: here`,
        `write ${shorten(name.slice("group:".length))}`,
      );
    else if (!isGroup(name))
      reading.wrong(item.tree.start, `${item.path}: "${shorten(name)}" cannot name a group`, GROUP_HINT);
    else if (groups.includes(name))
      reading.wrong(item.tree.start, `${item.path}: ${shorten(name)} is named twice`, "keep one of them");
    else groups.push(name);
  }
  return groups;
}
