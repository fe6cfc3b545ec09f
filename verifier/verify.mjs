#!/usr/bin/env node
/**
 * Verifies an exported audit log of Tidegate, or a receipt. This file is all of it: Node 18 or newer, nothing to install, no
 * network.
 *
 *   node verify.mjs EXPORT|RECEIPT [--checkpoint FILE]… [--witness KEY]… [--key KEY]… [--json]
 *
 * EXPORT is what `tidegate audit export` wrote, RECEIPT what `tidegate receipt` did; `-` reads it from standard input. A FILE
 * holds a checkpoint that was kept elsewhere, or is a receipt, which has one. KEY is the public key that you were told, or
 * several, where one was lost. With --witness KEY a checkpoint of these must be signed by that witness, too
 * (c2sp.org/tlog-cosignature). Exit code 0: whole. 1: not, with the first bad position. 2: usage.
 *
 * The log is a Merkle tree (RFC 6962): the hash of an entry is SHA-256 over a zero byte and its bytes, that of a node over a
 * byte of value one and its two children. The root is signed (Ed25519). The export has one line of JSON after another: first
 * what was signed, and by which key; then the tree from its root down, as lines of hashes, each over the 256 children below
 * it, or fewer at the end; and below the last of them the 256 entries. So each hash is known to be true before what it is
 * over is read, and the first entry that is not as it was is named at once.
 *
 * Of a log whose beginning was dropped the hashes are all there, and one line in the place of each 256 entries. That counts as
 * whole only where an entry of the log itself, `audit.drop-announced`, says that so much is dropped.
 *
 * A receipt is a text for people and below it lines of JSON: what was signed; the entries of one grant, each with the proof
 * that it is in the log that was signed; and a seal, by which the server signed that these were all of them. Everything that
 * is said of a receipt here is taken from the entries, once they are proven. The text is made of them anew, and must be
 * that one letter for letter.
 */
import crypto from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import v8 from "node:v8";

const HASH = 32;
const CHILDREN = 256;
const LINE_MAX = 32 * 1024 * 1024;
const ANNOUNCED = '"kind":"audit.drop-announced"';
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
    this.name = "Bad";
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
function readKey(text, type = 1) {
  const [all, name, hash, base] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text) ?? [];
  const typed = base64(base);
  if (all !== text || typed.length !== 1 + HASH || typed[0] !== type) return null;
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

/** A note of the log itself has one signature, and nothing beside it. */
const single = (note) => (typeof note === "string" && /\n\n.*\n$/.test(note) ? note : "");

/** When this witness signed the note; null when it did not. */
function cosigned(note, witness) {
  const end = note.lastIndexOf("\n\n") + 1;
  for (const line of note.slice(end + 1).split("\n")) {
    const [, name, base] = /^— (\S+) (\S+)$/.exec(line) ?? [];
    const bytes = base64(base);
    if (name !== witness.name || bytes.length !== 76 || bytes.subarray(0, 4).toString("hex") !== witness.hash) continue;
    const time = bytes.readBigUInt64BE(4);
    const message = Buffer.from(`cosignature/v1\ntime ${time}\n${note.slice(0, end)}`);
    if (crypto.verify(null, message, witness.key, bytes.subarray(12))) return time;
  }
  return null;
}

/** The verdict with what witnesses signed; each must have signed one of the checkpoints that are proven. */
function witnessed(verdict, { checkpoints = [], witnesses = [] }) {
  if (!verdict.ok || witnesses.length === 0) return verdict;
  const found = [];
  for (const text of witnesses) {
    const witness = readKey(text, 4);
    if (witness === null) return { ok: false, position: null, why: `${text} is no key of a witness` };
    const times = verdict.kept.map(({ name, proven }) =>
      proven ? cosigned(noteOf(checkpoints.find((it) => it.name === name).note), witness) : null,
    );
    const first = times.findIndex((time) => time !== null);
    if (first === -1)
      return {
        ok: false,
        position: null,
        why: `no checkpoint that is proven is signed by the witness ${witness.name}`,
      };
    const at = new Date(Number(times[first]) * 1000).toISOString();
    found.push({ witness: witness.name, size: verdict.kept[first].size, at });
  }
  return { ...verdict, witnessed: found };
}

