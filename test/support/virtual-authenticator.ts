/** An authenticator in a few lines: ES256, attestation "none", a counter; and it does wrong what a test tells it to. */
import { createHash, createSign, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";

type Cbor = number | string | Buffer | ReadonlyMap<number | string, Cbor>;

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  return value < 256
    ? Buffer.from([(major << 5) | 24, value])
    : Buffer.from([(major << 5) | 25, value >> 8, value & 255]);
}

function cbor(value: Cbor): Buffer {
  if (typeof value === "number") return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  return Buffer.concat([head(5, value.size), ...Array.from(value, ([key, one]) => [cbor(key), cbor(one)]).flat()]);
}

const sha256 = (data: string | Buffer): Buffer => createHash("sha256").update(data).digest();
const b64 = (data: Buffer): string => data.toString("base64url");

type Options = {
  readonly challenge: string;
  readonly user?: { readonly id: string };
  readonly allowCredentials?: readonly { readonly id: string }[];
};

export class VirtualAuthenticator {
  origin: string;
  rpId: string;
  userVerified = true;
  /** What it says next time; each answer counts on. */
  counter = 0;
  readonly id = randomBytes(32);
  readonly #key: KeyObject;
  readonly #publicKey: { readonly x: string; readonly y: string };
  #user = "";

  constructor(url: string) {
    this.origin = url;
    this.rpId = new URL(url).hostname;
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#key = privateKey;
    const { x = "", y = "" } = publicKey.export({ format: "jwk" });
    this.#publicKey = { x, y };
  }

  #data(more: Buffer, flags: number): Buffer {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(this.counter);
    this.counter += 1;
    return Buffer.concat([sha256(this.rpId), Buffer.from([flags | 1 | (this.userVerified ? 4 : 0)]), counter, more]);
  }

  #client(type: string, challenge: string): Buffer {
    return Buffer.from(JSON.stringify({ type, challenge, origin: this.origin, crossOrigin: false }));
  }

  create({ challenge, user }: Options): string {
    this.#user = user?.id ?? "";
    const key: Cbor = new Map<number, Cbor>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, Buffer.from(this.#publicKey.x, "base64url")],
      [-3, Buffer.from(this.#publicKey.y, "base64url")],
    ]);
    const length = Buffer.from([0, this.id.length]);
    const authData = this.#data(Buffer.concat([Buffer.alloc(16), length, this.id, cbor(key)]), 0x40);
    const attestation: Cbor = new Map<string, Cbor>([
      ["fmt", "none"],
      ["attStmt", new Map()],
      ["authData", authData],
    ]);
    return this.#answer({
      clientDataJSON: b64(this.#client("webauthn.create", challenge)),
      attestationObject: b64(cbor(attestation)),
      transports: ["internal"],
    });
  }

  get({ challenge }: Options): string {
    const client = this.#client("webauthn.get", challenge);
    const data = this.#data(Buffer.alloc(0), 0);
    const signature = createSign("sha256")
      .update(Buffer.concat([data, sha256(client)]))
      .sign(this.#key);
    return this.#answer({
      clientDataJSON: b64(client),
      authenticatorData: b64(data),
      signature: b64(signature),
      userHandle: this.#user,
    });
  }

  #answer(response: object): string {
    const id = b64(this.id);
    return JSON.stringify({ id, rawId: id, type: "public-key", clientExtensionResults: {}, response });
  }
}
