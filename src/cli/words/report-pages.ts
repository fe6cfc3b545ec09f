/** A report as Markdown, and as one page that prints: no script, nothing from elsewhere, every text a text. */
import { clean } from "./clean.ts";
import { escaped, markdownTable } from "./markdown.ts";

export type Table = { readonly titles: readonly string[]; readonly rows: readonly (readonly string[])[] };
export type Section = { readonly title: string; readonly text: readonly string[]; readonly table?: Table };
export type Report = {
  readonly title: string;
  /** What must not be overlooked. */
  readonly alarm: string | null;
  readonly sections: readonly Section[];
};

export function reportMarkdown(made: Report): string {
  const { title, alarm, sections } = clean(made);
  return [
    `# ${escaped(title)}`,
    "",
    ...(alarm === null ? [] : [`**${escaped(alarm)}**`, ""]),
    ...sections.flatMap(({ title: of, text, table }) => [
      `## ${escaped(of)}`,
      "",
      ...text.flatMap((line) => [escaped(line), ""]),
      ...(table === undefined
        ? []
        : [...(table.rows.length === 0 ? ["None."] : markdownTable(table.titles, table.rows)), ""]),
    ]),
  ].join("\n");
}

const STYLE =
  "body{font:10pt/1.4 sans-serif;max-width:60em;margin:2em auto}table{border-collapse:collapse;width:100%}th,td{border:1px solid #999;padding:.2em .4em;text-align:left;vertical-align:top;overflow-wrap:anywhere}.alarm{border:3px solid #b00;color:#b00;padding:.5em;font-weight:bold}tr,h2{break-inside:avoid}h2{break-after:avoid}@page{margin:15mm}";

export function reportHtml(made: Report): string {
  const { title, alarm, sections } = clean(made);
  const cells = (row: readonly string[], tag: string): string =>
    `<tr>${row.map((cell) => `<${tag}>${text(cell)}</${tag}>`).join("")}</tr>`;
  const tableOf = ({ titles, rows }: Table): string =>
    rows.length === 0
      ? "<p>None.</p>"
      : `<table><thead>${cells(titles, "th")}</thead><tbody>${rows.map((row) => cells(row, "td")).join("\n")}</tbody></table>`;
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>${text(title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${text(title)}</h1>`,
    ...(alarm === null ? [] : [`<p class="alarm">${text(alarm)}</p>`]),
    ...sections.flatMap((of) => [
      `<h2>${text(of.title)}</h2>`,
      ...of.text.map((line) => `<p>${text(line)}</p>`),
      ...(of.table === undefined ? [] : [tableOf(of.table)]),
    ]),
    "</body></html>\n",
  ].join("\n");
}

const SIGNS: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const text = (of: string): string => of.replaceAll(/[&<>"']/g, (sign) => SIGNS[sign] ?? sign);
