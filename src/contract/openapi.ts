/** The OpenAPI 3.1 document, made from the contract. */
import type { OpenAPI } from "@orpc/contract";
import { OpenAPIGenerator } from "@orpc/openapi";
import { ZodToJsonSchemaConverter } from "@orpc/zod/zod4";
import { defined } from "../base/assert.ts";
import { PROBLEMS, type ProblemCode, refuse, toProblem } from "../base/problem.ts";
import { type NeededScope, SCOPES } from "../base/scope.ts";
import {
  bundleRef,
  credentialView,
  evidence,
  grantView,
  happening,
  less,
  offer,
  questionView,
  requestView,
  reviewView,
  step,
  traceLine,
} from "./access.ts";
import { auditEntry } from "./audit.ts";
import { bundleView } from "./bundles.ts";
import { explanation, forMe, kitView, resourceView } from "./catalog.ts";
import { configChange, configVersionView, waitingConfig } from "./config.ts";
import { contract } from "./contract.ts";
import { way } from "./eligibility.ts";
import { eventView } from "./events.ts";
import { evidenceAnswer } from "./evidence.ts";
import { EXAMPLES } from "./examples.ts";
import { healthView } from "./health.ts";
import { messageView } from "./messages.ts";
import { panicView } from "./panics.ts";
import { recordedRequest } from "./policy.ts";
import { problem } from "./problem.ts";
import { accessReview } from "./review.ts";
import type { RouteMeta } from "./route.ts";
import { neededScope } from "./scopes.ts";
import { tokenView } from "./tokens.ts";
import { KEY_CHARS_MAX, person } from "./values.ts";

export type OpenApiDocument = OpenAPI.Document;

const named = (schemas: Record<string, typeof problem | typeof requestView | object>) =>
  Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, { strategy: "output" as const, schema: schema as never }]),
  );

const SCHEMAS = named({
  ...{ Problem: problem, Person: person, Request: requestView, Review: reviewView, Step: step, TraceLine: traceLine },
  ...{ Offer: offer, Grant: grantView, Evidence: evidence, Resource: resourceView, ForMe: forMe },
  ...{ Explanation: explanation, AuditEntry: auditEntry, Event: eventView, Credential: credentialView },
  ...{ Bundle: bundleView, BundleRef: bundleRef, Kit: kitView },
  ...{ Question: questionView, Happening: happening, Less: less },
  ...{ Way: way },
  ...{ Panic: panicView, Message: messageView, Health: healthView },
  ...{ ConfigVersion: configVersionView, ConfigChange: configChange, WaitingConfig: waitingConfig },
  ...{ RecordedRequest: recordedRequest, AccessReview: accessReview, EvidenceAnswer: evidenceAnswer, Token: tokenView },
});

/** Grows with every addition; a change that breaks clients would be another path than /v1. */
const API_VERSION = "1.0.0";

const ABOUT = `Just-in-time access to production: asked for, approved, narrow, short, taken back on time and proven gone.

Times are RFC 3339 in UTC, durations \`90s\`, \`15m\`, \`8h\`, ids prefixed. Fields may be added, never renamed. Every refusal
is \`application/problem+json\` (RFC 9457); switch on its \`code\`. What you may not see is answered like what does not exist.`;

