import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import {
  completeSubtrees,
  consistencySpans,
  foldComplete,
  GrowingTree,
  type Hash,
  inclusionSpans,
  isConsistent,
  isIncluded,
  leafHash,
  rootOf,
  type Span,
} from "./merkle.ts";

const hex = (hash: Uint8Array): string => Buffer.from(hash).toString("hex");

/** The leaves, roots and proofs with which the implementations of Certificate Transparency are tested. */
const CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const CT_ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const CT_LEAF_0_OF_8 = [
  "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
  "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
  "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
];
const CT_FROM_6_TO_8 = [
  "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
  "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
];

/** The definition of RFC 6962, 2.1, as it stands there, and with nothing from the code under test. */
function definition(leaves: readonly Buffer[]): Buffer {
  const sha = (...parts: Uint8Array[]) => createHash("sha256").update(Buffer.concat(parts)).digest();
  if (leaves.length === 0) return sha();
  if (leaves.length === 1) return sha(Buffer.of(0), leaves[0] as Buffer);
  const k = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return sha(Buffer.of(1), definition(leaves.slice(0, k)), definition(leaves.slice(k)));
}

const numbered = (count: number): Buffer[] => Array.from({ length: count }, (_, i) => Buffer.from(`entry ${i}`));

function grown(leaves: readonly Uint8Array[]): GrowingTree {
  const tree = new GrowingTree();
  for (const leaf of leaves) tree.append(leafHash(leaf));
  return tree;
}

/** What the store does: from the leaves of a span to its root, by way of its complete subtrees. */
const spanRoot = (leaves: readonly Uint8Array[], span: Span): Hash =>
  rootOf(
    completeSubtrees(span).map(({ level, index }) =>
      foldComplete(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level).map(leafHash)),
    ),
  );

test("the roots of the known trees are theirs", () => {
  const leaves = CT_LEAVES.map((leaf) => Buffer.from(leaf, "hex"));
  for (const [size, root] of CT_ROOTS.entries()) {
    assert.equal(hex(grown(leaves.slice(0, size)).root()), root);
    assert.equal(hex(definition(leaves.slice(0, size))), root, "and so are those of the definition");
  }
});

test("the proofs of the known trees are theirs", () => {
  const leaves = CT_LEAVES.map((leaf) => Buffer.from(leaf, "hex"));
  const roots = (spans: readonly Span[]) => spans.map((span) => hex(spanRoot(leaves, span)));
  assert.deepEqual(roots(inclusionSpans(0, 8)), CT_LEAF_0_OF_8);
  assert.deepEqual(roots(consistencySpans(1, 8)), CT_LEAF_0_OF_8);
  assert.deepEqual(roots(consistencySpans(6, 8)), CT_FROM_6_TO_8);
});

test("for every size to 40, the tree is that of the definition, every leaf is proven in it, and so is every earlier size", () => {
  const leaves = numbered(40);
  for (let size = 0; size <= leaves.length; size += 1) {
    const there = leaves.slice(0, size);
    const root = grown(there).root();
    assert.equal(hex(root), hex(definition(there)));
    assert.equal(hex(spanRoot(there, { from: 0, to: size })), hex(root));
    for (let i = 0; i < size; i += 1) {
      const proof = inclusionSpans(i, size).map((span) => definition(there.slice(span.from, span.to)));
      assert.ok(isIncluded(leafHash(leaves[i] as Buffer), i, size, proof, root), `${i} in ${size}`);
    }
    for (let first = 0; first <= size; first += 1) {
      const proof = consistencySpans(first, size).map((span) => definition(there.slice(span.from, span.to)));
      const before = { size: first, root: definition(leaves.slice(0, first)) };
      assert.ok(isConsistent(before, { size, root }, proof), `${first} to ${size}`);
    }
  }
});

test("a growing tree tells of every complete subtree once, with its root", () => {
  const leaves = numbered(37);
  const tree = new GrowingTree();
  const told = new Map<string, string>();
  for (const leaf of leaves)
    tree.append(leafHash(leaf), ({ level, index }, hash) => {
      assert.ok(!told.has(`${level}/${index}`));
      told.set(`${level}/${index}`, hex(hash));
    });
  const expected = [0, 1, 2, 3, 4, 5].flatMap((level) =>
    Array.from({ length: Math.floor(37 / 2 ** level) }, (_, index) => [
      `${level}/${index}`,
      hex(definition(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level))),
    ]),
  );
  assert.deepEqual(new Map([...told].sort()), new Map((expected as [string, string][]).sort()));
});

/** Sizes beyond 2^32 have proofs too: numbers are never cut to 32 bits. */
test("a proof in a log of more than four milliard entries has the length and the spans it must have", () => {
  const size = 2 ** 33 + 5;
  const spans = inclusionSpans(2 ** 33 + 4, size);
  assert.deepEqual(spans, [
    { from: 2 ** 33, to: 2 ** 33 + 4 },
    { from: 0, to: 2 ** 33 },
  ]);
  assert.equal(inclusionSpans(0, size).length, 34);
  assert.deepEqual(completeSubtrees({ from: 2 ** 33, to: size }), [
    { level: 2, index: 2 ** 31 },
    { level: 0, index: 2 ** 33 + 4 },
  ]);
});

test("whatever is changed in a proof, its size, its place or a hash, it proves nothing any more", () => {
  const property = fc.property(
    fc.integer({ min: 2, max: 300 }),
    fc.nat(),
    fc.nat(),
    fc.integer({ min: 0, max: 31 }),
    fc.integer({ min: 1, max: 255 }),
    (size, some, where, byte, flip) => {
      const leaves = numbered(size);
      const root = definition(leaves);
      const index = some % size;
      const leaf = leafHash(leaves[index] as Buffer);
      const inclusion = inclusionSpans(index, size).map((span) => spanRoot(leaves, span));
      const flipped = (hashes: readonly Hash[]): Hash[] =>
        hashes.map((hash, i) =>
          i === where % hashes.length ? hash.map((it, at) => (at === byte ? it ^ flip : it)) : hash,
        );
      assert.ok(isIncluded(leaf, index, size, inclusion, root));
      assert.ok(!isIncluded(leaf, index, size, flipped(inclusion), root));
      assert.ok(!isIncluded(leaf, index, size, inclusion.slice(1), root));
      assert.ok(!isIncluded(leaf, index, size, [...inclusion, root], root));
      assert.ok(!isIncluded(leafHash("another"), index, size, inclusion, root));
      assert.ok(!isIncluded(leaf, (index + 1) % size, size, inclusion, root));
      assert.ok(!isIncluded(leaf, size, size, inclusion, root));
      const first = { size: 1 + (some % (size - 1)), root: definition(leaves.slice(0, 1 + (some % (size - 1)))) };
      const consistency = consistencySpans(first.size, size).map((span) => spanRoot(leaves, span));
      assert.ok(isConsistent(first, { size, root }, consistency));
      assert.ok(!isConsistent(first, { size, root }, flipped(consistency)));
      assert.ok(!isConsistent(first, { size, root }, [...consistency, root]));
      assert.ok(!isConsistent({ ...first, root: leafHash("x") }, { size, root }, consistency));
      assert.ok(!isConsistent(first, { size, root: leafHash("x") }, consistency));
      assert.ok(!isConsistent({ size, root }, first, consistency));
    },
  );
  fc.assert(property, { numRuns: 100 });
});
