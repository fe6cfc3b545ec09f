/** What a request needs, from the options, and from the person where something is missing and somebody is there to be asked. */

import { parseDuration } from "../base/duration.ts";
import type { EntitlementView } from "../contract/catalog.ts";
import type { Context } from "./connect.ts";
import { Interrupted } from "./interrupts.ts";
import { requireGiven } from "./options.ts";
import { cleanText } from "./words/clean.ts";

export type Given = {
  readonly entitlement?: string | undefined;
  readonly for?: string | undefined;
  readonly reason?: string | undefined;
};
export type Asked = { readonly entitlement: string; readonly duration: string; readonly reason: string };

/** Everything that is needed; or, where nobody can be asked, the refusal that says what is missing. */
export async function askForMissing({ client, output }: Context, given: Given, example: string): Promise<Asked> {
  const { entitlement, for: duration, reason } = given;
  const has = (text: string | undefined): text is string => text !== undefined && text.trim() !== "";
  if (has(entitlement) && has(duration) && has(reason)) return { entitlement, duration, reason };
  if (!output.interactive) {
    const missing = [
      ...(has(entitlement) ? [] : ["the entitlement (such as orders-db:read)"]),
      ...(has(duration) ? [] : ["--for"]),
      ...(has(reason) ? [] : ["--reason"]),
    ];
    requireGiven(missing, example);
  }
  const { resources } = await client.listResources();
  const all = resources.flatMap((resource) => resource.entitlements);
  const wanted = has(entitlement) ? entitlement : await pickEntitlement(all);
  const view = all.find(({ ref }) => ref === wanted);
  return {
    entitlement: wanted,
    duration: has(duration) ? duration : await typeDuration(view),
    reason: has(reason) ? reason : await typeReason(),
  };
}

/** What is wanted, picked by the person where it was not named and somebody is there to pick. */
export async function nameEntitlement(
  { client, output }: Context,
  given: string | undefined,
): Promise<string | undefined> {
  if (given !== undefined || !output.interactive) return given;
  const { resources } = await client.listResources();
  return pickEntitlement(resources.flatMap((resource) => resource.entitlements));
}

/** Questions go to stderr: stdout is for the answer. */
const shown = { output: process.stderr };

const HINTS = { automatic: "at once", "needs-approval": "needs approval", denied: "policy says no" } as const;

async function pickEntitlement(all: readonly EntitlementView[]): Promise<string> {
  const { autocomplete } = await import("@clack/prompts");
  return answered(
    await autocomplete<string>({
      ...shown,
      message: "What do you need?",
      maxItems: 10,
      options: all.map(({ ref, title, forMe }) => ({
        value: ref,
        label: `${ref}  ${cleanText(title)}`,
        hint: HINTS[forMe.outcome],
      })),
    }),
  );
}

const USUAL = "1h";

async function typeDuration(entitlement: EntitlementView | undefined): Promise<string> {
  const { text } = await import("@clack/prompts");
  const longest = entitlement?.forMe.maxDuration ?? entitlement?.maxDuration;
  const answer = await text({
    ...shown,
    message: longest === undefined ? "For how long?" : `For how long? (at most ${longest})`,
    placeholder: USUAL,
    defaultValue: USUAL,
    validate: (written) => {
      const parsed = parseDuration(written === undefined || written === "" ? USUAL : written);
      return parsed.ok ? undefined : parsed.why;
    },
  });
  return answered(answer);
}

async function typeReason(): Promise<string> {
  const { text } = await import("@clack/prompts");
  const answer = await text({
    ...shown,
    message: "Why? (approvers and the log read this)",
    validate: (written) => (written === undefined || written.trim() === "" ? "Write a reason." : undefined),
  });
  return answered(answer);
}

/** Whether to go on, where somebody is there to be asked; else it goes on. */
export async function goesOn({ output }: Pick<Context, "output">, question: string): Promise<boolean> {
  if (!output.interactive) return true;
  const { confirm } = await import("@clack/prompts");
  return (await confirm({ ...shown, message: question })) === true;
}

/** What was answered; Ctrl-C in a question ends the command before anything was asked of the server. */
function answered(answer: string | symbol): string {
  if (typeof answer === "string") return answer;
  throw new Interrupted("SIGINT", "Nothing was asked for.");
}
