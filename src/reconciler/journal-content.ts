/** What the journal holds, and how it becomes bytes: compressed and sealed as a whole, for it knows connections and people. */
import { promisify } from "node:util";
import { deflateRaw, inflateRaw, type ZlibOptions } from "node:zlib";
import { z } from "zod";
import type { JsonObject } from "../base/canonical.ts";
import type { GrantId, InstallationId } from "../base/ids.ts";
import type { EndingLease, Endings } from "../store/journal-source.ts";
import { type KeyRing, openBytes, sealBytes } from "../store/sealed.ts";

/** Of what was parsed as JSON; thousands of them are read at a start. */
const json = z.custom<JsonObject>((it) => typeof it === "object" && it !== null && !Array.isArray(it));
const time = z.number();

const line = z.object({
  grant: z.string().transform((it) => it as GrantId),
  kind: z.string(),
  resource: z.string(),
  rightKey: z.string(),
  names: json,
  details: json,
  account: z.object({ handle: z.string(), email: z.string().nullable() }),
  /** Places in `texts`: many grants share them. */
  scope: z.number(),
  scopeHash: z.string(),
  target: z.object({ identity: z.string(), position: z.string().nullable() }),
  standing: z.boolean(),
  /** Database time; null: it was being ended already. */
  endsMs: time.nullable(),
  coveredUntilMs: time.nullable(),
  /** How to reach the target, the best way first; with references or with secrets. */
  ways: z.array(z.object({ at: z.number(), references: z.boolean() })),
});

/** One process made them all: what holds of the first holds of the others, and thousands would keep a start waiting. */
const lines = z.array(z.unknown()).transform((all) => {
  for (const first of all.slice(0, 1)) line.parse(first);
  return all as JournalLine[];
});

const shut = z.object({
  grant: z.string().transform((it) => it as GrantId),
  /** When it was begun, before anything was done, and when it was done; database time as this process knew it. */
  begunMs: time,
  doneMs: time.nullable(),
});

const content = z.object({
  v: z.literal(1),
  installation: z.string().transform((it) => it as InstallationId),
  moment: z.object({
    databaseMs: time,
    wallMs: time,
    boot: z.object({ id: z.string(), uptimeMs: time }).nullable(),
  }),
  texts: z.array(json),
  lines,
  /** What the ledger does not know yet. */
  shut: z.array(shut),
});

/** One grant that ends soon, with all that is needed to shut it. */
export type JournalLine = z.infer<typeof line>;
/** A grant that was shut, or begun to be, while the store was away. */
export type Shut = z.infer<typeof shut>;
export type JournalContent = z.infer<typeof content>;

type Configured = Endings["configured"][string];
type Lines = Pick<JournalContent, "lines" | "texts">;

/** Texts that no line needs any more are dropped once there are so many. */
const TEXTS_MAX = 20_000;

/**
 * Makes the lines of what was read, with every text that several of them share kept once. What is as it was the last time is
 * not made again: of thousands few change between two looks, and whoever compares lines need only ask whether they are the same.
 */
export class LineMaker {
  #texts: JsonObject[] = [];
  #places = new Map<string, number>();
  #made = new WeakMap<EndingLease, { readonly now: Configured | undefined; readonly line: JournalLine }>();

  linesOf({ leases, configured }: Pick<Endings, "leases" | "configured">): Lines {
    if (this.#texts.length > TEXTS_MAX) {
      this.#texts = [];
      this.#places = new Map();
      this.#made = new WeakMap();
    }
    const lines = leases.map((lease) => {
      const now = configured[lease.resource];
      const known = this.#made.get(lease);
      if (known !== undefined && known.now === now) return known.line;
      const line = this.#make(lease, now);
      this.#made.set(lease, { now, line });
      return line;
    });
    return { lines, texts: this.#texts };
  }

  #place(text: JsonObject): number {
    const key = JSON.stringify(text);
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    this.#places.set(key, this.#texts.length);
    return this.#texts.push(text) - 1;
  }

  #make(lease: EndingLease, now: Configured | undefined): JournalLine {
    const ways = [
      // A reference is looked up when it is needed: an admin credential that was rotated is there.
      ...(now?.connector === lease.kind ? [{ at: this.#place(now.connection), references: true }] : []),
      ...(lease.kept === null ? [] : [{ at: this.#place(lease.kept), references: false }]),
      { at: this.#place(lease.written), references: true },
    ];
    const { grantId: grant, kind, resource, rightKey, names, details, account, scopeHash, target } = lease;
    const { standing, endsMs, coveredUntilMs } = lease;
    return {
      ...{ grant, kind, resource, rightKey, names, details, account, scopeHash, target, standing, endsMs },
      coveredUntilMs,
      scope: this.#place(lease.scope),
      ways: ways.filter((way, i) => ways.findIndex((other) => other.at === way.at) === i),
    };
  }
}

const written = new WeakMap<JournalLine, string>();

/** A line never changes once it is made; nor does its text. */
function textOf(made: JournalLine): string {
  const text = written.get(made) ?? JSON.stringify(made);
  written.set(made, text);
  return text;
}

const BOUND = "tidegate journal";
/** Lines are so much alike that nearly all is gained by the quickest way. */
const QUICKLY = 1;
const pack: (text: Buffer, options: ZlibOptions) => Promise<Buffer> = promisify(deflateRaw);
const unpack = promisify(inflateRaw);

/** The id of the sealing key, a line end, and the rest sealed with it. */
export async function sealContent(ring: KeyRing, it: JournalContent): Promise<Buffer> {
  const { lines, ...rest } = it;
  const text = `{"lines":[${lines.map(textOf).join(",")}],${JSON.stringify(rest).slice(1)}`;
  const packed = await pack(Buffer.from(text), { level: QUICKLY });
  const { keyId, sealed } = sealBytes(ring, packed, BOUND);
  return Buffer.concat([Buffer.from(`${keyId}\n`), sealed]);
}

/** Throws when the key is not here, or what is there was changed. */
export async function openContent(ring: KeyRing, bytes: Buffer): Promise<JournalContent> {
  const end = bytes.indexOf("\n");
  const packed = openBytes(ring, bytes.subarray(0, Math.max(0, end)).toString(), bytes.subarray(end + 1), BOUND);
  return content.parse(JSON.parse((await unpack(packed)).toString()));
}
