/** A byte changed to another is detected; the text is as it was afterwards. */
import assert from "node:assert/strict";

export const detector =
  (verify: (text: Buffer) => { readonly ok: boolean }) =>
  (text: Buffer, at: number, to: number): void => {
    const before = text[at] as number;
    if (before === to) return;
    text[at] = to;
    const verdict = verify(text);
    text[at] = before;
    assert.ok(!verdict.ok, `byte ${at} of ${text.length} from ${before} to ${to}: ${text.subarray(at - 20, at + 20)}`);
  };
