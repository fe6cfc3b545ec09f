/**
 * Reads values out of a document and collects everything that is wrong with them, each with its place: whoever mends a
 * file wants to see all mistakes at once. Every method answers null after a mistake it has reported.
 */

import type { Json } from "../base/canonical.ts";
import { parseDuration } from "../base/duration.ts";
import { nearest, suggest } from "../base/nearest.ts";
import { isName } from "../domain/entitlement.ts";
import { shorten, type Tree } from "./document.ts";
import { type Merged, showPlace } from "./merge-documents.ts";
import type { Mistake } from "./mistake.ts";

/** A value, how to speak of it, and where to point when something is missing from it. */
export type Value = { readonly tree: Tree; readonly path: string; readonly at: number };

export type Fields = {
  /** Null where the key is not there. */
  optional(name: string): Value | null;
  /** Reports a mistake where the key is not there; the hint says what to write. */
  required(name: string, hint?: string): Value | null;
};

/** Keys that the design names and this version does not build: refused by name, never ignored. */
export type NotBuilt = readonly string[];

const TEXT_CHARS_MAX = 4_000;

export class Reading {
  readonly mistakes: Mistake[] = [];
  readonly warnings: Mistake[] = [];
  readonly #broken: readonly string[];
  #keptQuiet = false;
  readonly #locate: Merged["locate"];

  constructor({ complaints, broken, locate }: Pick<Merged, "complaints" | "broken" | "locate">) {
    this.#broken = broken;
    this.#locate = locate;
    for (const { offset, what, hint } of complaints) this.wrong(offset, what, hint);
  }

  /** Asked once something is missing: not to be told where it may stand in a file that could not be understood. */
  tellsMissing(): boolean {
    const whole = this.#broken.length === 0;
    this.#keptQuiet ||= !whole;
    return whole;
  }

