import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { answerScram, scramVerifier } from "./scram.ts";
import { Secret } from "./secret.ts";

test("the verifier accepts the client proof of RFC 7677, section 3, and gives its server signature", () => {
  const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
  const auth = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=${salt},i=4096,c=biws,r=${nonce}`;
  const verifier = scramVerifier(new Secret("pencil"), Buffer.from(salt, "base64"));
  const [, storedKey = "", serverKey = ""] =
    /^SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$(.+):(.+)$/.exec(verifier) ?? [];
  const sign = (key: string) => createHmac("sha256", Buffer.from(key, "base64")).update(auth).digest();
  assert.equal(sign(serverKey).toString("base64"), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  const proof = Buffer.from("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "base64");
  const clientKey = sign(storedKey).map((byte, index) => byte ^ (proof[index] ?? 0));
  assert.equal(createHash("sha256").update(clientKey).digest("base64"), storedKey);
});

test("two verifiers of one password differ, so that equal passwords do not show", () => {
  assert.notEqual(scramVerifier(new Secret("same")), scramVerifier(new Secret("same")));
});

test("a password beyond ASCII is prepared as the driver does it, whichever way it was typed", () => {
  const salt = Buffer.alloc(16, 7);
  const verifierOf = (text: string) => scramVerifier(new Secret(text), salt);
  assert.equal(verifierOf("pa\u0308ss"), verifierOf("p\u00e4ss"));
  assert.notEqual(verifierOf("p\u00e4ss"), verifierOf("pass"));
});

const PENCIL = new Secret("pencil");
const challenge = (nonce: string, iterations = 4096) => `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=${iterations}`;

/** What a server does with an answer: it knows no more than the verifier. */
function check(verifier: string, clientNonce: string, serverFirst: string, response: string): string | null {
  const [, storedKey = "", serverKey = ""] = /\$([^$:]+):([^$:]+)$/.exec(verifier) ?? [];
  const [withoutProof = "", proof = ""] = response.split(",p=");
  const exchanged = `n=*,r=${clientNonce},${serverFirst},${withoutProof}`;
  const sign = (key: string) => createHmac("sha256", Buffer.from(key, "base64")).update(exchanged).digest();
  const sent = Buffer.from(proof, "base64");
  const clientKey = sign(storedKey).map((byte, index) => byte ^ (sent[index] ?? 0));
  const isRight = createHash("sha256").update(clientKey).digest("base64") === storedKey;
  return isRight ? sign(serverKey).toString("base64") : null;
}

test("an answer proves the password to whoever holds its verifier, and knows what that must answer; the second time as well", async () => {
  const verifier = scramVerifier(PENCIL, Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"));
  for (const nonce of ["ours", "ours-again"]) {
    const first = challenge(`${nonce}theirs`);
    const { response, serverSignature } = await answerScram(PENCIL, nonce, first);
    assert.equal(check(verifier, nonce, first, response), serverSignature);
    const wrong = await answerScram(new Secret("pencils"), nonce, first);
    assert.equal(check(verifier, nonce, first, wrong.response), null);
  }
});

test("a server that repeats our nonce, brings its own, wants endless work or sends something else gets no answer", async () => {
  const refused: [string, RegExp][] = [
    [challenge("ours"), /nonce/],
    [challenge("theirs"), /nonce/],
    [challenge("ourstheirs", 100_001), /iterations/],
    ["e=other-error", /not understood/],
    [`m=unknown,${challenge("ourstheirs")}`, /not understood/],
  ];
  for (const [first, why] of refused) await assert.rejects(answerScram(PENCIL, "ours", first), why);
});
