export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP";

const SIGNALS: readonly Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

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
  readonly #handlers = new Map<NodeJS.Signals, () => void>();
  #received: Signal | null = null;
  #insisting: (received: Signal) => void;

  /** `insisting` is called on a second Ctrl-C; it says what is left undone and exits. */
  constructor(insisting: (received: Signal) => void) {
    this.#insisting = insisting;
    for (const name of SIGNALS) this.#listen(name, () => this.#take(name));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get received(): Signal | null {
    return this.#received;
  }

  stop(): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
    this.#handlers.clear();
  }

  #listen(name: Signal, handler: () => void): void {
    this.#handlers.set(name, handler);
    process.on(name, handler);
  }

  #take(name: Signal): void {
    if (this.#received === null) {
      this.#received = name;
      this.#controller.abort();
    } else if (name === "SIGINT") this.#insisting(name);
  }
}
