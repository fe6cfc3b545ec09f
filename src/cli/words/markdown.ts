/** Markdown in which a text is a text, whoever chose it. */
export const markdownTable = (titles: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  [titles, titles.map(() => "---"), ...rows].map(
    (row) => `| ${row.map((one) => (one === "---" ? one : escaped(one))).join(" | ")} |`,
  );

/** What would be read as markup is text, whoever chose it. */
export const escaped = (text: string): string =>
  text.replaceAll(/[\\`*_[\]<>|#&~]/g, (sign) => `\\${sign}`).replaceAll(/\s+/g, " ");
