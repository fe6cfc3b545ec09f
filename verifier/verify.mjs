#!/usr/bin/env node
/**
 * Verifies an exported audit log of Tidegate. This file is all of it: Node 18 or newer, nothing to install, no network.
 *
 *   node verify.mjs EXPORT [--checkpoint FILE]… [--key KEY] [--json]
 *
 * EXPORT is what `tidegate audit export` wrote; `-` reads it from standard input. A FILE holds a checkpoint that was kept
 * elsewhere. KEY is the public key that you were told. Exit code 0: whole. 1: not, with the first bad position. 2: usage.
 *
 * The log is a Merkle tree (RFC 6962): the hash of an entry is SHA-256 over a zero byte and its bytes, that of a node over a
 * byte of value one and its two children. The root is signed (Ed25519). The export has one line of JSON after another: first
 * what was signed, and by which key; then the tree from its root down, as lines of hashes, each over the 256 children below
 * it, or fewer at the end; and below the last of them the 256 entries. So each hash is known to be true before what it is
 * over is read, and the first entry that is not as it was is named at once. Nothing else is kept in memory.
 */
import crypto from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import v8 from "node:v8";

const HASH = 32;
const CHILDREN = 256;
const LINE_MAX = 32 * 1024 * 1024;
const [LINE_FEED, COLON, BRACE] = [0x0a, 0x3a, 0x7d];

const sha256 = crypto.hash
  ? (bytes) => crypto.hash("sha256", bytes, "buffer")
  : (bytes) => crypto.createHash("sha256").update(bytes).digest();
const base64 = (text) => {
  const bytes = Buffer.from(String(text), "base64");
  return bytes.toString("base64") === text ? bytes : Buffer.alloc(0);
};

/** What ends the verification: the first position that is bad, or null where it is not an entry that is wrong. */
class Bad extends Error {
  constructor(position, why) {
    super(why);
    this.position = position;
  }
}

// ---- The tree ----------------------------------------------------------------------------------------------------------

const pair = Buffer.alloc(1 + 2 * HASH);
pair[0] = 1;

/** The root over 2^n hashes that lie in a buffer, side by side. */
function fold(hashes) {
  let level = hashes;
  while (level.length > HASH) {
    const above = Buffer.allocUnsafe(level.length / 2);
    for (let at = 0; at < above.length; at += HASH) {
      level.copy(pair, 1, 2 * at, 2 * at + 2 * HASH);
      sha256(pair).copy(above, at);
    }
    level = above;
  }
  return level;
}

/** The roots of the complete subtrees over the first `count` hashes, the largest first. */
function subtrees(hashes, count) {
  const roots = [];
  for (let [at, width] = [0, CHILDREN]; at < count; width /= 2)
    if (count - at >= width) {
      roots.push(fold(hashes.subarray(at * HASH, (at + width) * HASH)));
      at += width;
    }
  return roots;
}

/** The root over subtrees that stand side by side, each smaller than the one before it. */
const joined = (roots) => roots.reduceRight((right, left) => fold(Buffer.concat([left, right])));

// ---- Keys and signatures (c2sp.org/signed-note, c2sp.org/tlog-checkpoint) ----------------------------------------------

/** NAME+HASH+KEY; null when the hash is not that of name and key, so that no letter of it may be another. */
function readKey(text) {
  const [, name, hash, base] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text) ?? [];
  const typed = base64(base);
  if (typed.length !== 1 + HASH || typed[0] !== 1) return null;
  const own = sha256(Buffer.concat([Buffer.from(`${name}\n`), typed]));
  if (own.subarray(0, 4).toString("hex") !== hash) return null;
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), typed.subarray(1)]);
  return { text, name, hash, key: crypto.createPublicKey({ key: der, format: "der", type: "spki" }) };
}

/** The text of a note and the key that signed it; null when none of these did. */
function openNote(note, keys) {
  const end = note.lastIndexOf("\n\n") + 1;
  const text = note.slice(0, end);
  if (end === 0 || !note.endsWith("\n")) return null;
  for (const line of note.slice(end + 1, -1).split("\n")) {
    const [, name, base] = /^— (\S+) (\S+)$/.exec(line) ?? [];
    const bytes = base64(base);
    const by = keys.find((key) => key.name === name && key.hash === bytes.subarray(0, 4).toString("hex"));
    if (by && crypto.verify(null, Buffer.from(text), by.key, bytes.subarray(4))) return { text, by };
  }
  return null;
}

