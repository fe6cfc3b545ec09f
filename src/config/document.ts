/**
 * YAML as far as configuration needs it: maps with distinct names, lists, and plain values, each with its place in the
 * file. What makes YAML dangerous or surprising is refused with its position: anchors and aliases (a few lines can
 * stand for billions), merge keys, tags, directives, several documents, keys that are not names, keys given twice.
 */
import { isAlias, isMap, isScalar, LineCounter, type ParsedNode, parseDocument, type Scalar, type YAMLMap } from "yaml";
import { scalarOffsets } from "./scalar-offsets.ts";
import { sectionsOf, syntaxErrors } from "./syntax-errors.ts";

type ScalarTree = {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  readonly start: number;
  /** Where a character of the (text) value stands in the file. */
  offsetOf(index: number): number;
};
export type ListTree = {
  readonly kind: "list";
  readonly items: readonly Tree[];
  readonly start: number;
  /** Which number each item has in its own file, where the list was put together from several. */
  readonly numbers?: readonly number[];
};
type Entry = { readonly key: string; readonly start: number; readonly value: Tree };
export type MapTree = { readonly kind: "map"; readonly entries: readonly Entry[]; readonly start: number };
/** Was refused and reported; whoever reads it has nothing to add. */
type RefusedTree = { readonly kind: "refused"; readonly start: number };
export type Tree = ScalarTree | ListTree | MapTree | RefusedTree;

type Parsed = ReturnType<typeof parseDocument<ParsedNode>>;

export type Complaint = { readonly offset: number; readonly what: string; readonly hint: string };

export type Document = {
  /** Null where the file cannot be understood at all. */
  readonly root: Tree | null;
  readonly complaints: readonly Complaint[];
  positionOf(offset: number): { line: number; column: number };
};

export const FILE_CHARS_MAX = 1_048_576;
export const DEPTH_MAX = 40;

export function parseYaml(text: string): Document {
  const lines = new LineCounter();
  const complaints: Complaint[] = [];
  const positionOf = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(Math.max(0, Math.min(offset, text.length)));
    // The counter knows no line in an empty file and answers 0 before the first.
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (text.length > FILE_CHARS_MAX) {
    const what = `the file is larger than ${FILE_CHARS_MAX / 1_048_576} MiB`;
    return {
      root: null,
      complaints: [{ offset: 0, what, hint: "a configuration is written by hand and stays small" }],
      positionOf,
    };
  }
  const document = parse(text, lines);
  if (document.errors.length > 0) complaints.push(...complaintsOfBroken(text, document, positionOf));
  if (document.directives?.yaml.explicit === true) {
    complaints.push({
      offset: 0,
      what: "a %YAML directive is not allowed",
      hint: "remove it; the file is read as YAML 1.2",
    });
  }
  if (complaints.length > 0) return { root: null, complaints, positionOf };
  const root = document.contents === null ? null : new TreeBuilder(text, complaints).build(document.contents, 0, 0);
  if (root === null && complaints.length === 0) {
    complaints.push({ offset: 0, what: "the file is empty", hint: "start from examples/tidegate.yaml" });
  }
  return { root, complaints, positionOf };
}

/** The library's own search for keys given twice takes quadratic time; `TreeBuilder` does it in linear. */
const parse = (text: string, lineCounter: LineCounter): Parsed =>
  parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, merge: false, logLevel: "error" });

/** Section by section, each as if it were alone: what is broken in one says nothing of the next. */
function complaintsOfBroken(text: string, whole: Parsed, positionOf: Document["positionOf"]): readonly Complaint[] {
  const all: Complaint[] = [];
  for (const { start, end } of sectionsOf(text)) {
    const section = text.slice(start, end);
    const parsed = parse(section, new LineCounter());
    const own = syntaxErrors(parsed, (offset) => positionOf(offset + start).line);
    if (own.length === 0 && parsed.contents !== null) new TreeBuilder(section, own).build(parsed.contents, 0, 0);
    all.push(...own.map((complaint) => ({ ...complaint, offset: complaint.offset + start })));
  }
  // Each may be well by itself, and the file not be.
  return all.length > 0 ? bounded(all) : syntaxErrors(whole, (offset) => positionOf(offset).line);
}

