/**
 * A store that comes back: when its server dies while we live (killed for memory, by hand, by a full disk), it is started
 * again in its place, with the same port and password, so that every connection that is made anew finds it.
 */
import { type EmbeddedOptions, type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded-postgres.ts";
import { identifyProcess, isAlive } from "./process-identity.ts";

const LOOK_EVERY_MS = 500;
/** Doubles from the first to the last: a server that cannot start must not be started without end. */
const PAUSE_FIRST_MS = 500;
const PAUSE_MAX_MS = 15_000;

export type KeptPostgres = Pick<EmbeddedPostgres, "superuserUrl" | "port" | "stop">;

/** Starts the server and sees to it that it runs until `stop`. `restarted` is told of every time that it had to be started again. */
export async function keepEmbeddedPostgres(
  options: EmbeddedOptions,
  restarted: (failure: Error | null) => void,
): Promise<KeptPostgres> {
  let server = await startEmbeddedPostgres(options);
  const { superuserUrl, port } = server;
  let identity = identifyProcess(server.pid);
  let [stopping, pauseMs, timer] = [false, PAUSE_FIRST_MS, undefined as NodeJS.Timeout | undefined];
  let looking: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    let againMs = LOOK_EVERY_MS;
    if (identity === null || !isAlive(identity)) {
      try {
        // Gives the lock of the folder back; of the dead server nothing else is left.
        await server.stop();
        server = await startEmbeddedPostgres({ ...options, port });
        identity = identifyProcess(server.pid);
        pauseMs = PAUSE_FIRST_MS;
        restarted(null);
      } catch (error) {
        restarted(error instanceof Error ? error : new Error(String(error)));
        againMs = pauseMs;
        pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2);
      }
    }
    if (!stopping) schedule(againMs);
  }
  function schedule(ms: number): void {
    timer = setTimeout(() => {
      looking = look();
    }, ms);
    timer.unref();
  }
  schedule(LOOK_EVERY_MS);

  return {
    superuserUrl,
    port,
    async stop() {
      stopping = true;
      clearTimeout(timer);
      await looking;
      await server.stop();
    },
  };
}
