/** Throws when a fact the code relies on does not hold. For bugs only: what a person or a target may cause is a refusal or an error. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Closes a switch over a union: the compiler refuses a case that was forgotten, and so does the running program. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}

/** The value, which the caller knows to be there. */
export function defined<T>(value: T | null | undefined, what: string): T {
  assert(value !== null && value !== undefined, `${what} is missing`);
  return value;
}

export class AssertionError extends Error {
  override readonly name = "AssertionError";
}
