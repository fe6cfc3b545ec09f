/**
 * Minified JavaScript in lines of a bearable length, and its map moved along. Node shows the line of an error that nobody
 * caught: all in one line would fill a screen, or a log.
 */
import { decode, encode, type SourceMapMappings } from "@jridgewell/sourcemap-codec";
import { parse } from "acorn";

/** A screen of a terminal. */
const LENGTH = 2_000;
/** After one of these a line may end, wherever it stands: no statement ends by that. */
const BREAKABLE = new Set([";", ",", "{"]);

export function breakLines(code: string, mappings: string): { code: string; mappings: string } {
  const ends = breaks(code);
  return { code: cut(code, ends).join("\n"), mappings: encode(moved(decode(mappings), code, ends)) };
}

/** Offsets at which a line ends that did not end there before. */
function breaks(code: string): number[] {
  const ends: number[] = [];
  let start = 0;
  parse(code, {
    ecmaVersion: "latest",
    sourceType: "module",
    onToken: ({ type, end }) => {
      start = Math.max(start, code.lastIndexOf("\n", end - 1) + 1);
      if (end - start < LENGTH || !BREAKABLE.has(type.label)) return;
      ends.push(end);
      start = end;
    },
  });
  return ends;
}

const cut = (code: string, ends: readonly number[]): string[] =>
  [...ends, code.length].map((end, index) => code.slice(ends[index - 1] ?? 0, end));

/** Each line's segments, given to the lines that it is now; their columns count from the new starts. */
function moved(lines: SourceMapMappings, code: string, ends: readonly number[]): SourceMapMappings {
  let lineStart = 0;
  let next = 0;
  return lines.flatMap((segments) => {
    const lineEnd = code.indexOf("\n", lineStart) + 1 || code.length + 1;
    const parts: SourceMapMappings = [[]];
    let partStart = lineStart;
    const open = (end: number): void => {
      parts.push([]);
      partStart = end;
      next += 1;
    };
    for (const segment of segments) {
      const at = lineStart + segment[0];
      for (let end = ends[next]; end !== undefined && end <= at; end = ends[next]) open(end);
      segment[0] = at - partStart;
      parts.at(-1)?.push(segment);
    }
    for (let end = ends[next]; end !== undefined && end < lineEnd; end = ends[next]) open(end);
    lineStart = lineEnd;
    return parts;
  });
}
