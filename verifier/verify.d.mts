export type Verdict =
  | {
      readonly ok: true;
      readonly origin: string;
      readonly entries: number;
      readonly root: string;
      readonly at: string;
      readonly key: string;
      readonly trusted: boolean;
      readonly kept: readonly { readonly name: string; readonly size: number; readonly at: string }[];
    }
  | { readonly ok: false; readonly position: number | null; readonly why: string };

export class LogVerifier {
  constructor(given?: {
    readonly key?: string | null;
    readonly checkpoints?: readonly { readonly name: string; readonly note: string }[];
  });
  push(chunk: Uint8Array): boolean;
  end(): Verdict;
}

export function told(verdict: Verdict, what: string): string;
