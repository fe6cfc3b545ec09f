/** Chance, for what must not be foreseen and for what must not happen at the same moment. */
export type Chance = {
  /** From 0 up to, but not including, 1. Good enough to spread things out, not to keep a secret. */
  fraction(): number;
  /** Bytes that nobody can guess. */
  bytes(count: number): Uint8Array;
};

export const systemChance: Chance = {
  fraction: () => Math.random(),
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};
