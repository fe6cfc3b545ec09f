/** The HTTP API on a world: people with tokens, and calls whose answers are held against the contract. */
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import type { AnyContractProcedure } from "@orpc/contract";
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from "fastify";
import pino from "pino";
import type { z } from "zod";
import type { Clock } from "../../src/base/clock.ts";
import { systemClock } from "../../src/base/clock.ts";
import { PROBLEMS, type ProblemCode } from "../../src/base/problem.ts";
import { hashToken } from "../../src/base/token.ts";
import { type Contract, contract } from "../../src/contract/contract.ts";
import type { Configuration, DeclaredPrincipal } from "../../src/domain/configuration.ts";
import { type HttpLimits, LIMITS } from "../../src/http/limits.ts";
import { createHttpServer, type ServerDeps } from "../../src/http/server.ts";
import { createOidc } from "../../src/identity/oidc.ts";
import { createScimTokens } from "../../src/identity/scim-tokens.ts";
import { createSignals } from "../../src/identity/signals.ts";
import { createWorkloads } from "../../src/identity/workloads.ts";
import { createMetrics, type MetricsSource } from "../../src/metrics/metrics.ts";
import { sequenceAll } from "../../src/store/audit.ts";
import { type Checkpoint, headNow, sealWith, signHead } from "../../src/store/audit-head.ts";
import { signingKeysOf } from "../../src/store/keys/signing-key.ts";
import { activeSources, deskFor } from "./fact-desk.ts";
import { assertAnswerUntold, assertUntold } from "./issued-secrets.ts";
import { remembered } from "./mark-secrets.ts";
import { quietSource } from "./metrics-source.ts";
import type { World } from "./world.ts";

/** The token that `withTokens` gives to a person. */
export const tokenOf = (handle: string): string => `tgt_test-token-of-${handle}`;

/** The same people, each with a token. */
export const withTokens = (configuration: Configuration): Configuration => ({
  ...configuration,
  principals: configuration.principals.map((person: DeclaredPrincipal) => ({
    ...person,
    tokens: [{ name: "test", hash: hashToken(remembered(tokenOf(person.handle))), expires: null }],
  })),
});

/** Whatever JSON.parse gives: tests read what they expect to be there, and fail where it is not. */
type Body = ReturnType<typeof JSON.parse>;
export type Answered = {
  readonly status: number;
  readonly body: Body;
  readonly headers: Record<string, unknown>;
  readonly text: string;
};

export type CallMore = { headers?: Record<string, string>; raw?: string | Buffer };

export type Api = {
  readonly app: FastifyInstance;
  /** Everything that was logged, as text. */
  readonly logged: () => string;
  /** Calls as that person (null: nobody). Every answer is held against the contract. */
  call(as: string | null, method: string, url: string, body?: unknown, more?: CallMore): Promise<Answered>;
  post(as: string | null, url: string, body?: unknown, more?: CallMore): Promise<Answered>;
  get(as: string | null, url: string): Promise<Answered>;
  /** Something changed: waiting calls look again. */
  announce(): void;
  close(): Promise<void>;
};

export type ApiOptions = {
  changes?: ServerDeps["changes"];
  callers?: ServerDeps["callers"];
  latestCheckpoint?: ServerDeps["latestCheckpoint"];
  receiptSigner?: ServerDeps["receiptSigner"];
  sweeps?: ServerDeps["sweeps"];
  facts?: ServerDeps["facts"];
  reconcilerHealth?: ServerDeps["reconcilerHealth"];
  configurationTrouble?: ServerDeps["configurationTrouble"];
  clock?: Clock;
  limits?: Partial<HttpLimits>;
  pool?: MetricsSource["pool"];
};

