/** As much of `oidc-provider` as the demo and the tests use: it comes without types. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http";

  class Grant {
    constructor(of: { accountId: string; clientId: string });
    static find(id: string): Promise<Grant | undefined>;
    addOIDCScope(scope: string): void;
    save(): Promise<string>;
  }
  type Interaction = {
    readonly uid: string;
    readonly prompt: { readonly name: string };
    readonly params: Readonly<Record<string, unknown>>;
    readonly grantId?: string;
    readonly session?: { readonly accountId: string };
  };

  export class Provider {
    constructor(issuer: string, configuration: object);
    readonly Grant: typeof Grant;
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>;
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: object): Promise<void>;
  }

  /** What it hands to its callbacks. */
  export type Context = {
    body: string;
    type: string;
    set(header: string, value: string): void;
    readonly oidc: {
      readonly provider: Provider;
      readonly result?: { readonly login?: object };
      readonly session: { readonly accountId?: string };
      readonly client: { readonly clientId: string };
    };
  };

  type Check = object;
  export const interactionPolicy: {
    base(): { get(prompt: string): { checks: { add(check: Check): void } } };
    Check: {
      new (reason: string, description: string, check: (context: Context) => boolean): Check;
      readonly REQUEST_PROMPT: boolean;
      readonly NO_NEED_TO_PROMPT: boolean;
    };
  };
}

declare module "oidc-provider/lib/adapters/memory_adapter.js" {
  export function createMemoryAdapter(): (model: string) => object;
}