/** A file with more is no configuration, and must not crowd out what is wrong with the other files. */
const BROKEN_COMPLAINTS_MAX = 20;

function bounded(complaints: readonly Complaint[]): readonly Complaint[] {
  const last = complaints.at(BROKEN_COMPLAINTS_MAX - 1);
  if (complaints.length <= BROKEN_COMPLAINTS_MAX || last === undefined) return complaints;
  const more = `and ${complaints.length - BROKEN_COMPLAINTS_MAX} more in this file`;
  return [...complaints.slice(0, BROKEN_COMPLAINTS_MAX), { ...last, what: more, hint: "mend the first ones" }];
}

class TreeBuilder {
  readonly #text: string;
  readonly #complaints: Complaint[];

  constructor(text: string, complaints: Complaint[]) {
    this.#text = text;
    this.#complaints = complaints;
  }

  /** `keyStart` is where to point when there is no value at all, as after `owners:`. */
  build(node: ParsedNode | null, keyStart: number, depth: number): Tree {
    if (node === null) return this.#nothing(keyStart);
    const start = node.range[0];
    if (depth > DEPTH_MAX) return this.#refuse(start, "this is nested too deep", `at most ${DEPTH_MAX} levels`);
    if (isAlias(node)) return this.#refuse(start, "an alias is not allowed", "write the value out again");
    if (node.anchor !== undefined)
      this.#refuse(start, "an anchor is not allowed", "write the value out where it is needed");
    if (node.tag !== undefined && this.#hasTag(node))
      this.#refuse(start, "a tag is not allowed", "remove the ! and what follows it");
    if (isScalar(node)) return this.#scalar(node, start, keyStart);
    if (isMap(node)) return this.#map(node, start, depth);
    const items = node.items.map((item) => this.build(item, start, depth + 1));
    return { kind: "list", items, start };
  }

  /** The library names the type of every collection; only one that was written counts. */
  #hasTag(node: ParsedNode): boolean {
    const before = this.#text.slice(Math.max(0, node.range[0] - TAG_CHARS_MAX), node.range[0]);
    return /(^|[\s[{,])!\S*\s*$/.test(before) || this.#text[node.range[0]] === "!";
  }

  #scalar(node: Scalar.Parsed, start: number, keyStart: number): Tree {
    const value: unknown = node.value;
    if (value === null) return this.#nothing(node.range[1] > start ? start : keyStart);
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      return this.#refuse(start, "this value is not understood", "write a text, a number, true or false");
    }
    let offsets: readonly number[] | null = null;
    const offsetOf = (index: number): number => {
      offsets ??= scalarOffsets(this.#text, node.range[0], node.range[1], node.type ?? "PLAIN", String(value));
      return offsets[Math.min(index, offsets.length - 1)] ?? start;
    };
    return { kind: "scalar", value, start, offsetOf };
  }

  #map(node: YAMLMap.Parsed, start: number, depth: number): Tree {
    const entries: Entry[] = [];
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      const at = key.range[0];
      const name = isScalar(key) && key.anchor === undefined ? key.value : undefined;
      if (typeof name !== "string" && typeof name !== "number" && typeof name !== "boolean") {
        this.#refuse(at, "a key must be a plain name", "");
        continue;
      }
      const text = String(name);
      if (text === "<<") this.#refuse(at, "a merge key (<<) is not allowed", "write the values out");
      else if (text === "__proto__") this.#refuse(at, "this key is not allowed", "");
      else if (seen.has(text)) this.#refuse(at, `${shorten(text)} is given twice`, "keep one of them");
      else entries.push({ key: text, start: at, value: this.build(value, at, depth + 1) });
      seen.add(text);
    }
    return { kind: "map", entries, start };
  }

  #nothing(start: number): ScalarTree {
    return { kind: "scalar", value: null, start, offsetOf: () => start };
  }

  #refuse(offset: number, what: string, hint: string): RefusedTree {
    this.#complaints.push({ offset, what, hint });
    return { kind: "refused", start: offset };
  }
}

const TAG_CHARS_MAX = 200;
const KEY_SHOWN_MAX = 60;
export const shorten = (text: string): string =>
  text.length <= KEY_SHOWN_MAX ? text : `${text.slice(0, KEY_SHOWN_MAX)}…`;
