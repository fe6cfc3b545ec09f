/**
 * `tidegate audit verify`: recomputes the chain of an exported log, and holds it against a signed head that was kept
 * elsewhere. Needs no server, no database and no network.
 */
import { createReadStream, readFileSync } from "node:fs";
import { canonicalJson } from "../base/canonical.ts";
import type { EntryLeaf } from "../domain/audit.ts";
import { chainHash, chainStart } from "../store/audit.ts";
import { parseHead, type SignedHead } from "../store/audit-head.ts";
import type { CommandResult } from "./check.ts";

export type VerifyOptions = {
  /** JSON lines, as "tidegate audit export" writes them. */
  readonly file: string;
  /** A kept head; without one, a log that was rewritten or cut as a whole cannot be told from a true one. */
  readonly head?: string;
  /** Id of the key that must have signed the head. */
  readonly key?: string;
  readonly json?: boolean;
};

type Verdict =
  | { readonly ok: true; readonly entries: number; readonly chainHash: string; readonly installation: string | null }
  /** `position` is the first that is wrong, or missing. */
  | { readonly ok: false; readonly position: number; readonly why: string };

export async function verifyAudit(options: VerifyOptions): Promise<CommandResult> {
  const head = options.head === undefined ? null : parseHead(readFileSync(options.head, "utf8"), options.head);
  if (head !== null && options.key !== undefined && head.keyId !== options.key)
    throw new Error(`${options.head} is signed with key ${head.keyId}, not with ${options.key}. It proves nothing.`);
  const verdict = await verifyChain(options.file, head);
  const text = options.json
    ? JSON.stringify({ ...verdict, head: head && headFacts(head) })
    : told(verdict, head, options);
  return { exitCode: verdict.ok ? 0 : 1, text };
}

const headFacts = ({ position, at, keyId }: SignedHead) => ({ position, at, keyId });

async function verifyChain(file: string, head: SignedHead | null): Promise<Verdict> {
  let [position, hash] = [0, chainStart];
  let installation: string | null = null;
  for await (const line of lines(file)) {
    const next = position + 1;
    const bad = (why: string): Verdict => ({ ok: false, position: next, why });
    const entry = parse(line);
    if (entry === null) return bad("this line holds no entry");
    if (entry.seq !== next) return bad(`the entry is missing: ${entry.seq} follows ${position}`);
    hash = chainHash(hash, next, canonicalJson(leafOf(entry)));
    if (hash !== entry.chainHash)
      return bad("the entry is not as it was written: its chain hash does not follow from what it says");
    installation ??= entry.installation;
    if (head !== null && installation !== head.installation)
      return bad(`the log is of the installation ${installation}, the head of ${head.installation}`);
    if (next === head?.position && hash !== head.chainHash)
      return bad(`the log was rewritten at or before this position: the head signed at ${head.at} says otherwise`);
    position = next;
  }
  if (head !== null && position < head.position)
    return {
      ok: false,
      position: position + 1,
      why: `the end is missing: the log stops at ${position}, and the head signed at ${head.at} is at ${head.position}`,
    };
  return { ok: true, entries: position, chainHash: hash, installation };
}

/** What the answer does not speak of. */
const NOT_COVERED = "Names and texts of people (who, personal) are not part of the chain.";

function told(verdict: Verdict, head: SignedHead | null, { file, key }: VerifyOptions): string {
  if (!verdict.ok)
    return `${file} is NOT whole. First bad position: ${verdict.position}. What is wrong: ${verdict.why}.`;
  const whole = `${file} is whole: ${verdict.entries} entries, chain hash ${verdict.chainHash}.`;
  if (head === null)
    return `${whole}\nWithout --head nothing is said about entries cut from its end, or a log rewritten from some place on. ${NOT_COVERED}`;
  const trusted =
    key === undefined
      ? `the key ${head.keyId} (compare it with the id you know, or give it with --key)`
      : `the key ${head.keyId}`;
  return `${whole}\nIt goes on from the head of position ${head.position}, signed at ${head.at} with ${trusted}. ${NOT_COVERED}`;
}

type ExportedEntry = EntryLeaf & {
  readonly seq: number;
  readonly chainHash: string;
  readonly who?: unknown;
  readonly personal?: unknown;
};

/** What was hashed: everything but these four, so that a member put in later shows. */
function leafOf({ seq: _seq, chainHash: _hash, who: _who, personal: _personal, ...leaf }: ExportedEntry): object {
  return leaf;
}

function parse(line: string): ExportedEntry | null {
  try {
    const value = JSON.parse(line) as ExportedEntry | null;
    return typeof value?.seq === "number" && typeof value.chainHash === "string" ? value : null;
  } catch {
    return null;
  }
}

async function* lines(file: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(file, "utf8") as AsyncIterable<string>) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest.trim() !== "") yield rest;
}
