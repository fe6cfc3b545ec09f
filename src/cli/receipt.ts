/** `tidegate receipt`: the file that shows to whoever has it that access is gone; checked here before anybody trusts it. */
import type { Command } from "commander";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { createFile } from "./new-file.ts";
import { grantIdText, withExamples, withServer } from "./options.ts";

type Options = { readonly out?: string; readonly withoutPersonal?: true };

export function receipt(program: Command): void {
  const command = program
    .command("receipt")
    .description("the receipt of a grant that is proven gone: one file, for people and to verify without a server")
    .argument("<grant>", "the grant: gr_…", grantIdText)
    .option("--out <file>", "write to this file, which must not exist; default: stdout")
    .option("--without-personal", "leave out what people are called and wrote; what verifies stays");
  withExamples(
    withServer(command),
    "tidegate receipt gr_0123456789abcdef --out receipt.txt",
    "tidegate audit verify receipt.txt",
  ).action(act(write));
}

async function write({ client, output }: Context, id: string, options: Options): Promise<void> {
  const personal = options.withoutPersonal === true ? "no" : "yes";
  const bytes = await client.receipt(id, personal).catch((error: unknown) => {
    throw notYet(error) ?? error;
  });
  const { Verifier } = await import("../../verifier/verify.mjs");
  const verifier = new Verifier();
  verifier.push(bytes);
  const verdict = verifier.end();
  if (!verdict.ok)
    throw new CommandFailure("bad-receipt", `What the server sent proves nothing: ${verdict.why}.`, EXIT.failed);
  if (options.out !== undefined) {
    const file = await createFile(options.out);
    try {
      await file.write(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  } else if (!output.json) await output.bytes(bytes);
  if (output.json) output.jsonLine({ ...verdict, file: options.out ?? null });
  else
    output.note(
      `${bytes.length} bytes${options.out === undefined ? "" : ` in ${options.out}`}. To check them: tidegate audit verify ${options.out ?? "FILE"}`,
    );
}

type Refused = { readonly code: string; readonly detail: string; readonly extra: Readonly<Record<string, unknown>> };

/** What will end has a receipt later; what was never made never has one, and of what was dropped there is none any more. */
function notYet(error: unknown): CommandFailure | null {
  const { code, detail, extra } = error as Partial<Refused>;
  if (code !== "no-receipt" || detail === undefined || extra?.["state"] === "cancelled" || "dropped" in (extra ?? {}))
    return null;
  return new CommandFailure(code, detail, EXIT.pending, extra);
}
