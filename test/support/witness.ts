/**
 * A witness as c2sp.org/tlog-witness and c2sp.org/tlog-cosignature describe one, written from their text: it computes roots and
 * proofs by RFC 9162 (2.1.4.2) itself, and uses nothing of ours.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as textOf } from "node:stream/consumers";

const sha256 = (...parts: Buffer[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();
const raw = (key: KeyObject): Buffer => key.export({ format: "der", type: "spki" }).subarray(-32);
const node = (left: Buffer, right: Buffer): Buffer => sha256(Buffer.of(1), left, right);

type Seen = { size: number; root: Buffer };

export type Witness = {
  readonly url: string;
  readonly vkey: string;
  seen: Seen;
  /** Bodies of the requests that came. */
  readonly asked: string[];
  /** Answers this instead of what is right. */
  answers: { readonly status: number; readonly body: string } | null;
  close(): Promise<void>;
};

/** For a log with this key, in the form of a verifier key. */
export async function startWitness(name: string, logKey: string): Promise<Witness> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const typed = Buffer.concat([Buffer.of(4), raw(publicKey)]);
  const id = sha256(Buffer.from(`${name}\n`), typed).subarray(0, 4);
  const [origin = "", , log = ""] = /^(.+)\+([0-9a-f]{8})\+(.+)$/.exec(logKey)?.slice(1) ?? [];
  const logDer = Buffer.concat([
    Buffer.from("302a300506032b6570032100", "hex"),
    Buffer.from(log, "base64").subarray(1),
  ]);
  const witness: Witness = {
    url: "",
    vkey: `${name}+${id.toString("hex")}+${typed.toString("base64")}`,
    seen: { size: 0, root: Buffer.alloc(0) },
    asked: [],
    answers: null,
    close: async () => {},
  };
  const judge = (body: string): [number, string] => {
    const split = body.indexOf("\n\n");
    const [old = "", ...proof] = body.slice(0, split).split("\n");
    const note = body.slice(split + 2);
    const end = note.indexOf("\n\n") + 1;
    const signed = note.slice(0, end);
    const [from = "", size = "", root = ""] = signed.split("\n");
    if (!/^old (0|[1-9][0-9]*)$/.test(old) || proof.length > 63) return [400, "malformed"];
    if (from !== origin) return [404, "unknown"];
    const good = note
      .slice(end + 1)
      .split("\n")
      .some((line) => {
        const [, who, signature = ""] = /^— (\S+) (\S+)$/.exec(line) ?? [];
        const key = { key: logDer, format: "der", type: "spki" } as const;
        return who === origin && verify(null, Buffer.from(signed), key, Buffer.from(signature, "base64").subarray(4));
      });
    if (!good) return [403, "not signed"];
    const [first, second] = [Number(old.slice(4)), Number(size)];
    if (first > second) return [400, "backwards"];
    const newRoot = Buffer.from(root, "base64");
    if (first !== witness.seen.size) return [409, `${witness.seen.size}\n`];
    if (first === second && !newRoot.equals(witness.seen.root)) return [409, "forked"];
    const hashes = proof.map((line) => Buffer.from(line, "base64"));
    if (first > 0 && !consistent(first, second, witness.seen.root, newRoot, hashes)) return [422, "inconsistent"];
    if (first === 0 && hashes.length > 0) return [422, "a proof from nothing"];
    witness.seen = { size: second, root: newRoot };
    const time = BigInt(Math.floor(Date.now() / 1_000));
    const message = Buffer.from(`cosignature/v1\ntime ${time}\n${signed}`);
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(time);
    const line = Buffer.concat([id, stamp, sign(null, message, privateKey)]).toString("base64");
    return [200, `— other.example/w9 ${Buffer.alloc(76, 1).toString("base64")}\n— ${name} ${line}\n`];
  };
  const server = createServer(
    (request, response) => void textOf(request).then((body) => take(request, response, body)),
  );
  const take = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    witness.asked.push(body);
    const right = request.method === "POST" && request.url === "/prefix/add-checkpoint";
    const [status, answer] =
      witness.answers === null ? (right ? judge(body) : [404, ""]) : [witness.answers.status, witness.answers.body];
    response.writeHead(status, status === 409 ? { "content-type": "text/x.tlog.size" } : {}).end(answer);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  (witness as { url: string }).url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/prefix`;
  witness.close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return witness;
}

/** RFC 9162, 2.1.4.2, step by step. */
function consistent(first: number, second: number, firstHash: Buffer, secondHash: Buffer, path: Buffer[]): boolean {
  if (first === second) return path.length === 0 && firstHash.equals(secondHash);
  if (path.length === 0) return false;
  const steps = (first & (first - 1)) === 0 ? [firstHash, ...path] : [...path];
  let [fn, sn] = [first - 1, second - 1];
  while (fn % 2 === 1) [fn, sn] = [fn >> 1, sn >> 1];
  let fr = steps[0] ?? Buffer.alloc(0);
  let sr = fr;
  for (const c of steps.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [node(c, fr), node(c, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else sr = node(sr, c);
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  return fr.equals(firstHash) && sr.equals(secondHash) && sn === 0;
}
