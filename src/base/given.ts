type Given<T> = { [K in keyof T]?: NonNullable<T[K]> };

/** The fields that are there: what is null is left out. */
export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as Given<T>;
}
