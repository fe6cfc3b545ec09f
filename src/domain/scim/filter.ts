/** Filters and paths of SCIM (RFC 7644, 3.4.2.2 and 3.5.2), read into trees with bounds on their size and depth. */
import type { Refusal } from "../../base/problem.ts";
import { refuseScim, type ScimType } from "./refuse-scim.ts";

export const FILTER_CHARS_MAX = 4_000;
const DEPTH_MAX = 20;

const OPERATORS = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"] as const;
export type Operator = (typeof OPERATORS)[number];
export type Literal = string | number | boolean | null;

/** `name.givenName`; the name of its schema, where one stands before it, is left out. Lower case, for case does not matter. */
export type AttributePath = { readonly name: string; readonly sub: string | null };

export type Filter =
  | { readonly kind: "and" | "or"; readonly of: readonly [Filter, Filter] }
  | { readonly kind: "not"; readonly of: Filter }
  | { readonly kind: "present"; readonly path: AttributePath }
  | { readonly kind: "compare"; readonly path: AttributePath; readonly operator: Operator; readonly value: Literal }
  /** `emails[type eq "work"]`: one value for which all of it holds. */
  | { readonly kind: "some"; readonly path: AttributePath; readonly where: Filter };

/** Where a PATCH works: `emails[type eq "work"].value`. */
export type Target = AttributePath & { readonly where: Filter | null };

const PATH = /^(?:urn:[\w.:-]+:)?([a-z$][\w$-]*)(?:\.([a-z$][\w$-]*))?$/i;
const TOKEN = /\s*(?:([()[\]])|("(?:[^"\\]|\\.)*")|([^\s()[\]"]+))/y;

class Unreadable extends Error {}

export function parseFilter(text: string): Filter | Refusal {
  return parsed(text, "invalidFilter", "filter", (reader) => {
    const filter = reader.or(0);
    reader.end();
    return filter;
  });
}

export function parseTarget(text: string): Target | Refusal {
  return parsed(text, "invalidPath", "path", (reader) => {
    const path = reader.path();
    if (!reader.takes("[")) {
      reader.end();
      return { ...path, where: null };
    }
    const where = reader.or(1);
    reader.demand("]");
    const sub = reader.subAfter();
    reader.end();
    return { name: path.name, sub, where };
  });
}

function parsed<T>(text: string, scimType: ScimType, what: string, read: (reader: Reader) => T): T | Refusal {
  if (text.length > FILTER_CHARS_MAX)
    return refuseScim(scimType, `The ${what} has ${text.length} characters; ${FILTER_CHARS_MAX} are the most.`);
  try {
    const tokens = tokensOf(text);
    return read(new Reader(tokens));
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return refuseScim(scimType, `The ${what} cannot be read: ${error.message}.`);
  }
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  const whole = text.trimEnd();
  while (TOKEN.lastIndex < whole.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(whole);
    if (match === null) throw new Unreadable(`a text that begins at character ${at + 1} does not end`);
    tokens.push(match[1] ?? match[2] ?? match[3] ?? "");
  }
  return tokens;
}

