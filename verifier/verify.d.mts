type Person = { readonly id: string; readonly handle: string | null };
type Told = { readonly seq: number; readonly at: string };
/** What the entries of a receipt say. */
export type ReceiptFacts = {
  readonly grant: string;
  readonly request: string;
  readonly person: Person;
  readonly entitlement: string;
  readonly scopeHash: string;
  readonly asked: (Told & { readonly ticket: string; readonly reason: string | null }) | null;
  readonly rule: string | null;
  readonly emergency: boolean;
  readonly configuration: readonly (Told & { readonly version: number; readonly hash: string })[];
  readonly agreed: readonly (Told & { readonly by: Person; readonly inPlaceOf: readonly Person[] })[];
  readonly made: Told | null;
  readonly ended:
    | (Told & { readonly cause: string; readonly by: Person | null; readonly reason: string | null })
    | null;
  readonly due: (Told & { readonly until: string }) | null;
  readonly gone: Told;
  readonly closed: Told & { readonly kind: "gone" | "covered" | "standing"; readonly failed: boolean };
  readonly confirmed: Told | null;
  readonly entries: number;
};

export type Verdict =
  | {
      readonly ok: true;
      readonly origin: string;
      readonly entries: number;
      readonly root: string;
      readonly at: string;
      readonly key: string;
      readonly trusted: boolean;
      /** `proven`: the log goes on from it. A receipt proves that only of a checkpoint of its own size. */
      readonly kept: readonly {
        readonly name: string;
        readonly size: number;
        readonly at: string;
        readonly proven: boolean;
      }[];
      /** Up to which position nothing but hashes is left; which entry says so, and when. */
      readonly dropped?: {
        readonly to: number;
        readonly by: number;
        readonly at: string;
        readonly before: string;
        readonly kept: string;
      };
      /** By whom, where witnesses were given. */
      readonly witnessed?: readonly { readonly witness: string; readonly size: number; readonly at: string }[];
      /** Of a receipt. */
      readonly receipt?: ReceiptFacts;
      readonly text?: string;
    }
  | { readonly ok: false; readonly position: number | null; readonly why: string };

type Given = {
  readonly keys?: readonly string[];
  readonly checkpoints?: readonly { readonly name: string; readonly note: string }[];
  readonly witnesses?: readonly string[];
};

export class LogVerifier {
  constructor(given?: Given);
  push(chunk: Uint8Array): boolean;
  end(): Verdict;
}

/** Of an export or of a receipt, whichever comes. */
export class Verifier extends LogVerifier {}

export function receiptText(lines: readonly string[]): string;
export function sealOf(origin: string, grant: string, size: number, before: string): string;
export function told(verdict: Verdict, what: string): string;
