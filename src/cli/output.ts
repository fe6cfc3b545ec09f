import { once } from "node:events";
import { styleText } from "node:util";
import { systemClock } from "../base/clock.ts";
import { clean } from "./words/clean.ts";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";
export type Paint = (style: Style, text: string) => string;

/** For texts that go nowhere near a terminal. */
export const plain: Paint = (_style, text) => text;

/** Where a line is about to go: how wide it may be, and how to colour it. */
export type Page = {
  readonly paint: Paint;
  /** Columns of the terminal; infinite where there is none, so that nothing is cut in a pipe. */
  readonly width: number;
  readonly nowMs: number;
};

type Stream = NodeJS.WriteStream;

/**
 * The two streams of a command. Answers go to stdout. Everything said on the way goes to stderr. With `--json` stdout
 * holds JSON and nothing else: the answer, or the problem in its place.
 */
export class Output {
  readonly json: boolean;
  readonly #stdout: Stream;
  readonly #stderr: Stream;

  constructor(json: boolean, streams: { stdout: Stream; stderr: Stream } = process) {
    this.json = json;
    this.#stdout = streams.stdout;
    this.#stderr = streams.stderr;
  }

  /** A person is there to be asked, and can see the question. */
  get interactive(): boolean {
    return !this.json && process.stdin.isTTY === true && this.#stderr.isTTY === true;
  }

  /** Whether a line on stderr may be written over. */
  get live(): boolean {
    return !this.json && this.#stderr.isTTY === true;
  }

  get page(): Page {
    return page(this.#stdout);
  }

  get notePage(): Page {
    return page(this.#stderr);
  }

  /** The answer of a command: as JSON, or in the words that `tell` finds for it. */
  answer<T>(value: T, tell: (value: T, page: Page) => readonly string[]): void {
    if (this.json) this.jsonLine(value);
    else this.lines(tell(clean(value), this.page));
  }

  jsonLine(value: unknown): void {
    this.#stdout.write(`${JSON.stringify(value, null, this.#stdout.isTTY ? 2 : 0)}\n`);
  }

  /** One JSON value in one line, however it is shown: for a stream of them. */
  jsonEntry(value: unknown): void {
    this.#stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** As they are; resolves when there is room for more. */
  async bytes(bytes: Uint8Array): Promise<void> {
    if (!this.#stdout.write(bytes)) await once(this.#stdout, "drain");
  }

  lines(lines: readonly string[]): void {
    if (lines.length > 0) this.#stdout.write(`${lines.join("\n")}\n`);
  }

  /** Something worth knowing that is not the answer. */
  note(...lines: readonly string[]): void {
    if (lines.length > 0) this.#stderr.write(`${lines.join("\n")}\n`);
  }

  /** Raw, for the live line. */
  writeError(text: string): void {
    this.#stderr.write(text);
  }
}

const WIDTH_UNKNOWN = 80;

const page = (stream: Stream): Page => ({
  paint: (style, text) => styleText(style, text, { stream }),
  // Some terminals say that they are 0 columns wide.
  width: stream.isTTY ? stream.columns || WIDTH_UNKNOWN : Number.POSITIVE_INFINITY,
  nowMs: systemClock.nowMs(),
});
