/**
 * The Merkle tree over the audit log, as RFC 6962 and RFC 9162 define it: the hash of a leaf is over 0x00 and its bytes, that
 * of a node over 0x01 and the hashes of its two children, and a tree of n leaves splits at the largest power of two below n.
 * Everything here is a function of hashes and sizes; where the hashes lie is the store's affair.
 */
import { sha256 } from "./hash.ts";

export type Hash = Uint8Array;
export const HASH_BYTES = 32;

const utf8 = new TextEncoder();
const LEAF = 0;
const NODE = 1;

/** The root of a log without entries. */
export const emptyRoot: Hash = sha256(new Uint8Array());

export function leafHash(leaf: string | Uint8Array): Hash {
  const bytes = typeof leaf === "string" ? utf8.encode(leaf) : leaf;
  const prefixed = new Uint8Array(1 + bytes.length);
  prefixed[0] = LEAF;
  prefixed.set(bytes, 1);
  return sha256(prefixed);
}

/** Room for what a node is hashed over: a proof in a long log hashes hundreds. */
const both = new Uint8Array(1 + 2 * HASH_BYTES);
both[0] = NODE;

export function nodeHash(left: Hash, right: Hash): Hash {
  both.set(left, 1);
  both.set(right, 1 + HASH_BYTES);
  return sha256(both);
}

export const sameHash = (a: Hash, b: Hash): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

/** The complete subtree over the 2^level leaves that begin at index × 2^level. */
export type Subtree = { readonly level: number; readonly index: number };

/** Leaves from one to before another, counted from 0. */
export type Span = { readonly from: number; readonly to: number };

/** The complete subtrees that a span is made of, from left to right. */
export function completeSubtrees({ from, to }: Span): Subtree[] {
  const found: Subtree[] = [];
  for (let at = from; at < to; ) {
    let [level, width] = [0, 1];
    while (at % (2 * width) === 0 && at + 2 * width <= to) [level, width] = [level + 1, 2 * width];
    found.push({ level, index: at / width });
    at += width;
  }
  return found;
}

/** The root over complete subtrees that stand side by side, each smaller than the one before it. */
export const rootOf = (subtrees: readonly Hash[]): Hash =>
  subtrees.length === 0 ? emptyRoot : subtrees.reduceRight((right, left) => nodeHash(left, right));

/** The root over 2^n hashes of one level. */
export function foldComplete(hashes: readonly Hash[]): Hash {
  let level = hashes;
  while (level.length > 1)
    level = Array.from({ length: level.length / 2 }, (_, i) =>
      nodeHash(level[2 * i] as Hash, level[2 * i + 1] as Hash),
    );
  return level[0] ?? emptyRoot;
}

/** Where a tree of so many leaves, two at least, has its split. */
function splitOf(leaves: number): number {
  let k = 1;
  while (2 * k < leaves) k *= 2;
  return k;
}

/** The spans whose roots prove that a leaf is in a tree of this size, from the leaf upwards (RFC 9162, 2.1.3.1). */
export function inclusionSpans(index: number, size: number): Span[] {
  const spans: Span[] = [];
  for (let [from, to] = [0, size]; to - from > 1; ) {
    const middle = from + splitOf(to - from);
    spans.push(index < middle ? { from: middle, to } : { from, to: middle });
    [from, to] = index < middle ? [from, middle] : [middle, to];
  }
  return spans.reverse();
}

/** The spans whose roots prove that a tree of size `second` goes on from its first `first` leaves (RFC 9162, 2.1.4.1). */
export function consistencySpans(first: number, second: number): Span[] {
  if (first === 0 || first === second) return [];
  const spans: Span[] = [];
  let [from, to, known] = [0, second, true];
  while (first !== to) {
    const middle = from + splitOf(to - from);
    if (first <= middle) {
      spans.push({ from: middle, to });
      to = middle;
    } else {
      spans.push({ from, to: middle });
      [from, known] = [middle, false];
    }
  }
  if (!known) spans.push({ from, to });
  return spans.reverse();
}

const half = (n: number): number => Math.floor(n / 2);
const isOdd = (n: number): boolean => n % 2 === 1;

/** Whether the proof leads from the leaf to the root (RFC 9162, 2.1.3.2). */
export function isIncluded(leaf: Hash, index: number, size: number, proof: readonly Hash[], root: Hash): boolean {
  if (index < 0 || index >= size) return false;
  let [hash, node, last] = [leaf, index, size - 1];
  for (const step of proof) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      hash = nodeHash(step, hash);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = nodeHash(hash, step);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && sameHash(hash, root);
}

export type TreeHead = { readonly size: number; readonly root: Hash };

/** Whether the proof shows that the second tree goes on from the first (RFC 9162, 2.1.4.2). */
export function isConsistent(first: TreeHead, second: TreeHead, proof: readonly Hash[]): boolean {
  if (first.size > second.size) return false;
  if (first.size === second.size) return proof.length === 0 && sameHash(first.root, second.root);
  if (first.size === 0) return proof.length === 0 && sameHash(first.root, emptyRoot);
  let [node, last] = [first.size - 1, second.size - 1];
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  // The root of a complete first tree is where the proof begins, and is not said again.
  const [start, ...steps] = node === 0 ? [first.root, ...proof] : proof;
  if (start === undefined) return false;
  let [older, newer] = [start, start];
  for (const step of steps) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      [older, newer] = [nodeHash(step, older), nodeHash(step, newer)];
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else newer = nodeHash(newer, step);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && sameHash(older, first.root) && sameHash(newer, second.root);
}

/** A tree that grows at its right edge and remembers nothing else: some thirty hashes for a milliard leaves. */
export class GrowingTree {
  readonly #edge: Hash[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Takes the hash of the next leaf; `completed` is told of each subtree that is complete with it, the leaf first. */
  append(leaf: Hash, completed: (subtree: Subtree, hash: Hash) => void = () => undefined): void {
    let [hash, level, index] = [leaf, 0, this.#size];
    completed({ level, index }, hash);
    for (; isOdd(index); index = half(index)) {
      hash = nodeHash(this.#edge.pop() as Hash, hash);
      level += 1;
      completed({ level, index: half(index) }, hash);
    }
    this.#edge.push(hash);
    this.#size += 1;
  }

  root(): Hash {
    return rootOf(this.#edge);
  }
}
