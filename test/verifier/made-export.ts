/** An export made in memory by the definitions of RFC 6962, with nothing of the store in it: what the verifier is held against. */
import { createHash } from "node:crypto";
import { signHead } from "../../src/store/audit-head.ts";
import { type SigningKey, signingKeysOf } from "../../src/store/keys/signing-key.ts";

export const keyOf = (n: number): SigningKey => signingKeysOf(Buffer.alloc(32, n).toString("base64"), "this test")[0];

export const KEY = keyOf(1);
export const LOG = "k3v9x2q7";
export const AT = "2026-01-31T12:00:00.000Z";

export const sha = (...parts: Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();

export type Made = { readonly leaf: string; readonly personal?: Record<string, [salt: string, value: string]> };

export const entry = (n: number, says = "nothing"): Made => ({
  leaf: `{"actor":{"system":"jobs"},"data":{"n":${n},"says":"${says}"},"v":1}`,
});

/** Says that everything up to there is dropped. */
export const announcing = (to: number): Made => ({
  leaf: `{"actor":{"system":"jobs"},"at":"${AT}","data":{"before":"${AT}","kept":"2557d","to":${to}},"kind":"audit.drop-announced","v":1}`,
});

/** Every third has a text of a person beside it. */
export function entryWithText(n: number): Made {
  if (n % 3 !== 0) return entry(n);
  const [salt, value] = [String(n).padStart(32, "5a17"), `so said "somebody" of },"leaf": ${n}`];
  const hash = sha(Buffer.from(`${salt}\nreason\n${value}`)).toString("hex");
  return { leaf: `{"commitments":{"reason":"${hash}"},"data":{"n":${n}}}`, personal: { reason: [salt, value] } };
}

/** Hashes of every complete subtree, level by level, and of what is over the end. */
class Tree {
  readonly levels: Buffer[][];

  constructor(leaves: readonly Buffer[]) {
    this.levels = [leaves.map((leaf) => sha(Buffer.of(0), leaf))];
    for (let below = this.levels[0] ?? []; below.length > 1; below = this.levels.at(-1) ?? [])
      this.levels.push(
        Array.from({ length: Math.floor(below.length / 2) }, (_, i) =>
          sha(Buffer.of(1), below[2 * i] as Buffer, below[2 * i + 1] as Buffer),
        ),
      );
  }

  /** MTH(D[from:to]) by its definition; complete subtrees are looked up. */
  root(from: number, to: number): Buffer {
    if (to === from) return sha();
    const level = Math.log2(to - from);
    if (Number.isInteger(level) && from % (to - from) === 0) return this.levels[level]?.[from / (to - from)] as Buffer;
    const k = 2 ** Math.floor(Math.log2(to - from - 1));
    return sha(Buffer.of(1), this.root(from, from + k), this.root(from + k, to));
  }
}

export const treeOf = (entries: readonly Made[]): Tree => new Tree(entries.map(({ leaf }) => Buffer.from(leaf)));

export const rootOf = (entries: readonly Made[]): Buffer => treeOf(entries).root(0, entries.length);

export const checkpointOf = (entries: readonly Made[], { key = KEY, installation = LOG } = {}) =>
  signHead({ installation, size: entries.length, root: rootOf(entries), at: AT }, key);

export type Change = { from: string; to: string; note: string | null };

/** The export as text. `signed`: what the checkpoint is over, where that is not what is exported; `dropped`: whole blocks up to there. */
export function exportOf(
  entries: readonly Made[],
  more: {
    key?: SigningKey;
    installation?: string;
    changes?: readonly Change[];
    signed?: readonly Made[];
    dropped?: number;
  } = {},
): string {
  const { note, by } = checkpointOf(more.signed ?? entries, more);
  const size = entries.length;
  const tree = treeOf(entries);
  const changes = more.changes ?? [];
  const first = { size, root: tree.root(0, size).toString("base64"), checkpoint: note };
  const lines = [JSON.stringify({ tidegateAuditExport: 1, ...first, key: changes[0]?.from ?? by.text, changes })];
  const below = (from: number, to: number, width: number): void => {
    const children = Array.from({ length: Math.ceil((to - from) / width) }, (_, i) => from + i * width);
    const hashes = children.map((at) => tree.root(at, Math.min(to, at + width)));
    lines.push(JSON.stringify({ hashes: Buffer.concat(hashes).toString("base64") }));
    if (width === 1 && to <= (more.dropped ?? 0)) {
      lines.push(JSON.stringify({ dropped: to }));
      return;
    }
    for (const at of children)
      if (width > 1) below(at, Math.min(to, at + width), width / 256);
      else {
        const { leaf, personal } = entries[at] as Made;
        const beside = personal === undefined ? "" : `"personal":${JSON.stringify(personal)},`;
        lines.push(`{"seq":${at + 1},${beside}"leaf":${leaf}}`);
      }
  };
  let width = 1;
  while (width * 256 < size) width *= 256;
  if (size > 0) below(0, size, width);
  return lines.map((line) => `${line}\n`).join("");
}
