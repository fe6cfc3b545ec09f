/** Somebody at a terminal decides on what waits for them: they read it, then approve, ask back, approve less, deny, or leave it. */
import { parseDuration } from "../base/duration.ts";
import type { RequestView } from "../contract/access.ts";
import type { Context } from "./connect.ts";
import { Interrupted } from "./interrupts.ts";
import { clean, cleanText } from "./words/clean.ts";
import { commentedLines } from "./words/commented-words.ts";
import { requestLines } from "./words/request-words.ts";
import { reviewedLines } from "./words/reviewed-words.ts";

const shown = { output: process.stderr };

export async function reviewByAsking(context: Context): Promise<void> {
  const { client, output } = context;
  const { requests } = await client.listRequests({ role: "approver", state: "pending" });
  const waiting = requests.filter(({ canReview }) => canReview);
  if (waiting.length === 0) return output.lines(["Nothing waits for your review."]);
  const id = await pick(
    "What do you want to decide on?",
    waiting.map(({ id: value, requester, entitlement, duration, reason }) => ({
      value,
      label: cleanText(`${requester.handle}: ${entitlement} for ${duration}`),
      hint: cleanText(reason),
    })),
  );
  const request = await client.getRequest(id);
  output.note(...requestLines(clean(request), output.notePage));
  await decide(context, request);
}

async function decide({ client, output }: Context, request: RequestView): Promise<void> {
  const { id, canOffer, version: seen } = request;
  const what = await pick("What do you say?", [
    { value: "approve", label: "Approve it as asked" },
    { value: "ask", label: `Ask ${request.requester.handle} for more information first` },
    { value: "shorter", label: "Approve it for a shorter time" },
    ...(canOffer.length === 0 ? [] : [{ value: "narrower", label: "Approve something narrower instead" }]),
    { value: "deny", label: "Deny it" },
    { value: "leave", label: "Leave it for now" },
  ]);
  switch (what) {
    case "leave":
      return output.lines(["Nothing was decided."]);
    case "ask": {
      const text = await write(`What do you want to know? (${request.requester.handle} reads this)`);
      return output.answer(await client.commentOnRequest(id, { text, asks: true }), commentedLines(true));
    }
    case "deny": {
      const comment = await write("Why not? (the requester reads this)");
      return output.answer(await client.reviewRequest(id, { verdict: "deny", comment }, { seen }), reviewedLines);
    }
    default: {
      const duration = what === "shorter" ? await typeShorter(request.duration) : null;
      const entitlement = what === "narrower" ? await pickNarrower(request) : null;
      const review = { verdict: "approve" as const, duration, entitlement };
      return output.answer(await client.reviewRequest(id, review, { seen }), reviewedLines);
    }
  }
}

const pickNarrower = ({ canOffer }: RequestView): Promise<string> =>
  pick(
    "What instead?",
    canOffer.map(({ entitlement, title, describe }) => ({
      value: entitlement,
      label: cleanText(`${entitlement}  ${title}`),
      hint: cleanText(describe.join("; ")),
    })),
  );

type Choice = { readonly value: string; readonly label: string; readonly hint?: string };

async function pick(message: string, options: readonly Choice[]): Promise<string> {
  const { select } = await import("@clack/prompts");
  return answered(await select<string>({ ...shown, message, maxItems: 12, options: [...options] }));
}

async function write(message: string): Promise<string> {
  const { text } = await import("@clack/prompts");
  const validate = (written: string | undefined) => (written?.trim() ? undefined : "Write something.");
  return answered(await text({ ...shown, message, validate }));
}

async function typeShorter(asked: string): Promise<string> {
  const { text } = await import("@clack/prompts");
  const validate = (written: string | undefined) => {
    const parsed = parseDuration(written ?? "");
    return parsed.ok ? undefined : parsed.why;
  };
  return answered(await text({ ...shown, message: `For how long? (asked: ${asked})`, validate }));
}

function answered(answer: string | symbol): string {
  if (typeof answer === "string") return answer;
  throw new Interrupted("SIGINT", "Nothing was decided.");
}
