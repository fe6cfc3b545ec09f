/** Cells in the form of RFC 4180. */
import { clean } from "./clean.ts";

/** What a spreadsheet would take for a formula is text: a name that somebody chose must not run on the auditor's machine. */
const FORMULA = /^[=+\-@\t\r]/;

export function csvCell(value: string | number): string {
  if (typeof value === "number") return String(value);
  const text = clean(value);
  const defused = FORMULA.test(text.trimStart()) ? `'${text}` : text;
  return /[",\r\n]/.test(defused) || defused !== defused.trim() ? `"${defused.replaceAll('"', '""')}"` : defused;
}