/** The document as served at /v1/openapi.json. */
export async function openApiDocument(): Promise<OpenApiDocument> {
  const generator = new OpenAPIGenerator({ schemaConverters: [new ZodToJsonSchemaConverter()] });
  const document = await generator.generate(contract, {
    info: {
      title: "Tidegate",
      version: API_VERSION,
      description: ABOUT,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    commonSchemas: SCHEMAS,
    components: { securitySchemes: { bearer: { type: "http", scheme: "bearer", description: "A token of Tidegate" } } },
    security: [{ bearer: [] }],
    // Problems are written below, with their codes and examples.
    customErrorResponseBodySchema: {},
  });
  // What only the pages of signing in answer with is no part of the API.
  const answered = new Set<ProblemCode>();
  for (const { path, method, codes, meta, scope, example } of routes()) {
    for (const code of codes) answered.add(code);
    const operation = (document.paths?.[path] as Record<string, OpenAPI.OperationObject> | undefined)?.[method];
    if (operation === undefined) throw new Error(`the document lacks ${method} ${path}`);
    finish(operation, codes, meta, scope);
    illustrate(operation, meta, example);
  }
  document.tags = TAGS.map(([name, description]) => ({ name, description }));
  document.components = {
    ...document.components,
    examples: Object.fromEntries(ALL_CODES.filter((code) => answered.has(code)).map(problemExample)),
  };
  return document;
}

const TAGS = [
  ["requests", "Asking, and deciding on what others ask."],
  ["grants", "Having access, and giving it back."],
  ["catalog", "What there is to ask for, and what policy would say."],
  ["away", "Who is away, and who decides in their place."],
  ["people", "Erasing who has left."],
  ["panics", "The panic button."],
  ["drift", "What targets and the ledger do not agree on."],
  ["policy", "Rules, and what was asked of them."],
  ["review", "What an auditor looks through."],
  ["config", "Versions of the configuration."],
  ["audit", "The log."],
  ["events", "What happens, as it happens."],
  ["messages", "What people are told."],
  ["identity", "Who the caller is, and signing in."],
  ["service", "About the server itself."],
] as const;

const ALL_CODES = Object.keys(PROBLEMS) as ProblemCode[];

type Example = {
  readonly body?: unknown;
  readonly answers: readonly { readonly status: number; readonly body: unknown }[];
};
type Route = {
  path: string;
  method: string;
  codes: ProblemCode[];
  meta: RouteMeta;
  scope: NeededScope;
  example: Example;
};

/** Every route of the contract, with what the document says about it beyond its shapes. */
function routes(): Route[] {
  return Object.entries(contract).flatMap(([group, procedures]) => {
    const examples = EXAMPLES[group as keyof typeof EXAMPLES] as unknown as Readonly<Record<string, Example>>;
    return Object.entries(procedures).map(([name, { "~orpc": definition }]) => {
      const { route, errorMap, meta } = definition as { route: RouteOf; errorMap: object; meta: RouteMeta };
      const example = defined(examples[name], `example of ${group}.${name}`);
      const { path = "", method = "GET" } = route;
      const codes = Object.keys(errorMap) as ProblemCode[];
      return { path, method: method.toLowerCase(), codes, meta, scope: neededScope(group, name), example };
    });
  });
}

type RouteOf = { path?: string; method?: string };

function finish(
  operation: OpenAPI.OperationObject,
  codes: readonly ProblemCode[],
  meta: RouteMeta,
  scope: NeededScope,
): void {
  for (const parameter of (operation.parameters ?? []) as OpenAPI.ParameterObject[]) {
    delete parameter.allowEmptyValue;
    delete parameter.allowReserved;
    parameter.name = HEADERS[parameter.name] ?? parameter.name;
  }
  operation.security = meta.open ? [] : [{ bearer: scope in SCOPES ? [scope] : [] }];
  if (meta.idempotent) operation.parameters = [...(operation.parameters ?? []), IDEMPOTENCY_KEY];
  const responses: OpenAPI.ResponsesObject = operation.responses ?? {};
  for (const status of new Set(codes.map((code) => PROBLEMS[code][0])))
    responses[status] = problemResponse(codes.filter((code) => PROBLEMS[code][0] === status));
  operation.responses = responses;
}

/** Headers as people write them. */
const HEADERS: Readonly<Record<string, string>> = { "last-event-id": "Last-Event-ID", "if-match": "If-Match" };

/** Examples of what is sent and of each good answer; the media type, where it is not JSON. */
function illustrate(operation: OpenAPI.OperationObject, meta: RouteMeta, { body, answers }: Example): void {
  const sent = operation.requestBody as OpenAPI.RequestBodyObject | undefined;
  const json = sent?.content["application/json"];
  if (json !== undefined) json.example = body;
  for (const { status, body: value } of answers) {
    const response = operation.responses?.[status] as OpenAPI.ResponseObject | undefined;
    const content = response?.content?.["application/json"];
    if (response === undefined || content === undefined) throw new Error(`there is no answer ${status} to illustrate`);
    if (meta.answers === undefined) content.example = value;
    else response.content = { [meta.answers]: { schema: { type: "string" }, example: value } };
  }
}

const IDEMPOTENCY_KEY: OpenAPI.ParameterObject = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: "The same key with the same call is answered with what the first did; with another call it is refused.",
  schema: { type: "string", minLength: 1, maxLength: KEY_CHARS_MAX },
};

const RETRY_AFTER = {
  "Retry-After": { description: "Seconds to wait", schema: { type: "integer", minimum: 0 } },
} as const;
const RATE_LIMIT = {
  RateLimit: { description: "How many calls are left, and in how many seconds all are", schema: { type: "string" } },
  "RateLimit-Policy": { description: "How many calls, in how many seconds", schema: { type: "string" } },
} as const;

/** One response for each status; its codes are named, with an example of each. */
function problemResponse(codes: readonly ProblemCode[]): OpenAPI.ResponseObject {
  const status = PROBLEMS[codes[0] as ProblemCode][0];
  const headers = status === 429 ? { ...RETRY_AFTER, ...RATE_LIMIT } : status === 503 ? RETRY_AFTER : null;
  return {
    description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code][1]}.`).join(" "),
    ...(headers === null ? {} : { headers: headers as unknown as Record<string, OpenAPI.HeaderObject> }),
    content: {
      "application/problem+json": {
        schema: {
          allOf: [
            { $ref: "#/components/schemas/Problem" },
            { type: "object", properties: { code: { type: "string", enum: [...codes] } } },
          ],
        },
        examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
  };
}

const problemExample = (code: ProblemCode): [string, OpenAPI.ExampleObject] => [
  code,
  { summary: PROBLEMS[code][1], value: toProblem(refuse(code, `${PROBLEMS[code][1]}.`)) },
];
