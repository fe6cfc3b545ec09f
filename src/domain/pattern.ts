/**
 * Regular expressions whose cost is bounded, for `matches` in policy.
 *
 * JavaScript's own engine backtracks: a pattern such as `^(a+)+$` takes longer than the universe lasts on a reason of
 * forty letters, and the reason is written by whoever asks. CEL prescribes RE2, which never backtracks, and this is its
 * idea in small: the pattern becomes a program, and all ways through it are walked at the same time, one character of
 * the text after the other. The cost is at most (characters of the text) × (instructions of the program), both limited.
 *
 * What it knows: literals, `.`, classes `[a-z]`, `\d \w \s \D \W \S \p{…}`, `^ $ \b \B`, groups, `|`, `* + ? {n,m}`
 * (also lazy), and `(?i)` at the start. Look-around and back-references cannot be matched in bounded time and are refused.
 */
const PATTERN_CHARS_MAX = 500;
const INSTRUCTIONS_MAX = 1_000;
const REPEAT_MAX = 1_000;
/** Nodes visited while the program is written: `((){1000}){1000}` emits nothing, and must not take for ever to do so. */
const VISITS_MAX = 20_000;

/** A pattern that cannot be used; `offset` counts from the start of the pattern. */
export class PatternError extends Error {
  override readonly name = "PatternError";
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

type CharTest = (char: string) => boolean;
type Anchor = "start" | "end" | "boundary" | "inside";

type Node =
  | { kind: "char"; test: CharTest }
  | { kind: "anchor"; anchor: Anchor }
  | { kind: "sequence"; parts: Node[] }
  | { kind: "either"; options: Node[] }
  | { kind: "repeat"; part: Node; min: number; max: number };

type Instruction =
  | { op: "char"; test: CharTest }
  | { op: "anchor"; anchor: Anchor }
  | { op: "fork"; to: number[] }
  | { op: "match" };

/** Whether the pattern is found anywhere in a text. Throws `PatternError` when the pattern itself is not usable. */
export function compilePattern(source: string): (text: string) => boolean {
  if (source.length > PATTERN_CHARS_MAX)
    throw new PatternError(`a pattern has at most ${PATTERN_CHARS_MAX} characters`, 0);
  const program = assemble(new PatternParser(source).parse());
  return (text) => search(program, text);
}

/** A short text in which the pattern is found, to show what one may look like; null where none comes to mind. */
export function exampleOf(source: string): string | null {
  const matches = compilePattern(source);
  // Compiled, it is known to be small enough to be written out.
  const text = shortest(new PatternParser(source).parse());
  return text !== null && matches(text) ? text : null;
}

function shortest(node: Node): string | null {
  switch (node.kind) {
    case "char":
      return EXAMPLE_CHARS.find(node.test) ?? null;
    case "anchor":
      return "";
    case "sequence":
      return node.parts.reduce<string | null>((before, part) => joined(before, shortest(part)), "");
    case "either":
      return node.options.map(shortest).find((text) => text !== null) ?? null;
    case "repeat":
      return node.min === 0 ? "" : (shortest(node.part)?.repeat(node.min) ?? null);
  }
}
const EXAMPLE_CHARS = Array.from("1aA-_#/:. ", (char) => char).concat(
  Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)),
);
const joined = (a: string | null, b: string | null): string | null => (a === null || b === null ? null : a + b);

class PatternParser {
  readonly #source: string;
  readonly #flags: string;
  #at: number;

  constructor(source: string) {
    const ignoreCase = source.startsWith("(?i)");
    this.#source = source;
    this.#flags = ignoreCase ? "iu" : "u";
    this.#at = ignoreCase ? 4 : 0;
  }

