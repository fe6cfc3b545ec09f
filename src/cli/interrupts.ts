export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGQUIT";

const SIGNALS: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/** Thrown where waiting was broken off by a signal, once what had begun was put in order. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly received: Signal;

  constructor(received: Signal, message: string) {
    super(message);
    this.received = received;
  }
}

/**
 * Turns the signals that would end this process into something that the waiting can see, so that nothing is left half
 * done. The first one aborts `signal`. A second Ctrl-C ends the process at once: whoever insists is obeyed.
 */
export class Interrupts {
  readonly #controller = new AbortController();
  readonly #listeners = new Map<Signal, () => void>();
  readonly #insisting: (received: Signal) => void;
  #received: Signal | null = null;
  #instead: ((received: Signal) => void) | null = null;

  /** `insisting` is called on a second Ctrl-C; it says what is left undone and exits. */
  constructor(insisting: (received: Signal) => void) {
    this.#insisting = insisting;
    for (const name of SIGNALS) {
      const listener = (): void => this.#take(name);
      this.#listeners.set(name, listener);
      process.on(name, listener);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get received(): Signal | null {
    return this.#received;
  }

  /** While this work is done signals mean something else. There is no moment at which nobody listens. */
  async meanwhile<T>(handler: (received: Signal) => void, work: () => Promise<T>): Promise<T> {
    this.#instead = handler;
    try {
      return await work();
    } finally {
      this.#instead = null;
    }
  }

  stop(): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
    this.#listeners.clear();
  }

  #take(name: Signal): void {
    if (this.#instead !== null) this.#instead(name);
    else if (this.#received === null) {
      this.#received = name;
      this.#controller.abort();
    } else if (name === "SIGINT") this.#insisting(name);
  }
}