  /** Says that something that seems to be missing was not told, and why. */
  get keptQuiet(): Mistake[] {
    const [file, ...others] = this.#broken;
    if (!this.#keptQuiet || file === undefined) return [];
    const where = others.length === 0 ? "in this file" : `in this file or ${others.length} more that cannot be read`;
    const what = `what the other files name and none of them defines may stand ${where}: it was not looked up`;
    return [{ file, line: 1, column: 1, what, hint: "mend this first, then check again", remark: true }];
  }

  /** `payments/rules.yaml:3:5`, to name another place in a message. */
  place(offset: number): string {
    return showPlace(this.#locate(offset));
  }

  /** The folder of the file that holds this, seen from the root of the configuration. */
  dirOf(value: Value): string {
    return this.#locate(value.at).dir;
  }

  wrong(offset: number, what: string, hint: string): null {
    this.mistakes.push(this.#mistake(offset, what, hint));
    return null;
  }

  warn(offset: number, what: string, hint: string): void {
    this.warnings.push(this.#mistake(offset, what, hint));
  }

  /** A map with the keys that are known, and no others. */
  fields(value: Value, known: readonly string[], notBuilt: NotBuilt = []): Fields | null {
    const members = this.members(value);
    if (members === null) return null;
    const found = new Map<string, Value>();
    for (const [name, member] of members) {
      if (known.includes(name)) found.set(name, member);
      else if (notBuilt.includes(name)) this.wrong(member.at, `${member.path}: not built yet`, "remove it");
      else
        this.wrong(
          member.at,
          `${value.path === "" ? "" : `${value.path}: `}${shorten(name)} is not known here`,
          suggest(name, known, "known"),
        );
    }
    return {
      optional: (name) => found.get(name) ?? null,
      required: (name, hint = "") => {
        // Misspelt, it was reported already: "nmae is not known, did you mean name?" says it better than "name is missing".
        const misspelt = members.some(([member]) => !known.includes(member) && nearest(member, known) === name);
        const missing = (): null =>
          misspelt ? null : this.wrong(value.at, `${join(value.path, name)} is missing`, hint);
        return found.get(name) ?? missing();
      },
    };
  }

  /** A map whose keys are the author's to choose. */
  members(value: Value): [name: string, member: Value][] | null {
    if (value.tree.kind !== "map") return this.#mustBe(value, "a map", "write key: value pairs under it");
    return value.tree.entries.map(({ key, start, value: tree }) => [
      key,
      { tree, path: join(value.path, shorten(key)), at: start },
    ]);
  }

  /** A map whose keys are names of resources, people and the like. */
  named(value: Value, what: string): [name: string, member: Value][] | null {
    const members = this.members(value);
    for (const [name, member] of members ?? []) if (!isName(name)) this.#badName(member.at, name, what);
    return members;
  }

  items(value: Value): Value[] | null {
    if (value.tree.kind !== "list")
      return this.#mustBe(value, "a list", "write it in [brackets], or as lines that begin with -");
    const { items, numbers } = value.tree;
    return items.map((tree, index) => ({ tree, path: `${value.path}[${numbers?.[index] ?? index}]`, at: tree.start }));
  }

  text(value: Value, max: number = TEXT_CHARS_MAX): string | null {
    const { tree } = value;
    if (tree.kind !== "scalar" || typeof tree.value !== "string") {
      const quote = tree.kind === "scalar" && tree.value !== null;
      return this.#mustBe(value, "a text", quote ? 'put it in quotes, as in "7"' : "");
    }
    if (tree.value.length > max)
      return this.wrong(tree.start, `${value.path} is longer than ${max} characters`, "shorten it");
    if (!isPrintable(tree.value)) {
      return this.wrong(tree.start, `${value.path} holds a control character or half a character`, "remove it");
    }
    return tree.value;
  }

  filled(value: Value, max?: number): string | null {
    const text = this.text(value, max);
    return text?.trim() === ""
      ? this.wrong(value.tree.start, `${value.path} is empty`, "write something, or remove the key")
      : text;
  }

  name(value: Value, what: string): string | null {
    const text = this.text(value);
    if (text === null) return null;
    return isName(text) ? text : this.#badName(value.tree.start, text, what);
  }

  choice<Option extends string>(value: Value, options: readonly Option[]): Option | null {
    const text = this.text(value);
    if (text === null) return null;
    const found = options.find((option) => option === text);
    return (
      found ??
      this.wrong(
        value.tree.start,
        `${value.path}: ${shorten(text)} is not one of ${options.join(", ")}`,
        suggest(text, options, "choose from"),
      )
    );
  }

  integer(value: Value, min: number, max: number): number | null {
    const number = value.tree.kind === "scalar" ? value.tree.value : null;
    if (typeof number === "number" && Number.isInteger(number) && number >= min && number <= max) return number;
    return this.#mustBe(value, `a whole number from ${min} to ${max}`, "");
  }

  boolean(value: Value): boolean | null {
    const { tree } = value;
    return tree.kind === "scalar" && typeof tree.value === "boolean"
      ? tree.value
      : this.#mustBe(value, "true or false", "");
  }

  duration(value: Value, daysMax?: number): number | null {
    const { tree } = value;
    if (tree.kind === "refused") return null;
    const parsed = parseDuration(tree.kind === "scalar" ? tree.value : tree.kind, daysMax);
    return parsed.ok
      ? parsed.value
      : this.wrong(tree.start, `${value.path}: ${parsed.why}`, "write 90s, 15m, 8h, 2d or 1h30m");
  }

  /** A value of any shape as JSON; what JSON cannot hold is a mistake. */
  json(value: Value): Json | undefined {
    const { tree } = value;
    if (tree.kind === "list") {
      const items = this.items(value)?.map((item) => this.json(item)) ?? [];
      return items.every((item) => item !== undefined) ? items : undefined;
    }
    if (tree.kind === "map") {
      const members = (this.members(value) ?? []).map(([name, member]) => [name, this.json(member)] as const);
      return members.every((member): member is readonly [string, Json] => member[1] !== undefined)
        ? Object.fromEntries(members)
        : undefined;
    }
    if (tree.kind === "refused") return undefined;
    if (typeof tree.value === "number" && !Number.isFinite(tree.value)) {
      this.wrong(tree.start, `${value.path} is not a finite number`, "");
      return undefined;
    }
    return typeof tree.value === "string" ? (this.text(value) ?? undefined) : tree.value;
  }

  /** Messages quote the file and end up in terminals: nothing in them may steer one. */
  #mistake(offset: number, what: string, hint: string): Mistake {
    const plain = (text: string): string => text.replaceAll(/\p{Cc}+/gu, " ");
    const { file, line, column } = this.#locate(offset);
    return { file, line, column, what: plain(what), hint: plain(hint) };
  }

  #mustBe(value: Value, what: string, hint: string): null {
    if (value.tree.kind === "refused") return null;
    const empty = value.tree.kind === "scalar" && value.tree.value === null;
    return this.wrong(
      empty ? value.at : value.tree.start,
      `${value.path === "" ? "the file" : value.path} must be ${what}${empty ? ", and is empty" : ""}`,
      hint,
    );
  }

  #badName(offset: number, name: string, what: string): null {
    return this.wrong(
      offset,
      `"${shorten(name)}" cannot name ${what}`,
      "use lower-case letters, digits, - _ and . (at most 63)",
    );
  }
}

const join = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);

/** Line breaks and tabs are fine, other control characters and halves of surrogate pairs are not. */
function isPrintable(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if ((code < 0x20 && code !== 0x09 && code !== 0x0a) || code === 0x7f) return false;
  }
  return text.isWellFormed();
}
