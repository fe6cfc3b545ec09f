import { systemClock } from "../base/clock.ts";
import type { Output } from "./output.ts";
import { cut } from "./words/table.ts";
import { roughly } from "./words/time.ts";

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 120;
const CLEAR_LINE = "\r\u001b[K";

/**
 * One line on stderr that says what is being waited for and for how long already. Where stderr is no terminal each new
 * text is written once, as a line of its own.
 */
export class LiveLine {
  readonly #output: Output;
  readonly #sinceMs = systemClock.monotonicMs();
  #text = "";
  #timer: NodeJS.Timeout | null = null;
  #frame = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  say(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    if (!this.#output.live) {
      this.#output.note(text);
      return;
    }
    this.#draw();
    this.#timer ??= setInterval(() => this.#draw(), FRAME_MS).unref();
  }

  /** Takes the line away, so that what follows begins on a clean one. */
  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#output.live && this.#text !== "") this.#output.writeError(CLEAR_LINE);
    this.#timer = null;
    this.#text = "";
  }

  #draw(): void {
    const { paint, width } = this.#output.notePage;
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const waited = ` ${roughly(systemClock.monotonicMs() - this.#sinceMs)}`;
    const text = cut(this.#text, width - waited.length - 3);
    this.#output.writeError(`${CLEAR_LINE}${paint("cyan", FRAMES[this.#frame] ?? "")} ${text}${paint("dim", waited)}`);
  }
}
