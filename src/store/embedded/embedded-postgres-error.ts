/**
 * What an operator can mend: a folder in use, a port taken, a server that does not come up. The message says what to do,
 * so that a command can print it without a stack.
 */
export class EmbeddedPostgresError extends Error {
  override readonly name = "EmbeddedPostgresError";
}
