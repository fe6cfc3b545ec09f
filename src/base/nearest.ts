/** How many characters must be put in, taken out, changed or swapped with their neighbour to get from one word to the other. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    rows.push(line);
    for (let column = 1; column <= b.length; column++) {
      const changed = a[row - 1] === b[column - 1] ? 0 : 1;
      let best = Math.min(at(row - 1, column) + 1, at(row, column - 1) + 1, at(row - 1, column - 1) + changed);
      if (a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        best = Math.min(best, at(row - 2, column - 2) + 1);
      line.push(best);
    }
  }
  return at(a.length, b.length);
}

const WORD_CHARS_MAX = 64;

/** The name that was probably meant, or null when none is near enough to be worth saying. */
export function nearest(word: string, names: Iterable<string>): string | null {
  if (word.length > WORD_CHARS_MAX) return null;
  const wanted = word.toLowerCase();
  let found: string | null = null;
  // A third of the word may be wrong, and never all of it.
  let distance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    if (name.length > WORD_CHARS_MAX) continue;
    const tried = editDistance(wanted, name.toLowerCase());
    if (tried < distance && tried < name.length) {
      distance = tried;
      found = name;
    }
  }
  return found;
}

/** `did you mean groups?`, or what there is to choose from. */
export function suggest(word: string, names: readonly string[], what: string): string {
  const near = nearest(word, names);
  if (near !== null) return `did you mean ${near}?`;
  return names.length === 0
    ? `there are no ${what}`
    : `${what}: ${names.slice(0, SHOWN_MAX).join(", ")}${names.length > SHOWN_MAX ? ", …" : ""}`;
}

const SHOWN_MAX = 20;