/** Of a file that was kept: a receipt has a checkpoint in it. */
function noteOf(kept) {
  try {
    return String(JSON.parse(/^\{"tidegateReceipt":.*$/m.exec(kept)[0]).checkpoint);
  } catch {
    return kept;
  }
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
  const good = new Set(trusted.length > 0 ? trusted : [first]);
  for (const change of changes) {
    const { from, to, note } = change ?? {};
    const [before, next] = [keys.find((key) => key?.text === from), readKey(to)];
    const opened = note === null ? null : openNote(single(note), before ? [before] : []);
    const said = opened?.text.startsWith(`${before.name}/next-key\n${to}\n`) === true;
    if (!before || !next || (note !== null && !said) || Object.keys(change).length > 3)
      throw new Bad(null, "the change from one signing key to the next was altered");
    keys.push(next);
    if (said && good.has(from)) good.add(to);
  }
  if (keys[0] === null) throw new Bad(null, "the first signing key was altered");
  return { keys, good };
}

/** Reads checkpoints, each signed with a key that a trusted one leads to. */
function readerOf(key, changes, trusted) {
  const { keys, good } = readKeys(key, changes, trusted);
  const never = trusted.find((one) => !keys.some(({ text }) => text === one));
  if (never !== undefined) throw new Bad(null, `the log was never signed with the key ${never}: its key is ${key}`);
  return (note, what, it = what) => {
    const read = readCheckpoint(note, keys, what);
    if (good.has(read.by.text)) return read;
    throw new Bad(null, `${it} is signed with ${read.by.text}, and the key that is trusted did not sign for that one`);
  };
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
  /** Up to which position entries were dropped, and how far the log says so. */
  #dropped = 0;
  #announced = 0;
  #said = null;
  #suspect = null;
  #bad = null;

  /** `keys`: the public keys that are trusted. `checkpoints`: notes that were kept, each with the name of its file. */
  constructor({ keys = [], checkpoints = [] } = {}) {
    this.#trusted = keys;
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
    const kept = this.#kept.map(({ name, read }) => ({ name, size: read.size, at: read.at, proven: true }));
    const trusted = this.#trusted.length > 0;
    const verdict = { ok: true, origin, entries: size, root, at, key: by.text, trusted, kept };
    return this.#said === null ? verdict : { ...verdict, dropped: this.#said };
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
    const read = readerOf(key, changes, this.#trusted);
    const checkpoint = read(single(note), "the checkpoint of the export", "it");
    const whole = size === checkpoint.size;
    if (!Number.isSafeInteger(size) || size > checkpoint.size || base64(root).length !== HASH)
      throw new Bad(null, "the first line is not as it was written");
    if (whole && !base64(root).equals(checkpoint.root))
      throw new Bad(null, "the root in the first line is not the one that was signed");
    for (const one of this.#kept) one.read = read(noteOf(one.note), one.name);
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
    if (!plain && this.#isDropped(bytes, start, end)) return;
    const hash = plain ? leafHash(bytes, at, end) : this.#withPersonal(bytes, start, end);
    if (hash === null || hash.compare(frame.hashes, frame.next * HASH, (frame.next + 1) * HASH) !== 0) {
      this.#suspect = { line: bytes.toString("utf8", start, end), hash: hash ?? hashOf(bytes, start, end) };
      this.#next = "afterSuspect";
      return;
    }
    this.#seq += 1;
    frame.next += 1;
    if (this.#dropped > 0 && this.#said === null) this.#hear(bytes.subarray(start, end));
    if (frame.next === frame.count) this.#closeFrames();
  }

  /** The line in the place of 256 entries, of a log of which nothing but such stands before them. */
  #isDropped(bytes, start, end) {
    const frame = this.#frames.at(-1);
    if (frame.next > 0 || frame.count < CHILDREN || this.#seq !== this.#dropped) return false;
    if (bytes.toString("latin1", start, end) !== `{"dropped":${this.#seq + CHILDREN}}`) return false;
    this.#seq += CHILDREN;
    this.#dropped = this.#seq;
    frame.next = frame.count;
    this.#closeFrames();
    return true;
  }

  /** An entry that is proven; the first that says that all of it is dropped is the one that counts. */
  #hear(line) {
    if (!line.includes(ANNOUNCED)) return;
    const { kind, at, data } = JSON.parse(line.toString("utf8")).leaf;
    if (kind !== "audit.drop-announced" || !Number.isSafeInteger(data.to)) return;
    this.#announced = Math.max(this.#announced, data.to);
    const { before, kept } = data;
    if (data.to >= this.#dropped) this.#said = { to: this.#dropped, by: this.#seq, at, before, kept };
  }

  /** With the texts that the entry commits to: each must be the one. Null when the line is not as it must be. */
  #withPersonal(bytes, start, end) {
    const line = bytes.toString("utf8", start, end);
    const before = `{"seq":${this.#seq + 1},"personal":`;
    const split = line.indexOf('},"leaf":') + 1;
    // Whatever is no UTF-8 is read as the same character.
    if (!line.startsWith(before) || split === 0 || !bytes.subarray(start, end).equals(Buffer.from(line))) return null;
    try {
      if (!isCommitted(line.slice(before.length, split), JSON.parse(line.slice(split + 8, -1))))
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
    if (line.startsWith('{"mislaid":') && next === here) return bad("the store would not find the entry");
    if (line.startsWith('{"dropped":'))
      return bad("the entry is missing: a log is dropped from its beginning, in whole blocks, and nowhere else");
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
    if (this.#announced < this.#dropped)
      throw new Bad(this.#announced + 1, "the entry is missing, and no entry of the log says that it is dropped");
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

// ---- The receipt -------------------------------------------------------------------------------------------------------

const RECEIPT = "Tidegate receipt, form 1: ";
const MACHINES = "----- The lines below are for machines. Check this file: node verify.mjs FILE --key KEY -----";

/** Whether the proof, hashes side by side, leads from a leaf to the root (RFC 9162, 2.1.3.2). */
function isIncluded(leaf, index, size, proof, root) {
  let [hash, node, last] = [leaf, index, size - 1];
  const up = () => {
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  };
  for (let at = 0; at < proof.length; at += HASH, up()) {
    const step = proof.subarray(at, at + HASH);
    const isRight = node % 2 === 1 || node === last;
    if (last === 0 || step.length !== HASH) return false;
    hash = fold(Buffer.concat(isRight ? [step, hash] : [hash, step]));
    if (isRight) while (node % 2 === 0 && node !== 0) up();
  }
  return last === 0 && hash.equals(root);
}

/** Characters that are not seen, or that move what is seen: from, to. */
const UNSEEN = [
  0, 0x1f, 0x7f, 0xa0, 0xad, 0xad, 0x34f, 0x34f, 0x61c, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180f,
]
  .concat([0x2000, 0x200f, 0x2028, 0x202f, 0x205f, 0x206f, 0x3000, 0x3000, 0x3164, 0x3164, 0xd800, 0xdfff])
  .concat([0xfe00, 0xfe0f, 0xfeff, 0xfeff, 0xffa0, 0xffa0, 0xfff0, 0xffff]);
const isUnseen = (code) => UNSEEN.some((from, n) => n % 2 === 0 && code >= from && code <= UNSEEN[n + 1]);

/** A text of the log, in one line and with nothing hidden in it. */
const shown = (text) =>
  String(text)
    .split("")
    .map((it) =>
      it === "\\"
        ? "\\\\"
        : isUnseen(it.charCodeAt(0)) && it !== " "
          ? `\\u${it.charCodeAt(0).toString(16).padStart(4, "0")}`
          : it,
    )
    .join("");

const CLOSES = ["grant.revoked", "grant.failed"];

/** What the entries say of the grant, which are proven to be in the log. Throws where they do not say that access is gone. */
function factsOf(grant, entries) {
  const of = entries.filter(({ leaf }) => leaf.refs.grant === grant);
  const last = (...kinds) => of.filter(({ leaf }) => kinds.includes(leaf.kind)).at(-1);
  const first = (...kinds) => of.find(({ leaf }) => kinds.includes(leaf.kind));
  const closed = last(...CLOSES);
  const reopened = last("grant.reopened");
  const created = first("grant.created");
  if (!created || !closed || closed.seq < (reopened?.seq ?? 0))
    throw new Bad(
      null,
      closed
        ? `a probe saw access again after it was proven gone (position ${reopened?.seq}): this is no receipt`
        : "the entries do not say that access is gone: this is no receipt",
    );
  const gone = of.find(({ seq, leaf }) => leaf.kind === "grant.access-gone" && seq > (reopened?.seq ?? 0)) ?? closed;
  const names = new Map();
  for (const { seq, leaf, texts } of entries)
    if (leaf.kind.startsWith("principal.") && texts.handle !== undefined)
      if (seq < closed.seq || !names.has(leaf.refs.principal)) names.set(leaf.refs.principal, texts.handle);
  const person = (id) => ({ id, handle: names.get(id) ?? null });
  const told = ({ seq, leaf }, more = {}) => ({ seq, at: leaf.at, ...more });
  const { request, principal } = created.leaf.refs;
  const ofRequest = entries.filter(({ leaf }) => leaf.refs.request === request);
  const asked = ofRequest.find(({ leaf }) => leaf.kind === "request.submitted" || leaf.kind === "request.approved");
  const approved = ofRequest.find(({ leaf }) => leaf.kind === "request.approved");
  // An edit voids what was agreed before it.
  const edited = ofRequest.filter(({ leaf }) => leaf.kind === "request.edited").at(-1)?.seq ?? 0;
  const ended = last("grant.revoking");
  const due = last("grant.created", "grant.activated", "grant.extended");
  const { data } = closed.leaf;
  if (!Object.hasOwn(WHAT, data.evidence.kind))
    throw new Bad(null, "its evidence is of no known kind: this is no receipt");
  return {
    grant,
    request,
    person: person(principal),
    entitlement: created.leaf.data.entitlement,
    scopeHash: created.leaf.data.scopeHash,
    asked: asked ? told(asked, { ticket: asked.leaf.data.ticket ?? "", reason: asked.texts.reason ?? null }) : null,
    rule: [approved, asked].find((it) => it?.leaf.data.decision)?.leaf.data.decision.rule ?? null,
    emergency: asked?.leaf.data.emergency === true,
    configuration: entries
      .filter(({ leaf }) => leaf.kind === "config.activated")
      .map((one) => told(one, { version: one.leaf.data.version, hash: one.leaf.data.hash })),
    agreed: ofRequest
      .filter(({ seq, leaf }) => leaf.kind === "review.recorded" && leaf.data.verdict === "approve" && seq > edited)
      .map((one) =>
        told(one, { by: person(one.leaf.actor.principal), inPlaceOf: (one.leaf.data.standsFor ?? []).map(person) }),
      ),
    made: first("lease.written") ? told(first("lease.written")) : null,
    ended: ended
      ? told(ended, {
          cause: ended.leaf.data.cause,
          by: ended.leaf.actor.principal ? person(ended.leaf.actor.principal) : null,
          reason: ended.texts.reason ?? ended.leaf.data.because ?? null,
        })
      : null,
    due: due ? told(due, { until: due.leaf.data.expiresAt }) : null,
    gone: told(gone),
    closed: told(closed, { ...data.evidence, failed: closed.leaf.kind === "grant.failed" }),
    confirmed: last("grant.confirmed")?.seq > closed.seq ? told(last("grant.confirmed")) : null,
    entries: entries.length,
  };
}

const WHAT = {
  gone: "REVOKED, AND PROVEN GONE",
  covered: "ENDED. THE RIGHT STAYS: OTHER GRANTS HOLD IT",
  standing: "ENDED. THE RIGHT STAYS: IT STOOD THERE BEFORE THE GRANT",
};

/** The text of a receipt, made of what was proven and of nothing else. Of form 1: it never changes. */
function readable(facts, entries, { origin, size, root, at, by }) {
  const who = ({ id, handle }) => (handle === null ? shown(id) : `${shown(handle)} (${shown(id)})`);
  const on = ({ seq, at: when }) => `${shown(when)} [${seq}]`;
  const said = (text) => (text ? ` “${shown(text)}”` : "");
  const { asked, made, due, ended, gone, closed, confirmed, configuration, agreed } = facts;
  const line = (name, text) => `${name.padEnd(13)}${text}`;
  const target = closed.target?.identity ?? "a target";
  return [
    `${RECEIPT}${WHAT[closed.kind]}`,
    "",
    line("Grant", facts.grant),
    line("Person", who(facts.person)),
    line("Access", `${shown(facts.entitlement)}, as approved: scope ${shown(facts.scopeHash)}`),
    line("Asked", asked ? `${on(asked)} ${shown(asked.ticket)}${said(asked.reason)}`.trimEnd() : "not told here"),
    line("Decided", `rule ${shown(facts.rule)}${facts.emergency ? ", as an EMERGENCY" : ""}`),
    ...configuration.map((it) => line("Policy", `version ${shown(it.version)}, ${shown(it.hash)}, ${on(it)}`)),
    ...(agreed.length > 0
      ? agreed.map((it) => line("Agreed", `${on(it)} ${[it.by, ...it.inPlaceOf].map(who).join(", in place of ")}`))
      : [line("Agreed", "nobody: the rule approved alone")]),
    line("From", made ? `${on(made)}, before anything was made` : "nothing was made"),
    line("To end", due ? `${shown(due.until)} [${due.seq}]` : "not told here"),
    line(
      "Ended",
      ended
        ? `${on(ended)} ${shown(ended.cause)}${ended.by ? ` by ${who(ended.by)}` : ""}${said(ended.reason)}`
        : "not told here",
    ),
    line("Proven gone", `${on(gone)}, on ${shown(target)}`),
    ...(closed.observations ?? []).map((it) =>
      line("  seen", `${shown(it.check)}: ${shown(it.saw)}${it.code ? ` (${shown(it.code)})` : ""}`),
    ),
    ...(closed.coveredBy ?? []).map((it) => line("  held by", shown(it))),
    line("Closed", `${on(closed)}${closed.failed ? ": it could not be made, and is undone" : ""}`),
    line("Seen again", confirmed ? `${on(confirmed)}: still gone` : "not yet, by a second probe"),
    "",
    `Entries of the log ${origin}, with their positions:`,
    ...entries.map(({ seq, leaf, texts }) => {
      const actor = leaf.actor.principal ?? leaf.actor.system;
      const wrote = Object.entries(texts).map(([field, text]) => ` ${shown(field)}=“${shown(text)}”`);
      return `  [${seq}] ${shown(leaf.at)} ${shown(leaf.kind)} by ${shown(actor)}${wrote.join("")}`;
    }),
    `The log had ${size} entries at ${at}, root ${root.toString("base64")},`,
    `signed with ${by.text}`,
    "It is as of then, and says nothing of what somebody gives directly on a target, of copies, or of what came later.",
    "",
    MACHINES,
  ];
}

/** Whether these texts are those that an entry was written with, and are written to the letter as they must be. */
function isCommitted(text, { commitments }) {
  const texts = Object.entries(JSON.parse(text)).map(([field, [salt, value]]) => [field, [`${salt}`, `${value}`]]);
  const fits = ([field, [salt, value]], n) => {
    const said = `${salt}\n${field}\n${value}`;
    const bytes = Buffer.from(said);
    // A salt could hold part of the text; half of a surrogate pair has the bytes of another character.
    if (!/^[0-9a-f]{32}$/.test(salt) || bytes.toString() !== said || field <= texts[n - 1]?.[0]) return false;
    return sha256(bytes).toString("hex") === commitments?.[field];
  };
  return text !== "{}" && JSON.stringify(Object.fromEntries(texts)) === text && texts.every(fits);
}

function receiptEntry(line, after, { origin, size, root }) {
  const [, number, proof, personal, leaf] =
    /^\{"seq":([1-9][0-9]{0,15}),"proof":"([A-Za-z0-9+/=]*)",(?:"personal":(\{.*?\}),)?"leaf":(\{.*\})\}$/s.exec(
      line,
    ) ?? [];
  const seq = Number(number ?? Number.NaN);
  const hashes = base64(proof ?? "");
  if (!(seq > after && seq <= size) || hashes.toString("base64") !== proof)
    throw new Bad(null, `the line after position ${after} is no entry that stands behind it in the log`);
  const hash = sha256(Buffer.concat([Buffer.of(0), Buffer.from(leaf)]));
  if (!isIncluded(hash, seq - 1, size, hashes, root))
    throw new Bad(seq, "the entry is not as it was written, or its proof is of another");
  const read = JSON.parse(leaf);
  if (personal !== undefined && !isCommitted(personal, read))
    throw new Bad(seq, "a text of a person is not the one that the entry was written with");
  if (origin !== `tidegate/${read.installation}`) throw new Bad(seq, "the entry is of another installation");
  const texts = Object.entries(personal === undefined ? {} : JSON.parse(personal));
  return { seq, leaf: read, texts: Object.fromEntries(texts.map(([field, [, text]]) => [field, text])) };
}

/** What a receipt is made of: the lines for machines but the seal, with the text for people before them. */
export function receiptText(lines) {
  const { checkpoint, entries, facts } = readLines(lines, { keys: [], checkpoints: [] });
  return [...readable(facts, entries, checkpoint), ...lines, ""].join("\n");
}

/** What is sealed: that these are all the entries of that grant in the log of this size. */
export const sealOf = (origin, grant, size, before) =>
  `${origin}/receipt\n${grant}\n${size}\n${sha256(Buffer.from(before)).toString("base64")}\n`;

function readLines([first, ...rest], { keys: trusted, checkpoints }) {
  let header = {};
  try {
    header = JSON.parse(first);
  } catch {}
  const { tidegateReceipt, grant, checkpoint: note, key, changes } = header ?? {};
  if (tidegateReceipt !== 1 || !Array.isArray(changes))
    throw new Bad(null, "there is no line with what was signed: it is neither an export nor a receipt");
  if (JSON.stringify({ tidegateReceipt, grant, checkpoint: note, key, changes }) !== first)
    throw new Bad(null, "the line with what was signed is not as it was written");
  const read = readerOf(key, changes, trusted);
  const checkpoint = read(single(note), "the checkpoint of the receipt", "it");
  const kept = checkpoints.map(({ name, note: one }) => ({ name, read: read(noteOf(one), name) }));
  const other = kept.find((one) => one.read.size === checkpoint.size && !one.read.root.equals(checkpoint.root));
  if (other) throw new Bad(null, `its log is another than the one of ${other.name}: of one size there is one root`);
  let after = 0;
  const entries = rest.map((line) => {
    const entry = receiptEntry(line, after, checkpoint);
    after = entry.seq;
    return entry;
  });
  return { grant, checkpoint, kept, entries, facts: factsOf(grant, entries) };
}

export class ReceiptVerifier {
  #given;
  #pieces = [];
  #length = 0;

  constructor({ keys = [], checkpoints = [] } = {}) {
    this.#given = { keys, checkpoints };
  }

  push(chunk) {
    this.#pieces.push(Buffer.from(chunk));
    this.#length += chunk.length;
    return this.#length <= LINE_MAX;
  }

  end() {
    try {
      return this.#read();
    } catch (error) {
      const why = error instanceof Bad ? error.message : `it says what no receipt says (${error.message})`;
      return { ok: false, position: error.position ?? null, why };
    }
  }

  #read() {
    const bytes = Buffer.concat(this.#pieces);
    const text = bytes.toString("utf8");
    if (!Buffer.from(text).equals(bytes)) throw new Bad(null, "it is no text in UTF-8");
    const start = text.startsWith('{"tidegateReceipt":') ? 0 : text.indexOf('\n{"tidegateReceipt":') + 1;
    const end = text.lastIndexOf('\n{"seal":') + 1;
    if (!text.endsWith("\n") || end <= start) throw new Bad(null, "it is no receipt, or was cut short");
    const { grant, checkpoint, kept, entries, facts } = readLines(text.slice(start, end - 1).split("\n"), this.#given);
    const [told, must] = [text.slice(0, start - 1).split("\n"), readable(facts, entries, checkpoint)];
    const wrong = Array.from({ length: Math.max(told.length, must.length) }, (_, at) => at).find(
      (at) => told[at] !== must[at],
    );
    if (wrong !== undefined)
      throw new Bad(
        null,
        `line ${wrong + 1} of the text is not what the entries say, which is: ${must[wrong] ?? "nothing"}`,
      );
    let seal = null;
    try {
      seal = JSON.parse(text.slice(end)).seal;
    } catch {}
    if (`${JSON.stringify({ seal })}\n` !== text.slice(end)) throw new Bad(null, "the seal is not as it was written");
    const { origin, size, root, at, by } = checkpoint;
    if (openNote(single(seal), [by])?.text !== sealOf(origin, grant, size, text.slice(0, end)))
      throw new Bad(null, "the seal is of something else: a line was left out, put in or changed");
    return {
      ...{ ok: true, receipt: facts, origin, entries: size, root: root.toString("base64"), at, key: by.text },
      trusted: this.#given.keys.length > 0,
      // Of another size it may be of another log.
      kept: kept.map(({ name, read }) => ({ name, size: read.size, at: read.at, proven: read.size === size })),
      text: must.slice(0, -2).join("\n"),
    };
  }
}

/** Of an export or of a receipt, whichever comes. */
export class Verifier {
  #given;
  #verifier = null;

  constructor(given) {
    this.#given = given;
  }

  push(chunk) {
    this.#verifier ??= chunk[0] === 0x7b ? new LogVerifier(this.#given) : new ReceiptVerifier(this.#given);
    return this.#verifier.push(chunk);
  }

  end() {
    return witnessed((this.#verifier ?? new LogVerifier(this.#given)).end(), this.#given ?? {});
  }
}

// ---- The command -------------------------------------------------------------------------------------------------------

const droppedIn = ({ to, by, at, before, kept }) =>
  `What the first ${to} said was dropped, and their hashes are proven: entry ${by} of ${shown(at)} says so (written until ${shown(before)} at the latest, kept for ${shown(kept)}).`;

/** In words; `what` was read. */
export function told(verdict, what) {
  if (!verdict.ok)
    return verdict.position === null
      ? `${what} proves nothing: ${verdict.why}.`
      : `${what} is NOT whole. First bad position: ${verdict.position}: ${verdict.why}.`;
  const { origin, entries, at, key, trusted, kept, root, receipt } = verdict;
  const vouched = trusted
    ? `The key that you gave vouches for it: it is signed with ${key}.`
    : `It is signed with ${key}. Compare that with the key you were told, or give it with --key.`;
  const saw = (verdict.witnessed ?? []).map(
    (it) => `The witness ${it.witness} saw its ${it.size} entries at ${it.at}.`,
  );
  if (receipt)
    return [
      `${what} is a receipt, and whole. Its ${receipt.entries} entries, which are in the log as signed at ${at}, say:`,
      "",
      verdict.text,
      "",
      vouched,
      ...kept.map((one) =>
        one.proven
          ? `Its log is the one of ${one.name}.`
          : `${one.name} is of another size, ${one.size}: whether it is of this log, only an export shows (node verify.mjs EXPORT --checkpoint ${what} --checkpoint ${one.name}).`,
      ),
      ...saw,
    ].join("\n");
  return [
    `${what} is whole: ${entries} entries of ${origin}, as signed at ${at} (root ${root}).`,
    ...(verdict.dropped ? [droppedIn(verdict.dropped)] : []),
    vouched,
    ...kept.map((one) => `It goes on from ${one.name}: ${one.size} entries, signed at ${one.at}.`),
    ...saw,
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
  const [files, given] = [[], { "--checkpoint": [], "--witness": [], "--key": [] }];
  let json = false;
  for (let i = 0; i < args.length; i += 1)
    if (args[i] === "--json") json = true;
    else if (!Object.hasOwn(given, args[i])) files.push(args[i]);
    else if (i + 1 < args.length) given[args[i]].push(args[++i]);
    else throw new Error(`nothing stands after ${args[i]}`);
  if (files.length !== 1 || files[0].startsWith("--"))
    throw new Error("node verify.mjs EXPORT|RECEIPT [--checkpoint FILE]… [--witness KEY]… [--key KEY]… [--json]");
  const checkpoints = given["--checkpoint"].map((name) => ({ name, note: readFileSync(name, "utf8") }));
  // A hash is of use for a moment: the room for such things stays small, however many there are.
  v8.setFlagsFromString("--semi-space-growth-factor=1");
  const verifier = new Verifier({ keys: given["--key"], checkpoints, witnesses: given["--witness"] });
  for await (const chunk of files[0] === "-" ? process.stdin : piecesOf(files[0])) if (!verifier.push(chunk)) break;
  const verdict = verifier.end();
  console.log(json ? JSON.stringify(verdict) : told(verdict, files[0] === "-" ? "It" : files[0]));
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