class Reader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  get #next(): string {
    return this.#tokens[this.#at] ?? "";
  }

  takes(word: string): boolean {
    if (this.#next.toLowerCase() !== word) return false;
    this.#at += 1;
    return true;
  }

  demand(word: string): void {
    if (!this.takes(word)) throw new Unreadable(`${word} is missing${this.#where()}`);
  }

  end(): void {
    if (this.#at < this.#tokens.length) throw new Unreadable(`it goes on where it should end${this.#where()}`);
  }

  or(depth: number): Filter {
    if (depth > DEPTH_MAX) throw new Unreadable(`more than ${DEPTH_MAX} parts lie within each other`);
    let left = this.#and(depth);
    while (this.takes("or")) left = { kind: "or", of: [left, this.#and(depth)] };
    return left;
  }

  #and(depth: number): Filter {
    let left = this.#one(depth);
    while (this.takes("and")) left = { kind: "and", of: [left, this.#one(depth)] };
    return left;
  }

  #one(depth: number): Filter {
    if (this.takes("not")) {
      this.demand("(");
      return { kind: "not", of: this.#closed(depth, ")") };
    }
    if (this.takes("(")) return this.#closed(depth, ")");
    const path = this.path();
    if (!this.takes("[")) return this.#asked(path);
    const where = this.#closed(depth, "]");
    // Beyond the standard, Entra asks for a part of what was chosen: emails[type eq "work"].value eq "…".
    const sub = this.subAfter();
    if (sub === null) return { kind: "some", path, where };
    return { kind: "some", path, where: { kind: "and", of: [where, this.#asked({ name: sub, sub: null })] } };
  }

  #asked(path: AttributePath): Filter {
    if (this.takes("pr")) return { kind: "present", path };
    const operator = OPERATORS.find((one) => this.takes(one));
    if (operator === undefined) throw new Unreadable(`an operator is missing${this.#where()}`);
    return { kind: "compare", path, operator, value: this.#literal() };
  }

  #closed(depth: number, by: ")" | "]"): Filter {
    const filter = this.or(depth + 1);
    this.demand(by);
    return filter;
  }

  path(): AttributePath {
    const match = PATH.exec(this.#next);
    if (match === null) throw new Unreadable(`the name of an attribute is missing${this.#where()}`);
    this.#at += 1;
    return { name: (match[1] ?? "").toLowerCase(), sub: match[2]?.toLowerCase() ?? null };
  }

  /** `.value` after the brackets of a path. */
  subAfter(): string | null {
    const match = /^\.([a-z$][\w$-]*)$/i.exec(this.#next);
    if (match === null) return null;
    this.#at += 1;
    return (match[1] ?? "").toLowerCase();
  }

  #literal(): Literal {
    try {
      const value: unknown = JSON.parse(this.#next.startsWith('"') ? this.#next : this.#next.toLowerCase());
      if (typeof value !== "object" || value === null) {
        this.#at += 1;
        return value as Literal;
      }
    } catch {
      // Told below, as whatever else is no value.
    }
    throw new Unreadable(`a value is missing${this.#where()}; texts stand in double quotes`);
  }

  #where(): string {
    return this.#at < this.#tokens.length ? ` at word ${this.#at + 1}` : " at its end";
  }
}

/** The values that a filter like `value eq "a" or value eq "b"` names; null where it says anything else. */
export function valuesNamed(filter: Filter): string[] | null {
  if (filter.kind === "or") {
    const [left, right] = filter.of.map(valuesNamed);
    return left && right ? [...left, ...right] : null;
  }
  if (filter.kind !== "compare" || filter.operator !== "eq" || filter.path.name !== "value") return null;
  return typeof filter.value === "string" ? [filter.value] : null;
}

/** What every value must have for which a filter holds: `type eq "work" and primary eq true`. For a value that is not there yet. */
export function equalities(filter: Filter): [name: string, value: Literal][] {
  if (filter.kind === "and") return filter.of.flatMap(equalities);
  return filter.kind === "compare" && filter.operator === "eq" ? [[filter.path.name, filter.value]] : [];
}

/** Whether it holds for one value of an attribute with several. Texts are compared without regard to case. */
export function holdsFor(filter: Filter, item: Readonly<Record<string, unknown>>): boolean {
  switch (filter.kind) {
    case "and":
      return filter.of.every((one) => holdsFor(one, item));
    case "or":
      return filter.of.some((one) => holdsFor(one, item));
    case "not":
      return !holdsFor(filter.of, item);
    case "present":
      return valueAt(item, filter.path) !== undefined;
    case "some":
      return false;
    case "compare":
      return compares(valueAt(item, filter.path), filter.operator, filter.value);
  }
}

const valueAt = (item: Readonly<Record<string, unknown>>, { name }: AttributePath): unknown =>
  Object.entries(item).find(([key]) => key.toLowerCase() === name)?.[1];

function compares(found: unknown, operator: Operator, wanted: Literal): boolean {
  const lower = (value: unknown): string => String(value ?? "").toLowerCase();
  const [a, b] = [lower(found), lower(wanted)];
  switch (operator) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "co":
      return a.includes(b);
    case "sw":
      return a.startsWith(b);
    case "ew":
      return a.endsWith(b);
    case "gt":
      return a > b;
    case "ge":
      return a >= b;
    case "lt":
      return a < b;
    case "le":
      return a <= b;
  }
}
