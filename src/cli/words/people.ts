const NAMES_SHOWN_MAX = 6;

/** `bob`, `bob or frank`, `bob, frank or carol`, `ann, bob, … or 3 others`. */
export function either(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX);
  const others = names.length - shown.length;
  if (others > 0) return `${shown.join(", ")} or ${others} ${others === 1 ? "other" : "others"}`;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} or ${shown.at(-1)}`;
}

/** `alice (Alice Ames)`, or the handle alone where the name says no more. */
export const fullName = (person: { handle: string; name: string }): string =>
  person.name === "" || person.name === person.handle ? person.handle : `${person.handle} (${person.name})`;
