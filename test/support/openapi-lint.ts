/** A linter for our OpenAPI document: what a reader, a generator of clients, or a tester would miss is a finding. */
import { Ajv2020 } from "ajv/dist/2020.js";
import { isOpen, type Json, type JsonDocument, METHODS, type Media, pointer, RFC_3339, resolveRef } from "./openapi.ts";

const ID = "tidegate";

/** What is wrong, as sentences that begin with where. */
export function lintOpenApi(document: JsonDocument): string[] {
  const findings: string[] = [];
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addFormat("date-time", RFC_3339);
  ajv.addSchema({ ...document, $id: ID });
  const holds = (where: readonly string[], example: unknown): string | null => {
    try {
      const validate = ajv.getSchema(`${ID}#${pointer(where)}`);
      if (validate === undefined) return "the schema is missing";
      return validate(example) ? null : ajv.errorsText(validate.errors);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  references(document, findings);
  for (const name of Object.keys(document.components?.schemas ?? {})) {
    const why = schemaFault(ajv, ["components", "schemas", name]);
    if (why !== null) findings.push(`schema ${name}: ${why}`);
  }
  const tags = new Set((document.tags ?? []).map(({ name }) => name));
  const ids = new Set<string>();
  for (const [path, item] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(item)) {
      const where = `${method.toUpperCase()} ${path}`;
      const say = (what: string) => findings.push(`${where}: ${what}`);
      if (!METHODS.includes(method)) say("is no method");
      const { operationId = "", summary = "" } = operation;
      if (!/^[a-z]+\.[a-z]+$/.test(operationId)) say(`has no operationId as in grants.list (${operationId})`);
      if (ids.has(operationId)) say(`its operationId ${operationId} is taken`);
      ids.add(operationId);
      if (summary.length < 5 || summary.endsWith(".")) say("has no summary, or one that ends as a sentence");
      if (operation.tags?.length !== 1 || !operation.tags.every((tag) => tags.has(tag)))
        say("has not one declared tag");
      if (operation.security === undefined) say("does not say whether it needs a token");
      parameters(path, operation, say, (i, example) =>
        holds(["paths", path, method, "parameters", i, "schema"], example),
      );
      answers(document, operation, say, (at, example) => holds(["paths", path, method, ...at], example));
    }
  return findings;
}

type Operation = JsonDocument["paths"][string][string];
type Say = (what: string) => void;

function schemaFault(ajv: Ajv2020, where: readonly string[]): string | null {
  try {
    return ajv.getSchema(`${ID}#${pointer(where)}`) === undefined ? "cannot be found" : null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Every reference leads somewhere, and everything that is there to be referred to is. */
function references(document: JsonDocument, findings: string[]): void {
  const used = new Set<string>();
  const visit = (value: Json, at: string): void => {
    if (Array.isArray(value)) for (const [i, item] of value.entries()) visit(item, `${at}/${i}`);
    else if (typeof value === "object" && value !== null)
      for (const [key, item] of Object.entries(value)) {
        if (key === "$ref" && typeof item === "string") {
          used.add(item);
          if (resolveRef(document, item) === undefined) findings.push(`${at}: ${item} leads nowhere`);
        } else visit(item, `${at}/${key}`);
      }
  };
  visit(document as unknown as Json, "");
  // Refused before a route is found: by the address, or by the method. And the shape of what is streamed is no body.
  const apart = ["#/components/examples/method-not-allowed", "#/components/schemas/Event"];
  for (const kind of ["schemas", "examples"] as const)
    for (const name of Object.keys(document.components?.[kind] ?? {})) {
      const ref = `#/components/${kind}/${name}`;
      if (!used.has(ref) && !apart.includes(ref)) findings.push(`${ref} is not used`);
    }
}

function parameters(
  path: string,
  { parameters: all = [] }: Operation,
  say: Say,
  fault: (i: string, example: unknown) => string | null,
): void {
  const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name);
  for (const name of inPath)
    if (!all.some((parameter) => parameter.in === "path" && parameter.name === name && parameter.required === true))
      say(`the part {${name}} of the path is not described`);
  for (const [i, parameter] of all.entries()) {
    const { name, schema, description = schema?.description } = parameter;
    if (parameter.in === "path" && !inPath.includes(name)) say(`the path has no part {${name}}`);
    if (schema === undefined) say(`${name} has no schema`);
    if (description === undefined) say(`${name} has no description`);
    for (const example of schema?.examples ?? []) {
      const why = fault(String(i), example);
      if (why !== null) say(`an example of ${name} is wrong: ${why}`);
    }
  }
}

function answers(
  document: JsonDocument,
  operation: Operation,
  say: Say,
  fault: (at: readonly string[], example: unknown) => string | null,
): void {
  const { requestBody, responses, security } = operation;
  const content = (at: readonly string[], media: Readonly<Record<string, Media>> | undefined, what: string): void => {
    for (const [type, { schema, example }] of Object.entries(media ?? {})) {
      if (schema === undefined) say(`${what} has no schema`);
      if (example === undefined) say(`${what} has no example`);
      else {
        const why = fault([...at, type, "schema"], example);
        if (why !== null) say(`the example of ${what} is wrong: ${why}`);
      }
    }
  };
  if (requestBody !== undefined) content(["requestBody", "content"], requestBody.content, "the body");
  if (!Object.keys(responses).some((status) => status.startsWith("2"))) say("has no good answer");
  for (const wanted of ["500", "503", "429", ...(isOpen(security) ? [] : ["401"])])
    if (!(wanted in responses)) say(`does not tell of ${wanted}`);
  for (const [status, response] of Object.entries(responses)) {
    if ((response.description ?? "") === "") say(`${status} has no description`);
    if (status.startsWith("2")) {
      if (response.content === undefined) say(`${status} has no content`);
      content(["responses", status, "content"], response.content, `the answer ${status}`);
      continue;
    }
    const problem = response.content?.["application/problem+json"];
    if (problem === undefined || Object.keys(problem.examples ?? {}).length === 0) {
      say(`${status} is no problem with examples`);
      continue;
    }
    for (const [code, example] of Object.entries(problem.examples ?? {})) {
      const { value } = (resolveRef(document, example.$ref) ?? {}) as { value?: { code?: string; status?: number } };
      if (value?.code !== code || String(value.status) !== status)
        say(`the example ${code} of ${status} is of another problem`);
      const why = fault(["responses", status, "content", "application/problem+json", "schema"], value);
      if (why !== null) say(`the example ${code} is wrong: ${why}`);
    }
  }
}