  parse(): Node {
    const node = this.#either();
    if (this.#at < this.#source.length) throw this.#wrong("this ) closes nothing");
    return node;
  }

  #either(): Node {
    const options = [this.#sequence()];
    while (this.#take("|")) options.push(this.#sequence());
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : { kind: "either", options };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#source.length && !this.#sees("|") && !this.#sees(")")) parts.push(this.#repeated());
    return { kind: "sequence", parts };
  }

  #repeated(): Node {
    const start = this.#at;
    const part = this.#atom();
    const times = this.#quantifier();
    if (times === null) return part;
    if (part.kind === "anchor") throw this.#wrong("there is nothing to repeat", start);
    this.#take("?"); // Lazy or greedy makes no difference to whether there is a match.
    if (this.#quantifier() !== null) throw this.#wrong("a repetition cannot be repeated; use a group");
    return { kind: "repeat", part, ...times };
  }

  #quantifier(): { min: number; max: number } | null {
    if (this.#take("*")) return { min: 0, max: Number.POSITIVE_INFINITY };
    if (this.#take("+")) return { min: 1, max: Number.POSITIVE_INFINITY };
    if (this.#take("?")) return { min: 0, max: 1 };
    if (!this.#sees("{")) return null;
    const match = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(this.#source.slice(this.#at));
    if (match === null) throw this.#wrong("write a literal { as \\{");
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === undefined ? Number.POSITIVE_INFINITY : Number(match[3]);
    if (min > max) throw this.#wrong("the smaller count comes first");
    if (min > REPEAT_MAX || (max > REPEAT_MAX && max !== Number.POSITIVE_INFINITY)) {
      throw this.#wrong(`a repetition goes up to ${REPEAT_MAX}`);
    }
    this.#at += match[0].length;
    return { min, max };
  }

  #atom(): Node {
    const start = this.#at;
    const char = String.fromCodePoint(this.#source.codePointAt(start) ?? 0);
    this.#at += char.length;
    if ("*+?".includes(char)) throw this.#wrong("there is nothing to repeat", start);
    if (char === "{" || char === "}" || char === "]") throw this.#wrong(`write a literal ${char} as \\${char}`, start);
    if (char === "^") return { kind: "anchor", anchor: "start" };
    if (char === "$") return { kind: "anchor", anchor: "end" };
    if (char === ".") return { kind: "char", test: (seen) => seen !== "\n" };
    if (char === "(") return this.#group(start);
    if (char === "[") return this.#class(start);
    if (char === "\\") return this.#escape(start);
    return this.#flags === "u" ? { kind: "char", test: (seen) => seen === char } : this.#delegate(start);
  }

  #group(start: number): Node {
    if (this.#sees("?")) {
      const opening = /^\?(?::|P?<[A-Za-z_][A-Za-z0-9_]*>)/.exec(this.#source.slice(this.#at));
      if (opening === null) {
        const rest = this.#source.slice(this.#at, this.#at + 3);
        const looksAround = /^\?<?[=!]/.test(rest);
        throw this.#wrong(
          looksAround
            ? "look-around cannot be matched in bounded time"
            : "only (?:…), (?<name>…) and a leading (?i) are known",
          start,
        );
      }
      this.#at += opening[0].length;
    }
    const node = this.#either();
    if (!this.#take(")")) throw this.#wrong("this ( is never closed", start);
    return node;
  }

  #class(start: number): Node {
    if (this.#sees("^")) this.#at++;
    for (let first = true; ; first = false) {
      if (this.#at >= this.#source.length) throw this.#wrong("this [ is never closed", start);
      if (this.#take("]")) {
        if (first) throw this.#wrong("a class may not be empty; write a literal ] as \\]", start);
        return this.#delegate(start);
      }
      if (this.#source.startsWith("[:", this.#at)) throw this.#wrong("named classes such as [:alpha:] are not known");
      this.#at += this.#sees("\\") ? 2 : 1;
    }
  }

  #escape(start: number): Node {
    const char = this.#source[this.#at];
    if (char === undefined) throw this.#wrong("a pattern cannot end in \\", start);
    this.#at++;
    if (char === "b") return { kind: "anchor", anchor: "boundary" };
    if (char === "B") return { kind: "anchor", anchor: "inside" };
    if (/[!-/:-@[-`{-~]/.test(char)) return { kind: "char", test: (seen) => seen === char };
    if (/[1-9k]/.test(char)) throw this.#wrong("back-references cannot be matched in bounded time", start);
    const longer = {
      p: /^\{[^}]*\}/,
      P: /^\{[^}]*\}/,
      x: /^[0-9A-Fa-f]{2}/,
      u: /^(?:[0-9A-Fa-f]{4}|\{[0-9A-Fa-f]{1,6}\})/,
    }[char];
    if (longer !== undefined) this.#at += longer.exec(this.#source.slice(this.#at))?.[0].length ?? 0;
    return this.#delegate(start);
  }

  /** What stands for one character is JavaScript's to understand: on one character nothing can backtrack. */
  #delegate(start: number): Node {
    const text = this.#source.slice(start, this.#at);
    let one: RegExp;
    try {
      one = new RegExp(`^${text}$`, `${this.#flags}s`);
    } catch {
      throw this.#wrong(`${text} is not understood`, start);
    }
    const known = new Map<string, boolean>();
    const test = (seen: string): boolean => {
      const cached = known.get(seen);
      if (cached !== undefined) return cached;
      const answer = one.test(seen);
      if (known.size < 1_000) known.set(seen, answer);
      return answer;
    };
    return { kind: "char", test };
  }

  #sees(char: string): boolean {
    return this.#source[this.#at] === char;
  }

  #take(char: string): boolean {
    if (!this.#sees(char)) return false;
    this.#at++;
    return true;
  }

  #wrong(message: string, offset: number = this.#at): PatternError {
    return new PatternError(message, offset);
  }
}

/** The tree as a program. Repetition is written out, so the limit on instructions bounds `{1000}` inside `{1000}` too. */
function assemble(root: Node): Instruction[] {
  const program: Instruction[] = [];
  const emit = <I extends Instruction>(instruction: I): I => {
    if (program.length >= INSTRUCTIONS_MAX) throw new PatternError("the pattern is too large; repeat less", 0);
    program.push(instruction);
    return instruction;
  };
  let visits = 0;
  const write = (node: Node): void => {
    visits++;
    if (visits > VISITS_MAX) throw new PatternError("the pattern is too large; repeat less", 0);
    switch (node.kind) {
      case "char":
        emit({ op: "char", test: node.test });
        return;
      case "anchor":
        emit({ op: "anchor", anchor: node.anchor });
        return;
      case "sequence":
        for (const part of node.parts) write(part);
        return;
      case "either": {
        const fork = emit({ op: "fork", to: [] as number[] });
        const ends = node.options.map((option) => {
          fork.to.push(program.length);
          write(option);
          return emit({ op: "fork", to: [] as number[] });
        });
        for (const end of ends) end.to.push(program.length);
        return;
      }
      case "repeat": {
        for (let count = 0; count < node.min; count++) write(node.part);
        if (node.max === Number.POSITIVE_INFINITY) {
          const start = program.length;
          const fork = emit({ op: "fork", to: [start + 1] });
          write(node.part);
          emit({ op: "fork", to: [start] });
          fork.to.push(program.length);
          return;
        }
        const exits = Array.from({ length: node.max - node.min }, () => {
          const fork = emit({ op: "fork", to: [program.length + 1] });
          write(node.part);
          return fork;
        });
        for (const exit of exits) exit.to.push(program.length);
        return;
      }
    }
  };
  write(root);
  program.push({ op: "match" });
  return program;
}

function search(program: readonly Instruction[], text: string): boolean {
  const chars = Array.from(text);
  let waiting: number[] = [0];
  for (let at = 0; at <= chars.length; at++) {
    // A match may begin at every position, so the start of the program joins those that wait at each.
    if (at > 0) waiting.push(0);
    const ready = follow(program, waiting, chars[at - 1], chars[at]);
    if (ready === "match") return true;
    const char = chars[at];
    if (char === undefined) return false;
    waiting = [];
    for (const index of ready) {
      const instruction = program[index];
      if (instruction?.op === "char" && instruction.test(char)) waiting.push(index + 1);
    }
  }
  return false;
}

/** Everything that can be reached without reading a character: each instruction once, which is what bounds the cost. */
function follow(
  program: readonly Instruction[],
  from: readonly number[],
  before: string | undefined,
  after: string | undefined,
): number[] | "match" {
  const seen = new Uint8Array(program.length);
  const open = [...from];
  const ready: number[] = [];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (seen[index] === 1) continue;
    seen[index] = 1;
    const instruction = program[index];
    if (instruction === undefined) continue;
    if (instruction.op === "match") return "match";
    if (instruction.op === "char") ready.push(index);
    else if (instruction.op === "fork") open.push(...instruction.to);
    else if (holds(instruction.anchor, before, after)) open.push(index + 1);
  }
  return ready;
}

const isWord = (char: string | undefined): boolean => char !== undefined && /^[0-9A-Za-z_]$/.test(char);

function holds(anchor: Anchor, before: string | undefined, after: string | undefined): boolean {
  if (anchor === "start") return before === undefined;
  if (anchor === "end") return after === undefined;
  return (isWord(before) !== isWord(after)) === (anchor === "boundary");
}