export function createApi({ context }: Pick<World, "context">, options: ApiOptions = {}): Api {
  let logged = "";
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      logged += chunk.toString();
      done();
    },
  });
  const changes = changesOf();
  const app = createHttpServer({
    context,
    changes: options.changes ?? changes,
    // Most tests change the store behind the server's back.
    callers: options.callers ?? { caller: (_shown, look) => look() },
    oidc: createOidc(
      (settings) => settings,
      () => undefined,
    ),
    scim: createScimTokens(
      (settings) => settings,
      () => undefined,
    ),
    signals: createSignals(() => undefined),
    workloads: createWorkloads(() => undefined),
    facts: options.facts ?? deskFor(activeSources(context)),
    latestCheckpoint: options.latestCheckpoint ?? (() => signedNow(context)),
    receiptSigner: options.receiptSigner ?? (async () => sealWith(await signedNow(context), KEY)),
    sweeps: options.sweeps ?? { sweepNow: async () => 0, others: async () => null },
    reconcilerHealth: options.reconcilerHealth ?? (() => ({ running: true, lastTickMs: Date.now() })),
    configurationTrouble: options.configurationTrouble ?? (() => null),
    logger: pino({ level: "trace" }, stream),
    clock: options.clock ?? systemClock,
    metrics: createMetrics(
      quietSource({
        db: context.db,
        ...(options.pool === undefined ? {} : { pool: options.pool }),
        clock: options.clock ?? systemClock,
        resources: async () =>
          Object.keys((await context.catalog.active(context.ledger))?.configuration.resources ?? {}),
      }),
    ),
    limits: { ...LIMITS, ...options.limits },
  });
  const inject = app.inject.bind(app) as (wanted: InjectOptions) => Promise<LightMyRequestResponse>;
  const watched = async (wanted: InjectOptions): Promise<LightMyRequestResponse> => {
    const response = await inject(wanted);
    assertAnswerUntold(wanted.method ?? "GET", String(wanted.url), response);
    return response;
  };
  Object.assign(app, { inject: watched });
  const call: Api["call"] = async (as, method, url, body, more = {}) => {
    const headers = {
      ...(as === null ? {} : { authorization: `Bearer ${tokenOf(as)}` }),
      ...(body === undefined && more.raw === undefined ? {} : { "content-type": "application/json" }),
      ...more.headers,
    };
    const payload = more.raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const wanted = { method, url, headers, ...(payload === undefined ? {} : { payload }) } as InjectOptions;
    const response = await watched(wanted);
    const text = response.body;
    const json = /json\b/.test(String(response.headers["content-type"]));
    const answered = { status: response.statusCode, headers: response.headers, text, body: json ? parse(text) : text };
    holdAgainstContract(method, url, answered);
    return answered;
  };
  return {
    app,
    logged: () => logged,
    call,
    post: (as, url, body = {}, more) => call(as, "POST", url, body, more),
    get: (as, url) => call(as, "GET", url),
    announce: changes.announce,
    close: async () => {
      await app.close();
      assertUntold(logged, "the log of the server");
    },
  };
}

const [KEY] = signingKeysOf(Buffer.alloc(32, 7).toString("base64"), "this test");

/** A checkpoint as a server signs it. */
async function signedNow({ db, installation }: World["context"]): Promise<Checkpoint> {
  await sequenceAll(db);
  return signHead(await headNow(db, installation), KEY);
}

function changesOf(): ServerDeps["changes"] & { announce: () => void } {
  const waiting = new Set<() => void>();
  return {
    async next(timeoutMs) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, timeoutMs);
      waiting.add(resolve);
      await promise;
      waiting.delete(resolve);
      clearTimeout(timer);
    },
    announce: () => {
      for (const resolve of waiting) resolve();
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** What comes back is what the contract says: status and shape where it is good, a listed code where it is not. */
function holdAgainstContract(method: string, url: string, { status, body, headers, text }: Answered): void {
  if (status >= 400) {
    assert.match(String(headers["content-type"]), /^application\/problem\+json/, text);
    assert.equal(body.status, status);
    assert.equal(body.type, `urn:tidegate:problem:${body.code}`);
    assert.equal(PROBLEMS[body.code as ProblemCode]?.[0], status, `${body.code} is ${status}`);
    assert.match(body.detail, /^\S.*[.!?]$/s, "the detail is a sentence");
  }
  const procedure = procedureFor(method, url);
  if (procedure === null) return;
  const { errorMap, outputSchema } = procedure["~orpc"];
  if (status >= 400)
    assert.ok(body.code in errorMap, `${method} ${url} answers ${body.code}, which its contract does not list`);
  else (outputSchema as z.ZodType).parse({ status, body });
}

export const procedures = (): AnyContractProcedure[] =>
  (Object.values(contract) as Contract[keyof Contract][]).flatMap(
    (group) => Object.values(group) as AnyContractProcedure[],
  );

function procedureFor(method: string, url: string): AnyContractProcedure | null {
  const path = url.split("?")[0] ?? "";
  const fits = (pattern: string): boolean => new RegExp(`^${pattern.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(path);
  return procedures().find(({ "~orpc": { route } }) => route.method === method && fits(route.path ?? "")) ?? null;
}
