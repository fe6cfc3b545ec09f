/**
 * `npm run trace < STACK`: a stack trace of an installed package, with the files and lines of the sources. It wants the
 * commit of that package checked out and built (`npm run build`): the same sources give the same files, and their maps.
 */
import { existsSync, readFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { dirname, relative, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");
const PLACE = /(?:file:\/\/)?[^\s()]*\/(dist\/[\w./-]+\.js):(\d+):(\d+)/g;

console.log(readFileSync(0, "utf8").trimEnd().replaceAll(PLACE, inSources));

function inSources(place: string, file: string, line: string, column: string): string {
  const path = resolve(ROOT, `${file}.map`);
  if (!existsSync(path)) return `${place} (not of this build)`;
  const map = new SourceMap(JSON.parse(readFileSync(path, "utf8")) as SourceMapPayload);
  const { fileName, lineNumber } = map.findOrigin(Number(line), Number(column)) as {
    fileName?: string;
    lineNumber?: number;
  };
  return fileName === undefined ? place : `${relative(ROOT, resolve(dirname(path), fileName))}:${lineNumber}`;
}