function readCheckpoint(note, keys, what) {
  const [, origin, size, root, at] = /^(\S+)\n(0|[1-9][0-9]{0,15})\n(\S+)\n(\S+)\n\n/.exec(note) ?? [];
  if (origin === undefined || base64(root).length !== HASH) throw new Bad(null, `${what} is no checkpoint of a log`);
  if (!keys.some((key) => key.name === origin))
    throw new Bad(null, `${what} is of another log: of ${origin}, and the export is of ${keys[0].name}`);
  const opened = openNote(String(note), keys);
  if (opened === null)
    throw new Bad(null, `${what} is not signed with a key of this log, or was changed after it was signed`);
  return { origin, size: Number(size), root: base64(root), at, by: opened.by };
}

/** The keys of the log, in the order in which they signed, and which of them a key that is trusted leads to. */
function readKeys(first, changes, trusted) {
  const keys = [readKey(first)];
  const good = new Set([trusted ?? first]);
  for (const { from, to, note } of changes) {
    const [before, next] = [keys.find((key) => key?.text === from), readKey(to)];
    const opened = note === null ? null : openNote(String(note), before ? [before] : []);
    const said = opened?.text.startsWith(`${before.name}/next-key\n${to}\n`) === true;
    if (!before || !next || (note !== null && !said))
      throw new Bad(null, "the change from one signing key to the next was altered");
    keys.push(next);
    if (said && good.has(from)) good.add(to);
  }
  if (keys[0] === null) throw new Bad(null, "the first signing key was altered");
  return { keys, good };
}

// ---- The export --------------------------------------------------------------------------------------------------------

export class LogVerifier {
  #trusted;
  #kept;
  /** What has come of the line that is not whole yet, and room for more: one piece of memory for all of the log. */
  #bytes = Buffer.allocUnsafeSlow(1 << 18);
  #used = 0;
  /** What the next line must be. */
  #next = "header";
  #log = null;
  /** Lines of hashes whose children are not all read: from the root down. */
  #frames = [];
  #seq = 0;
  #suspect = null;
  #bad = null;

  /** `key`: the public key that is trusted. `checkpoints`: notes that were kept, each with the name of its file. */
  constructor({ key = null, checkpoints = [] } = {}) {
    this.#trusted = key;
    this.#kept = checkpoints;
  }

  /** Reads on; the chunk is copied. Answers false once something bad was found: nothing more needs to be read. */
  push(chunk) {
    if (this.#bad !== null) return false;
    const wanted = this.#used + chunk.length;
    if (wanted > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * wanted);
      this.#bytes.copy(larger, 0, 0, this.#used);
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.#used);
    this.#used = wanted;
    try {
      if (chunk.includes(LINE_FEED)) this.#lines();
      if (this.#used > LINE_MAX) throw new Bad(this.#seq + 1, "a line here has no end");
    } catch (error) {
      if (!(error instanceof Bad)) throw error;
      this.#bad = error;
    }
    return this.#bad === null;
  }

  /** Takes the lines that have come; the bytes are a copy, for they are written into. */
  #lines() {
    const bytes = this.#bytes.subarray(0, this.#used);
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
      this.#take(bytes, start, end);
      start = end + 1;
    }
    bytes.copyWithin(0, start);
    this.#used -= start;
  }

