import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { ProblemError, UnexpectedAnswer } from "./client-errors.ts";
import { followEvents, frameParser } from "./client-events.ts";

const event = (seq: number): string =>
  `id: ${seq}\nevent: grant\ndata: ${JSON.stringify({ seq, kind: "grant.active" })}\n\n`;
const answer = (text: string): Response => new Response(text, { headers: { "content-type": "text/event-stream" } });

describe("frames", () => {
  test("are read however the stream was cut, and whatever its line ends are", () => {
    const plain = `retry: 2000\nid: 1\n: still here\n\n${event(2)}id: 3\ndata: a\ndata:b\n\n`;
    const wanted = frameParser()(plain);
    assert.deepEqual(
      wanted.map(({ id }) => id),
      ["1", "2", "3"],
    );
    assert.equal(wanted[2]?.data, "a\nb");
    fc.assert(
      fc.property(fc.array(fc.nat(plain.length)), fc.constantFrom("\n", "\r\n", "\r"), (cuts, end) => {
        const written = plain.replaceAll("\n", end);
        const parse = frameParser();
        const found = [];
        let from = 0;
        for (const cut of [...cuts.toSorted((a, b) => a - b), written.length]) {
          found.push(...parse(written.slice(from, cut)));
          from = Math.max(from, cut);
        }
        // With a bare carriage return the last line may still become two characters: it waits for what comes next.
        found.push(...parse(`:${end}`));
        assert.deepEqual(found, wanted);
      }),
    );
  });
});

describe("following", () => {
  test("goes on after the last event when a connection breaks, and begins where it is told", async () => {
    const asked: (string | null)[] = [];
    const places: number[] = [];
    const ending = new AbortController();
    const open = async (id: string | null): Promise<Response> => {
      asked.push(id);
      if (asked.length === 1) return answer(event(5));
      if (asked.length === 2) throw new TypeError("fetch failed");
      return answer(`id: 7\n: still here\n\n${event(8)}`);
    };
    const seen: number[] = [];
    const options = { after: 4, signal: ending.signal, onPosition: (seq: number) => places.push(seq) };
    for await (const { seq } of followEvents(open, options)) {
      seen.push(seq);
      if (seq === 8) ending.abort();
    }
    assert.deepEqual(seen, [5, 8]);
    assert.deepEqual(asked, ["4", "5", "5"]);
    assert.deepEqual(places, [5, 7, 8]);
  });

  test("a refusal that time does not mend is thrown; one that it may is tried again", async () => {
    const problem = (status: number, code: string) => new ProblemError(status, { code, detail: "No." });
    for (const error of [problem(401, "unauthenticated"), new UnexpectedAnswer("http://x", 200, "hello")]) {
      const following = followEvents(() => Promise.reject(error), {});
      await assert.rejects(following.next(), error);
    }
    let times = 0;
    const following = followEvents(async () => {
      times += 1;
      if (times === 1) throw problem(429, "too-many-requests");
      return answer(event(1));
    }, {});
    assert.equal((await following.next()).value?.seq, 1);
    await following.return();
  });
});
