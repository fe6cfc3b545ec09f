/**
 * What is wrong with a file that is no YAML, and where one may begin anew behind it. The library finds its way again after
 * a mistake, but takes what follows for something else; a line that begins with a key is where it is surely wrong no longer.
 */
import { type Document as Parsed, visit, type YAMLError } from "yaml";
import { type Complaint, DEPTH_MAX } from "./document.ts";

/** A key at the very beginning of a line. Nothing that belongs to the section before it may stand so far to the left. */
const KEY = /^(?:[\p{L}\p{N}_<][^\s:]*|"[^"\n]*"|'[^'\n]*')[ \t]*:(?=\s|$)/gmu;
/** A file of more sections is no configuration; what is left is then looked at in one. */
const SECTIONS_MAX = 200;

/** The parts of a file, each with one key of the file: from where to where. */
export function sectionsOf(text: string): { start: number; end: number }[] {
  // In brackets a key may stand anywhere.
  if (/^\s*[{[]/.test(text)) return [{ start: 0, end: text.length }];
  const starts: number[] = [];
  for (const { index } of text.matchAll(KEY)) if (starts.push(index) === SECTIONS_MAX) break;
  const [first = 0, ...others] = starts;
  const all = first > 0 && text.slice(0, first).trim() !== "" ? [0, first, ...others] : [0, ...others];
  return all.map((start, index) => ({ start, end: all[index + 1] ?? text.length }));
}

/** Mistakes in one character, told before what the line as a whole then looks like. */
const CAUSES = ["TAB_AS_INDENT", "BAD_SCALAR_START", "BAD_DQ_ESCAPE"];
/** Two values in one line: the lines after it are read as they are meant. */
const HARMLESS = ["BLOCK_AS_IMPLICIT_KEY", "MULTILINE_IMPLICIT_KEY"];

/**
 * One for each line, in order. Once the library has lost its way, only what is wrong in itself is told: any other line would
 * be told to be wrong, too.
 */
export function syntaxErrors(parsed: Parsed, lineOf: (offset: number) => number): Complaint[] {
  const errors = parsed.errors.toSorted((a, b) => a.pos[0] - b.pos[0]);
  const causes = errors.filter(({ code }) => CAUSES.includes(code));
  const others = errors.filter(({ code }) => !CAUSES.includes(code));
  const lost = others.findIndex(({ code }) => !HARMLESS.includes(code));
  const tabs = causes.some(({ code }) => code === "TAB_AS_INDENT");
  const first = tabs ? [] : others.slice(0, lost < 0 ? others.length : lost + 1);
  const byLine = new Map<number, Complaint>();
  for (const error of [...causes, ...first]) {
    const complaint = { offset: placeOf(error, parsed), ...inOurWords(error.code, error.message) };
    const line = lineOf(complaint.offset);
    if (!byLine.has(line)) byLine.set(line, complaint);
  }
  return [...byLine.values()].sort((a, b) => a.offset - b.offset);
}

/** A quote is missed at the end of all that it took in; where it was opened is what a person looks for. */
function placeOf({ code, message, pos: [at] }: YAMLError, parsed: Parsed): number {
  let opened = at;
  if (code === "MISSING_CHAR" && message.includes("quote"))
    visit(parsed, {
      Scalar: (_key, { type, range }) => {
        if (type?.startsWith("QUOTE") && range?.[1] === at) opened = range[0];
      },
    });
  return opened;
}

/** The library's messages without what they quote from the file: there may be a secret in it. */
function inOurWords(code: string, message: string): { what: string; hint: string } {
  switch (code) {
    case "TAB_AS_INDENT":
      return { what: "a tab cannot indent YAML", hint: "use spaces" };
    case "MULTIPLE_DOCS":
      return { what: "the file holds several documents", hint: "remove the line --- and what belongs to another file" };
    case "BLOCK_AS_IMPLICIT_KEY":
    case "BLOCK_IN_FLOW":
      return {
        what: "a map begins where a value ends",
        hint: "indent it under its key, or put a text that holds a colon in quotes",
      };
    case "MULTILINE_IMPLICIT_KEY":
      return { what: "a key must end in the line it begins in", hint: "a colon, or the space after a - is missing" };
    case "BAD_SCALAR_START":
      return { what: "a text cannot begin with this character", hint: "put it in quotes" };
    case "BAD_DQ_ESCAPE":
      return {
        what: "an escape that double quotes do not know",
        hint: "use single quotes: in them a backslash is a backslash",
      };
    case "RESOURCE_EXHAUSTION":
      return { what: "this is nested too deep", hint: `at most ${DEPTH_MAX} levels` };
    case "BAD_INDENT":
      return {
        what: "the indentation does not fit",
        hint: "keys of one map start in the same column; a bracket that is opened is closed",
      };
    case "MISSING_CHAR":
      if (message.includes("quote")) return { what: "this quote is not closed", hint: "close it where the text ends" };
      return {
        what: `something is missing: ${message.replaceAll(/"[^"]*"/g, '"…"')}`,
        hint: "a bracket is not closed, or a key lacks its colon",
      };
    default:
      return {
        what: `this is not YAML (${code.toLowerCase().replaceAll("_", "-")})`,
        hint: "look at the indentation, quotes and brackets here and just before",
      };
  }
}
