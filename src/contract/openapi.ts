/** The OpenAPI 3.1 document, made from the contract. */
import type { OpenAPI } from "@orpc/contract";
import { OpenAPIGenerator } from "@orpc/openapi";
import { ZodToJsonSchemaConverter } from "@orpc/zod/zod4";
import { PROBLEMS, type ProblemCode, refuse, toProblem } from "../base/problem.ts";
import { evidence, grantView, offer, requestView, reviewView, step, traceLine } from "./access.ts";
import { auditEntry } from "./audit.ts";
import { explanation, forMe, resourceView } from "./catalog.ts";
import { configChange, configVersionView } from "./config.ts";
import { contract } from "./contract.ts";
import { problem } from "./problem.ts";
import type { RouteMeta } from "./route.ts";
import { KEY_CHARS_MAX, person } from "./values.ts";

export type OpenApiDocument = OpenAPI.Document;

const named = (schemas: Record<string, typeof problem | typeof requestView | object>) =>
  Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, { strategy: "output" as const, schema: schema as never }]),
  );

const SCHEMAS = named({
  ...{ Problem: problem, Person: person, Request: requestView, Review: reviewView, Step: step, TraceLine: traceLine },
  ...{ Offer: offer, Grant: grantView, Evidence: evidence, Resource: resourceView, ForMe: forMe },
  ...{ Explanation: explanation, AuditEntry: auditEntry, ConfigVersion: configVersionView, ConfigChange: configChange },
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
  for (const [path, method, { errorMap, meta }] of routes()) {
    const operation = (document.paths?.[path] as Record<string, OpenAPI.OperationObject> | undefined)?.[method];
    if (operation === undefined) throw new Error(`the document lacks ${method} ${path}`);
    finish(operation, Object.keys(errorMap) as ProblemCode[], meta);
  }
  return document;
}

/** Path, method and definition of every route of the contract. */
function routes() {
  return Object.values(contract).flatMap((group) =>
    Object.values(group).map(({ "~orpc": { route, errorMap, meta } }) => {
      const { path = "", method = "GET" } = route;
      return [path, method.toLowerCase(), { errorMap, meta: meta as RouteMeta }] as const;
    }),
  );
}

function finish(operation: OpenAPI.OperationObject, codes: readonly ProblemCode[], meta: RouteMeta): void {
  for (const parameter of (operation.parameters ?? []) as OpenAPI.ParameterObject[]) {
    delete parameter.allowEmptyValue;
    delete parameter.allowReserved;
  }
  if (meta.open) operation.security = [];
  if (meta.idempotent) operation.parameters = [...(operation.parameters ?? []), IDEMPOTENCY_KEY];
  const responses: OpenAPI.ResponsesObject = operation.responses ?? {};
  for (const status of new Set(codes.map((code) => PROBLEMS[code][0])))
    responses[status] = problemResponse(codes.filter((code) => PROBLEMS[code][0] === status));
  operation.responses = responses;
}

const IDEMPOTENCY_KEY: OpenAPI.ParameterObject = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: "The same key with the same call is answered with what the first did; with another call it is refused.",
  schema: { type: "string", minLength: 1, maxLength: KEY_CHARS_MAX },
};

/** One response for each status; its codes are named, with an example of each. */
function problemResponse(codes: readonly ProblemCode[]): OpenAPI.ResponseObject {
  const examples = codes.map((code) => [
    code,
    { summary: PROBLEMS[code][1], value: toProblem(refuse(code, `${PROBLEMS[code][1]}.`)) },
  ]);
  return {
    description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code][1]}.`).join(" "),
    content: {
      "application/problem+json": {
        schema: {
          allOf: [
            { $ref: "#/components/schemas/Problem" },
            { type: "object", properties: { code: { type: "string", enum: [...codes] } } },
          ],
        },
        examples: Object.fromEntries(examples),
      },
    },
  };
}
