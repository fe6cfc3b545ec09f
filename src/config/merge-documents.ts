/**
 * Makes one document of several files, section by section, so that whoever reads it need not know how many there were.
 * Places stay true: an offset counts through all files one after another, and `locate` finds its way back.
 */
import type { Document, ListTree, MapTree, Tree } from "./document.ts";

export type Part = {
  readonly file: string;
  /** The file's folder, seen from the root of the configuration. */
  readonly dir: string;
  readonly length: number;
  readonly document: Document;
};

export type Place = { readonly file: string; readonly dir: string; readonly line: number; readonly column: number };

export type Merged = {
  /** Null where there is nothing that could be read. */
  readonly root: Tree | null;
  /** The files that could not be understood: what is missing may stand there. */
  readonly broken: readonly string[];
  readonly complaints: Document["complaints"];
  locate(offset: number): Place;
};

type Complaint = Document["complaints"][number];
type Entry = MapTree["entries"][number];

const UNITED = ["resources", "bundles", "principals", "notify"];
const CONCATENATED = ["policies", "tests"];
const EQUAL = ["version", "facts", "audit", "roles", "config", "defaults"];

/** `unread` are files of which there is not even a text. */
export function mergeDocuments(parts: readonly Part[], unread: readonly string[]): Merged {
  const placed: (Part & { readonly base: number })[] = [];
  let base = 0;
  for (const part of parts) {
    placed.push({ ...part, base });
    base += part.length + 1;
  }
  const locate = (offset: number): Place => {
    const part = placed.findLast((one) => one.base <= offset) ?? placed[0];
    if (part === undefined) return { file: "", dir: "", line: 1, column: 1 };
    return { file: part.file, dir: part.dir, ...part.document.positionOf(offset - part.base) };
  };
  const complaints = placed.flatMap((part) =>
    part.document.complaints.map((complaint) => ({ ...complaint, offset: complaint.offset + part.base })),
  );
  const roots = placed.flatMap((part) => (part.document.root === null ? [] : [moved(part.document.root, part.base)]));
  const broken = [...unread, ...parts.flatMap(({ file, document }) => (document.root === null ? [file] : []))];
  if (roots.length <= 1) return { root: roots[0] ?? null, broken, complaints, locate };
  const merge = new Merge((offset) => showPlace(locate(offset)));
  for (const root of roots) merge.add(root);
  return { root: merge.root, broken, complaints: [...complaints, ...merge.complaints], locate };
}

export const showPlace = ({ file, line, column }: Place): string => `${file}:${line}:${column}`;

class Merge {
  readonly complaints: Complaint[] = [];
  readonly #entries = new Map<string, Entry>();
  readonly #strangers: Entry[] = [];
  readonly #show: (offset: number) => string;

  constructor(show: (offset: number) => string) {
    this.#show = show;
  }

  get root(): Tree {
    return { kind: "map", entries: [...this.#entries.values(), ...this.#strangers], start: 0 };
  }

  add(root: Tree): void {
    if (root.kind === "refused") return;
    if (root.kind === "map") for (const entry of root.entries) this.#addEntry(entry);
    else this.#complain(root.start, "the file must be a map", "write key: value pairs under it");
  }

  #addEntry(entry: Entry): void {
    const { key } = entry;
    const before = this.#entries.get(key);
    if (UNITED.includes(key)) {
      if (entry.value.kind === "map") this.#unite(entry, entry.value, before);
      else this.#wrongKind(entry, "a map", "write key: value pairs under it");
    } else if (CONCATENATED.includes(key)) {
      if (entry.value.kind === "list") this.#concatenate(entry, entry.value, before);
      else this.#wrongKind(entry, "a list", "write lines that begin with -");
    } else if (!EQUAL.includes(key)) this.#strangers.push(entry);
    else if (before === undefined) this.#entries.set(key, entry);
    else if (!sameTree(before.value, entry.value))
      this.#complain(
        entry.start,
        `${key} is another in ${this.#show(before.start)}`,
        "write it in one file only, or the same in each",
      );
  }

  #unite(entry: Entry, value: MapTree, before: Entry | undefined): void {
    const { key } = entry;
    const known = before?.value.kind === "map" ? before.value : { ...value, entries: [] };
    const entries = [...known.entries];
    const names = new Map(entries.map((one) => [one.key, one]));
    for (const one of value.entries) {
      const other = names.get(one.key);
      if (other === undefined) entries.push(one);
      else
        this.#complain(
          one.start,
          `${key}.${one.key.slice(0, 60)} is defined in ${this.#show(other.start)} already`,
          "a name is defined in one place: rename one of them, or put them together",
        );
    }
    this.#entries.set(key, { ...(before ?? entry), value: { ...known, entries } });
  }

  #concatenate(entry: Entry, value: ListTree, before: Entry | undefined): void {
    const known: ListTree = before?.value.kind === "list" ? before.value : { ...value, items: [], numbers: [] };
    const numbers = [...(known.numbers ?? []), ...value.items.map((_, index) => index)];
    this.#entries.set(entry.key, {
      ...(before ?? entry),
      value: { ...known, items: [...known.items, ...value.items], numbers },
    });
  }

  #wrongKind({ key, start, value }: Entry, what: string, hint: string): void {
    if (value.kind === "refused") return;
    const empty = value.kind === "scalar" && value.value === null;
    this.#complain(empty ? start : value.start, `${key} must be ${what}${empty ? ", and is empty" : ""}`, hint);
  }

  #complain(offset: number, what: string, hint: string): void {
    this.complaints.push({ offset, what, hint });
  }
}

/** The same tree at its place among all files. */
function moved(tree: Tree, by: number): Tree {
  if (by === 0) return tree;
  const start = tree.start + by;
  if (tree.kind === "map") {
    const entries = tree.entries.map((entry) => ({
      key: entry.key,
      start: entry.start + by,
      value: moved(entry.value, by),
    }));
    return { kind: "map", entries, start };
  }
  if (tree.kind === "list") return { kind: "list", items: tree.items.map((item) => moved(item, by)), start };
  if (tree.kind === "refused") return { kind: "refused", start };
  return { kind: "scalar", value: tree.value, start, offsetOf: (index) => tree.offsetOf(index) + by };
}

function sameTree(a: Tree, b: Tree): boolean {
  if (a.kind === "scalar") return b.kind === "scalar" && a.value === b.value;
  if (a.kind === "list")
    return (
      b.kind === "list" &&
      a.items.length === b.items.length &&
      a.items.every((item, index) => sameTree(item, b.items[index] ?? { kind: "refused", start: 0 }))
    );
  if (a.kind === "map")
    return (
      b.kind === "map" &&
      a.entries.length === b.entries.length &&
      a.entries.every(({ key, value }) => b.entries.some((other) => other.key === key && sameTree(value, other.value)))
    );
  // What was refused is reported; a second complaint would add nothing.
  return true;
}
