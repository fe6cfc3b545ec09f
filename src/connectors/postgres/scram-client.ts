/**
 * The driver with a sign-in of its own: `pg` derives its keys anew each time and gives each of six small steps to another
 * thread, which cost more than all statements of a revocation (measured: docs/rfd/0004-under-load.md). The messages are the
 * same, and the server must prove that it knows the password as before.
 */
import pg from "pg";
import { answerScram } from "../../base/scram.ts";
import { Secret } from "../../base/secret.ts";

/** What the driver keeps of a sign-in that is under way, and how it answers; both are its own, so its version is pinned. */
type Driver = {
  readonly password: string | null;
  readonly saslSession: { mechanism: string; clientNonce: string; message: string; serverSignature?: string };
  readonly connection: { sendSCRAMClientFinalMessage(text: string): void; emit(event: "error", error: unknown): void };
};

export class ScramClient extends pg.Client {
  /** Called by the driver with the server's first message. */
  async _handleAuthSASLContinue({ data }: { data: string }): Promise<void> {
    const { password, saslSession, connection } = this as unknown as Driver;
    try {
      if (saslSession.mechanism !== "SCRAM-SHA-256" || saslSession.message !== "SASLInitialResponse")
        throw new Error(`SCRAM: ${saslSession.mechanism} was not asked for`);
      if (password === null || password === "") throw new Error("SCRAM: there is no password to sign in with");
      const { response, serverSignature } = await answerScram(new Secret(password), saslSession.clientNonce, data);
      // The driver compares it with what the server says to our answer.
      Object.assign(saslSession, { message: "SASLResponse", serverSignature });
      connection.sendSCRAMClientFinalMessage(response);
    } catch (error) {
      connection.emit("error", error);
    }
  }
}