  /** After the last byte: whether the log is whole, or what is the first that is bad. */
  end() {
    try {
      if (this.#bad === null) this.#atEnd();
    } catch (error) {
      if (!(error instanceof Bad)) throw error;
      this.#bad = error;
    }
    if (this.#bad !== null) return { ok: false, position: this.#bad.position, why: this.#bad.message };
    const { origin, size, at, by } = this.#log.checkpoint;
    const root = this.#log.checkpoint.root.toString("base64");
    const kept = this.#kept.map(({ name, read }) => ({ name, size: read.size, at: read.at }));
    return { ok: true, origin, entries: size, root, at, key: by.text, trusted: this.#trusted !== null, kept };
  }

  #take(bytes, start, end) {
    if (this.#next === "entry") this.#entry(bytes, start, end);
    else if (this.#next === "hashes") this.#hashes(bytes, start, end);
    else if (this.#next === "header") this.#header(bytes, start, end);
    else if (this.#next === "afterSuspect") throw this.#verdict(hashOf(bytes, start, end));
    else this.#after();
  }

  #header(bytes, start, end) {
    const text = bytes.toString("utf8", start, end);
    let header;
    try {
      header = JSON.parse(text);
    } catch {}
    const { tidegateAuditExport, size, root, checkpoint: note, key, changes } = header ?? {};
    if (tidegateAuditExport !== 1 || !Array.isArray(changes))
      throw new Bad(null, "the first line is not that of an export of an audit log");
    if (JSON.stringify({ tidegateAuditExport, size, root, checkpoint: note, key, changes }) !== text)
      throw new Bad(null, "the first line is not as it was written");
    const { keys, good } = readKeys(key, changes, this.#trusted);
    if (this.#trusted !== null && !keys.some(({ text }) => text === this.#trusted))
      throw new Bad(null, `the log was never signed with the key ${this.#trusted}: its key is ${key}`);
    const trustworthy = (read, what) => {
      if (good.has(read.by.text)) return read;
      throw new Bad(
        null,
        `${what} is signed with ${read.by.text}, and the key that is trusted did not sign for that one`,
      );
    };
    const checkpoint = trustworthy(readCheckpoint(note, keys, "the checkpoint of the export"), "it");
    const whole = size === checkpoint.size;
    if (!Number.isSafeInteger(size) || size > checkpoint.size || base64(root).length !== HASH)
      throw new Bad(null, "the first line is not as it was written");
    if (whole && !base64(root).equals(checkpoint.root))
      throw new Bad(null, "the root in the first line is not the one that was signed");
    for (const one of this.#kept) one.read = trustworthy(readCheckpoint(one.note, keys, one.name), one.name);
    this.#kept.sort((a, b) => a.read.size - b.read.size);
    for (const one of this.#kept) one.roots = [];
    this.#log = { size, root: base64(root), checkpoint, end: size };
    if (size === 0) this.#next = "after";
    else {
      let height = 0;
      while (size > CHILDREN ** (height + 1)) height += 1;
      this.#frames.push({ height: height + 1, first: 0, hashes: this.#log.root, count: 1, next: 0 });
      this.#next = "hashes";
    }
  }

  /** A line of hashes: over the children of the next child of the frame that is open. */
  #hashes(bytes, start, end) {
    const above = this.#frames.at(-1);
    const height = above.height - 1;
    const width = CHILDREN ** height;
    const first = above.first + above.next * width * CHILDREN;
    const last = Math.min(this.#log.size, first + width * CHILDREN);
    const [count, complete] = [Math.ceil((last - first) / width), Math.floor((last - first) / width)];
    const range = `positions ${first + 1} to ${last}`;
    const text = bytes.toString("latin1", start, end);
    if (text.startsWith('{"missing":')) throw new Bad(missing(text, first + 1), "the entry is missing in the store");
    if (text.startsWith('{"seq":')) throw new Bad(first + 1, "an entry was put in before it");
    const hashes = base64(/^\{"hashes":"([A-Za-z0-9+/=]*)"\}$/.exec(text)?.[1] ?? "");
    if (hashes.length !== count * HASH)
      throw new Bad(first + 1, `the line with the hashes of ${range} is missing, or not as it was written`);
    const roots = subtrees(hashes, complete);
    if (complete < count) roots.push(hashes.subarray(complete * HASH));
    if (joined(roots).compare(above.hashes, above.next * HASH, (above.next + 1) * HASH) !== 0)
      throw new Bad(
        first + 1,
        `the hashes of ${range} are not those that were signed: one of these entries is not as it was`,
      );
    above.next += 1;
    for (const { read, roots: before } of this.#kept)
      if (read.size > first && read.size < last)
        before.push(...subtrees(hashes, Math.floor((read.size - first) / width)));
    this.#frames.push({ height, first, hashes, count, next: 0 });
    this.#next = height > 0 ? "hashes" : "entry";
  }

  /** A line with an entry. This is where all the time goes: the bytes are hashed where they lie, and nothing is parsed. */
  #entry(bytes, start, end) {
    const frame = this.#frames.at(-1);
    const before = `{"seq":${this.#seq + 1},"leaf":`;
    const at = start + before.length;
    const plain = bytes.toString("latin1", start, at) === before;
    const hash = plain ? leafHash(bytes, at, end) : this.#withPersonal(bytes, start, end);
    if (hash === null || hash.compare(frame.hashes, frame.next * HASH, (frame.next + 1) * HASH) !== 0) {
      this.#suspect = { line: bytes.toString("utf8", start, end), hash: hash ?? hashOf(bytes, start, end) };
      this.#next = "afterSuspect";
      return;
    }
    this.#seq += 1;
    frame.next += 1;
    if (frame.next === frame.count) this.#closeFrames();
  }

  /** With the texts that the entry commits to: each must be the one. Null when the line is not as it must be. */
  #withPersonal(bytes, start, end) {
    const line = bytes.toString("utf8", start, end);
    const before = `{"seq":${this.#seq + 1},"personal":`;
    const split = line.indexOf('},"leaf":') + 1;
    if (!line.startsWith(before) || split === 0) return null;
    try {
      const text = line.slice(before.length, split);
      const [personal, leaf] = [JSON.parse(text), JSON.parse(line.slice(split + 8, -1))];
      const fits = ([field, [salt, value]]) =>
        sha256(Buffer.from(`${salt}\n${field}\n${value}`)).toString("hex") === leaf.commitments?.[field];
      if (JSON.stringify(personal) !== text || !Object.entries(personal).every(fits))
        throw new Bad(this.#seq + 1, "a text of a person is not the one that the entry was written with");
    } catch (error) {
      if (error instanceof Bad) throw error;
      return null;
    }
    return hashOf(bytes, start, end);
  }

  #closeFrames() {
    while (this.#frames.length > 0 && this.#frames.at(-1).next === this.#frames.at(-1).count) this.#frames.pop();
    this.#next = this.#frames.length === 0 ? "after" : "hashes";
  }

  /** The line after the first bad one tells whether that was put in, or takes the place of another. */
  #verdict(following) {
    const { line, hash } = this.#suspect;
    const frame = this.#frames.at(-1);
    const place = (of) => {
      for (let i = 0; of !== null && i < frame.count; i += 1)
        if (of.compare(frame.hashes, i * HASH, (i + 1) * HASH) === 0) return i;
      return -1;
    };
    const [here, found, next] = [frame.next, place(hash), place(following)];
    const bad = (why) => new Bad(this.#seq + 1, why);
    const other = frame.first + found + 1;
    if (line.startsWith('{"missing":'))
      return new Bad(missing(line, this.#seq + 1), "the entry is missing in the store");
    if (found === here) return bad("the entry carries another number, or other texts, than it was exported with");
    if (found > here && next === here)
      return bad(`the entry of position ${other} stands before it: the two were swapped`);
    if (next === here) return bad("an entry was put in before it");
    if (found === here + 1 || line.startsWith('{"hashes":')) return bad("the entry is missing");
    if (found !== -1) return bad(`the entry of position ${other} stands in its place`);
    return bad("the entry is not as it was written");
  }

  #after() {
    throw new Bad(this.#log.size + 1, "the export goes on after its last entry: something was put in");
  }

  #atEnd() {
    if (this.#suspect !== null) throw this.#verdict(null);
    if (this.#log === null) throw new Bad(null, "the export is empty, or its first line was cut short");
    const { size, checkpoint } = this.#log;
    if (this.#seq < size)
      throw new Bad(this.#seq + 1, `the export was cut short: it ends before this entry, and was of ${size}`);
    if (this.#used > 0) this.#after();
    let agreed = 0;
    for (const { name, read, roots } of this.#kept) {
      if (read.size > size) break;
      const root = read.size === size ? this.#log.root : read.size === 0 ? sha256(Buffer.alloc(0)) : joined(roots);
      if (!root.equals(read.root))
        throw new Bad(
          agreed + 1,
          `the log is another than the one of ${name}, signed at ${read.at}: of the positions ${agreed + 1} to ${read.size} at least one was rewritten`,
        );
      agreed = read.size;
    }
    const ahead = [...this.#kept.map((one) => one.read), checkpoint].find((one) => one.size > size);
    if (ahead !== undefined)
      throw new Bad(
        size + 1,
        `the end is missing: the log stops at ${size}, and at ${ahead.at} a checkpoint over ${ahead.size} was signed`,
      );
  }
}

/** Over a zero byte, put for a moment where the colon before the leaf is, and the leaf: all but the brace that ends the line. */
function leafHash(bytes, at, end) {
  if (bytes[end - 1] !== BRACE || end - 1 <= at) return null;
  bytes[at - 1] = 0;
  const hash = sha256(bytes.subarray(at - 1, end - 1));
  bytes[at - 1] = COLON;
  return hash;
}

/** The hash of the entry in a line, whatever else is in it; null where there is none. */
function hashOf(bytes, start, end) {
  const personal = bytes.subarray(start, end).indexOf('},"leaf":');
  const at = personal === -1 ? bytes.subarray(start, end).indexOf(',"leaf":') + 8 : personal + 9;
  return at === 7 ? null : leafHash(bytes, start + at, end);
}

const missing = (line, otherwise) => Number(/^\{"missing":(\d{1,15})\}$/.exec(line)?.[1] ?? otherwise);

// ---- The command -------------------------------------------------------------------------------------------------------

/** In words; `what` was read. */
export function told(verdict, what) {
  if (!verdict.ok)
    return verdict.position === null
      ? `${what} proves nothing: ${verdict.why}.`
      : `${what} is NOT whole. First bad position: ${verdict.position}: ${verdict.why}.`;
  const { origin, entries, at, key, trusted, kept, root } = verdict;
  return [
    `${what} is whole: ${entries} entries of ${origin}, as signed at ${at} (root ${root}).`,
    trusted
      ? `The key that you gave vouches for it: it is signed with ${key}.`
      : `It is signed with ${key}. Compare that with the key you were told, or give it with --key.`,
    ...kept.map((one) => `It goes on from ${one.name}: ${one.size} entries, signed at ${one.at}.`),
    ...(kept.length > 0
      ? []
      : [
          "Without --checkpoint it is whole as far as its signer says: whoever holds the signing key could have rewritten it.",
        ]),
  ].join("\n");
}

/** A file, piece by piece in the same memory. */
function* piecesOf(path) {
  const piece = Buffer.allocUnsafeSlow(1 << 16);
  const file = openSync(path);
  try {
    for (let bytes = readSync(file, piece); bytes > 0; bytes = readSync(file, piece)) yield piece.subarray(0, bytes);
  } finally {
    closeSync(file);
  }
}

async function main(args) {
  const [files, checkpoints] = [[], []];
  let [key, json] = [null, false];
  for (let i = 0; i < args.length; i += 1)
    if (args[i] === "--json") json = true;
    else if (args[i] === "--key") key = args[++i] ?? "";
    else if (args[i] === "--checkpoint") checkpoints.push({ name: args[++i], note: readFileSync(args[i], "utf8") });
    else files.push(args[i]);
  if (files.length !== 1 || files[0].startsWith("--"))
    throw new Error("node verify.mjs EXPORT [--checkpoint FILE]… [--key KEY] [--json]");
  // A hash is of use for a moment: the room for such things stays small, however many there are.
  v8.setFlagsFromString("--semi-space-growth-factor=1");
  const verifier = new LogVerifier({ key, checkpoints });
  for await (const chunk of files[0] === "-" ? process.stdin : piecesOf(files[0])) if (!verifier.push(chunk)) break;
  const verdict = verifier.end();
  console.log(json ? JSON.stringify(verdict) : told(verdict, files[0] === "-" ? "The export" : files[0]));
  return verdict.ok ? 0 : 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href)
  main(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code;
    },
    (error) => {
      console.error(error.message);
      process.exitCode = 2;
    },
  );
