/** A provider that sends its people and groups: calls of SCIM on a Tidegate of its own, and sequences that are replayed from files. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { TestContext } from "node:test";
import type { InjectOptions } from "fastify";
import type { IdentityProvider } from "../../src/domain/identity.ts";
import { ERROR_URN } from "../../src/domain/scim/schema.ts";
import type { ApiOptions } from "./api.ts";
import { type Company, company, declared } from "./signing-in.ts";

export const SCIM_TOKEN = "a-token-of-SCIM-that-nobody-would-guess";
const ISSUER = "https://company.example";
export const PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

type Json = ReturnType<typeof JSON.parse>;
export type ScimAnswer = {
  readonly status: number;
  readonly body: Json;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
};
export type ScimMore = {
  readonly headers?: Record<string, string>;
  readonly raw?: string;
  readonly token?: string | null;
};

export type ScimCompany = Company & {
  scim(method: string, path: string, body?: unknown, more?: ScimMore): Promise<ScimAnswer>;
  /** Creates a user of that name; the externalId is `ext-` and the name. Answers the id. */
  user(name: string, more?: Record<string, unknown>): Promise<string>;
  group(displayName: string, members?: readonly string[]): Promise<string>;
  patch(path: string, ...operations: readonly Record<string, unknown>[]): Promise<ScimAnswer>;
};

export const scimProvider = (more: Partial<IdentityProvider> = {}): IdentityProvider =>
  declared(ISSUER, { scim: { settings: { tokens: [SCIM_TOKEN] }, claim: "sub" }, ...more });

export async function scimCompany(
  t: Pick<TestContext, "after">,
  provider: IdentityProvider = scimProvider(),
  more: ApiOptions = {},
): Promise<ScimCompany> {
  const it = await company(t, more);
  await it.provide(provider);
  return { ...it, ...scimOf(it) };
}

export function scimOf({ api }: Pick<Company, "api">): Omit<ScimCompany, keyof Company> {
  const scim: ScimCompany["scim"] = async (method, path, body, { headers = {}, raw, token = SCIM_TOKEN } = {}) => {
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const answered = await api.app.inject({
      method: method as "GET",
      url: `/scim/v2${path}`,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(payload === undefined ? {} : { "content-type": "application/scim+json" }),
        ...headers,
      },
      ...(payload === undefined ? {} : { payload }),
    } as InjectOptions);
    const text = answered.body;
    const read = text === "" ? null : JSON.parse(text);
    if (text !== "") assert.match(String(answered.headers["content-type"]), /^application\/scim\+json/, text);
    if (answered.statusCode >= 400) holdsAsError(answered.statusCode, read);
    return { status: answered.statusCode, body: read, text, headers: answered.headers };
  };
  const idOf = ({ status, body, text }: ScimAnswer): string => {
    assert.equal(status, 201, text);
    return body.id;
  };
  return {
    scim,
    user: async (name, more = {}) => idOf(await scim("POST", "/Users", person(name, more))),
    group: async (displayName, members = []) =>
      idOf(await scim("POST", "/Groups", { displayName, members: members.map((value) => ({ value })) })),
    patch: (path, ...operations) => scim("PATCH", path, { schemas: [PATCH_URN], Operations: operations }),
  };
}

export const person = (name: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  userName: `${name}@company.example`,
  externalId: `ext-${name}`,
  displayName: name,
  emails: [{ value: `${name}@company.example`, type: "work", primary: true }],
  active: true,
  ...more,
});

/** RFC 7644, 3.12: what every no looks like. */
function holdsAsError(status: number, body: Json): void {
  assert.deepEqual(body.schemas, [ERROR_URN]);
  assert.equal(body.status, String(status));
  assert.match(body.detail, /^\S.*[.!?]$/s, "the detail is a sentence");
}

/** Refused as it should be, in words that fit, and in the log; what was sent is in neither. */
export function assertScimRefused(
  it: Company,
  answered: ScimAnswer,
  status: number,
  scimType: string | null,
  detail: RegExp,
): void {
  assert.equal(answered.status, status, answered.text);
  assert.equal(answered.body.scimType ?? null, scimType, answered.text);
  assert.match(answered.body.detail, detail);
  assert.ok(answered.text.length < 1_000, "an answer does not repeat what was sent");
  assert.match(it.api.logged(), new RegExp(`"status":${status}[^\\n]*scim refused`));
  assert.ok(!it.api.logged().includes(SCIM_TOKEN));
}

type Step = {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly status: number;
  readonly answer?: unknown;
  readonly lacks?: readonly string[];
  readonly keep?: string;
};

/** Sends what a provider is documented to send, step by step, and holds each answer against what it is documented to want. */
export async function replay(it: ScimCompany, file: string): Promise<Map<string, string>> {
  const steps = JSON.parse(readFileSync(resolve(import.meta.dirname, "../identity/scim", file), "utf8")) as Step[];
  const kept = new Map<string, string>();
  const filled = <T>(value: T): T =>
    JSON.parse(JSON.stringify(value).replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => kept.get(name) ?? name)) as T;
  for (const step of steps) {
    const { what, method, path, body, status, answer, lacks = [], keep } = step;
    const answered = await it.scim(method, filled(path), body === undefined ? undefined : filled(body));
    assert.equal(answered.status, status, `${file}: ${what}: ${answered.text}`);
    if (answer !== undefined)
      assert.partialDeepStrictEqual(answered.body, filled(answer), `${file}: ${what}: ${answered.text}`);
    for (const name of lacks) assert.ok(!(name in answered.body), `${file}: ${what}: no ${name}`);
    if (keep !== undefined) kept.set(keep, answered.body.id);
  }
  return kept;
}
