/**
 * Where each character of a YAML text stands in the file, so that a mistake inside a condition can be pointed at.
 *
 * All styles of YAML keep the characters that are not white space in their order; they differ in quotes, escapes and in
 * what they do to line breaks. So the value is walked along the source: escapes are taken as a whole, and a run of
 * white space in the value stands where the run in the source begins.
 */
export function scalarOffsets(
  source: string,
  start: number,
  end: number,
  style: string,
  value: string,
): readonly number[] {
  const offsets: number[] = [];
  let at = style.startsWith("BLOCK") ? lineAfter(source, start, end) : style.startsWith("QUOTE") ? start + 1 : start;
  for (let index = 0; index < value.length; index++) {
    const char = value[index] ?? "";
    if (style === "QUOTE_DOUBLE") {
      while (source[at] === "\\" && /[\r\n]/.test(source[at + 1] ?? "")) at = skipSpace(source, at + 1, end);
      if (source[at] === "\\") {
        offsets.push(at);
        at += escapeLength(source, at);
        // An escape beyond the first 65,536 characters of Unicode is two in the value.
        if (isLeadSurrogate(char)) {
          offsets.push(at);
          index++;
        }
        continue;
      }
    }
    if (!isSpace(char)) {
      if (source[at] !== char) at = skipSpace(source, at, end);
      offsets.push(at);
      at += style === "QUOTE_SINGLE" && char === "'" ? 2 : 1;
    } else if (source[at] === char) {
      offsets.push(at);
      at++;
    } else {
      offsets.push(at);
      if (isSpace(source[at] ?? "") && !isSpace(value[index + 1] ?? "")) at = skipSpace(source, at, end);
    }
    if (at > end) at = end;
  }
  // One more: a mistake may stand at the end ("the condition ends too early").
  offsets.push(Math.min(at, end));
  return offsets;
}

const isSpace = (char: string): boolean => char === " " || char === "\n" || char === "\t" || char === "\r";
const isLeadSurrogate = (char: string): boolean => char >= "\ud800" && char <= "\udbff";

function skipSpace(source: string, from: number, end: number): number {
  let at = from;
  while (at < end && isSpace(source[at] ?? "")) at++;
  return at;
}

function lineAfter(source: string, start: number, end: number): number {
  const newline = source.indexOf("\n", start);
  return newline === -1 || newline >= end ? end : newline + 1;
}

function escapeLength(source: string, at: number): number {
  return { x: 4, u: 6, U: 10 }[source[at + 1] ?? ""] ?? 2;
}
