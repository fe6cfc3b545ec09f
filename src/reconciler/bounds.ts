/** How much one process works on targets at once, as the environment sets it. */
export type Bounds = {
  /** Grants of one resource at once; each has sessions of its own on the target. */
  readonly perTarget: number;
  /** Grants in all at once, and one more for each resource that would have none. */
  readonly inFlightMax: number;
  /** Connections to the store for this work; calls of the API have others. */
  readonly connections: number;
};

export const BOUNDS: Bounds = { perTarget: 8, inFlightMax: 64, connections: 6 };

type Env = Readonly<Record<string, string | undefined>>;

/** Throws a sentence where a variable is not understood. */
export function boundsFrom(env: Env): Bounds {
  const count = (name: string, usual: number): number => {
    const text = env[name]?.trim() || null;
    if (text === null) return usual;
    if (!/^[1-9]\d{0,3}$/.test(text))
      throw new Error(`${name}=${text} is no count. Write a whole number from 1 to 9999.`);
    return Number(text);
  };
  return {
    perTarget: count("TIDEGATE_WORK_PER_TARGET", BOUNDS.perTarget),
    inFlightMax: count("TIDEGATE_WORK_AT_ONCE", BOUNDS.inFlightMax),
    connections: count("TIDEGATE_WORK_CONNECTIONS", BOUNDS.connections),
  };
}
