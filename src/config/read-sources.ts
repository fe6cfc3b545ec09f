/** `[group:sre-leads, user:bob, owners]` — who may approve, and who owns. */
import { isName } from "../domain/entitlement.ts";
import type { Source } from "../domain/policy.ts";
import { shorten } from "./document.ts";
import { GROUP_PATTERN } from "./format.ts";
import type { Reading, Value } from "./reading.ts";

const GROUP = new RegExp(GROUP_PATTERN, "u");
const isGroup = (text: string): boolean => GROUP.test(text);
const GROUP_HINT = "a group is letters, digits, spaces and . _ - @ : / & + (at most 100)";

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

function readSource(reading: Reading, item: Value, whose: "owners" | "by"): Source | null {
  const text = reading.text(item);
  if (text === null) return null;
  const { start } = item.tree;
  if (text === "owners") {
    if (whose === "by") return text;
    return reading.wrong(start, `${item.path}: owners cannot own`, "name a group or a user");
  }
  if (text === "manager")
    return reading.wrong(start, `${item.path}: manager: not built yet`, "name a group, a user or owners");
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
  const choices = whose === "by" ? "group:NAME, user:HANDLE or owners" : "group:NAME or user:HANDLE";
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
