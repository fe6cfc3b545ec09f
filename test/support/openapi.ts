/** The parts of an OpenAPI document that our tests look at. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Schema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly examples?: readonly Json[];
  readonly enum?: readonly Json[];
  readonly const?: Json;
  readonly default?: Json;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly additionalProperties?: boolean | Schema;
};
export type Parameter = {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: Schema;
};
export type Media = {
  readonly schema?: Schema;
  readonly example?: Json;
  readonly examples?: Readonly<Record<string, { $ref: string }>>;
};
export type Response = { readonly description?: string; readonly content?: Readonly<Record<string, Media>> };
export type Operation = {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, Response>>;
};
export type JsonDocument = {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string };
  readonly tags?: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: {
    readonly schemas?: Readonly<Record<string, Schema>>;
    readonly examples?: Readonly<Record<string, { readonly value: Json }>>;
  };
};

/** The one format that our shapes name. */
export const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/;

export const METHODS: readonly string[] = ["get", "post", "put", "patch", "delete"];

/** Answers without a token. */
export const isOpen = (security: readonly unknown[] | undefined): boolean => security?.length === 0;

/** The scope that a token with scopes needs; null where it needs none, or has none that would do. */
export const scopeIn = (security: readonly unknown[] | undefined): string | null =>
  (security?.[0] as { readonly bearer?: readonly string[] } | undefined)?.bearer?.[0] ?? null;

/** A JSON pointer (RFC 6901), written for a fragment. */
export const pointer = (path: readonly string[]): string =>
  path.map((part) => `/${encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))}`).join("");

/** What `#/components/…` leads to, or undefined. */
export function resolveRef(document: JsonDocument, ref: string): Json | undefined {
  let at: Json | undefined = document as unknown as Json;
  for (const part of ref.replace(/^#\//, "").split("/")) {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    at = typeof at === "object" && at !== null && !Array.isArray(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  }
  return at;
}
