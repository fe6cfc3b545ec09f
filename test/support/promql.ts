/** What a PromQL expression names: its metrics and its labels. Enough of the language for dashboards and alarms; no evaluation. */

export type Named = { readonly metrics: readonly string[]; readonly labels: readonly string[] };

const STRING = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g;
/** Durations and Grafana's variables: `[5m]`, `[$__rate_interval]`, `offset 1d`. */
const RANGE = /\[[^\]]*\]|\boffset\s+\S+/g;
const LABEL_LIST = /\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const SELECTOR = /\{([^}]*)\}/g;
const WORD = /[a-zA-Z_:][a-zA-Z0-9_:]*/g;
const OPERATORS = new Set(["and", "or", "unless", "bool", "by", "without", "on", "ignoring", "inf", "nan", "atan2"]);

/** Throws where a word is neither a metric in its place, a function before its parenthesis, nor an operator. */
export function namedIn(expression: string): Named {
  const labels = new Set<string>();
  const note = (names: readonly string[]): string => {
    for (const name of names) labels.add(name);
    return " ";
  };
  const bare = expression
    .replaceAll(STRING, '""')
    .replaceAll(RANGE, " ")
    .replaceAll(LABEL_LIST, (_all, _word, list: string) => note(list.match(WORD) ?? []))
    .replaceAll(SELECTOR, (_all, inside: string) =>
      note(Array.from(inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g), ([, name = ""]) => name)),
    );
  const metrics = new Set<string>();
  for (const { 0: word, index } of bare.matchAll(WORD)) {
    const isFunction = /^\s*\(/.test(bare.slice(index + word.length));
    const isNumber = /[0-9.]$/.test(bare.slice(0, index));
    if (!isFunction && !isNumber && !OPERATORS.has(word.toLowerCase())) metrics.add(word);
  }
  if (metrics.size === 0) throw new Error(`no metric in ${expression}`);
  return { metrics: [...metrics], labels: [...labels] };
}
