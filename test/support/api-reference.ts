/** docs/api-reference.md, written from the OpenAPI document. */
import { isOpen, type JsonDocument, type Media, type Operation, type Schema, scopeIn } from "./openapi.ts";

const HEAD = `# API reference

Made from [openapi.json](openapi.json); do not edit it by hand. \`TIDEGATE_GENERATE=1 node_modules/.bin/node --test
test/api-documents.test.ts\` writes both anew. [The HTTP API](api.md) explains how the parts belong together.

`;

export function apiReference(document: JsonDocument): string {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const groups = (document.tags ?? []).map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags?.includes(name));
    return [
      `## ${name}`,
      description,
      ...own.map(({ path, method, operation }) => operationText(method, path, operation)),
    ];
  });
  const schemas = Object.entries(document.components?.schemas ?? {}).map(([name, schema]) => schemaText(name, schema));
  return `${HEAD}${[...groups.flat(), "## Shapes", ...schemas].join("\n\n")}\n`;
}

function operationText(method: string, path: string, operation: Operation): string {
  const { summary = "", description, parameters = [], requestBody, responses, security } = operation;
  const body = requestBody?.content["application/json"];
  return [
    `### \`${method} ${path}\``,
    `${summary}.${isOpen(security) ? " Needs no token." : scopeIn(security) === null ? "" : ` Scope: \`${scopeIn(security)}\`.`}`,
    ...(description === undefined ? [] : [description.replaceAll("\n", " ")]),
    ...(parameters.length === 0
      ? []
      : [
          table(
            ["parameter", "in", "shape", "what"],
            parameters.map(({ name, in: where, required, schema = {}, description: said }) => [
              `\`${name}\`${required ? " (required)" : ""}`,
              where,
              shape(schema),
              said ?? schema.description ?? "",
            ]),
          ),
        ]),
    ...(body === undefined ? [] : ["Body:", ...bodyText(body)]),
    ...Object.entries(responses).flatMap(([status, { description: said = "", content = {} }]) =>
      Number(status) < 400
        ? Object.entries(content).flatMap(([type, media]) => [
            `**${status}** ${said}: ${shape(media.schema ?? {})}`,
            ...fence(media.example, type),
          ])
        : [],
    ),
    "Problems:",
    table(
      ["status", "codes"],
      Object.entries(responses).flatMap(([status, { content = {} }]) => {
        const codes = Object.keys(content["application/problem+json"]?.examples ?? {});
        return Number(status) < 400 ? [] : [[status, codes.map((code) => `\`${code}\``).join(", ")]];
      }),
    ),
  ].join("\n\n");
}

const bodyText = ({ schema = {}, example }: Media): string[] => [
  ...(Object.keys(schema.properties ?? {}).length === 0 ? [] : [members(schema)]),
  ...fence(example, "application/json"),
];

function schemaText(name: string, schema: Schema): string {
  const either = schema.oneOf ?? schema.anyOf;
  return [
    `### ${name}`,
    ...(schema.description === undefined ? [] : [schema.description]),
    ...(either === undefined ? [members(schema)] : either.map(members)),
  ].join("\n\n");
}

const members = ({ properties = {}, required = [] }: Schema): string =>
  table(
    ["member", "shape", "what"],
    Object.entries(properties).map(([name, schema]) => [
      `\`${name}\`${required.includes(name) ? "" : " (optional)"}`,
      shape(schema),
      [
        schema.description ?? "",
        ...(schema.default === undefined || schema.default === ""
          ? []
          : [`Without it: \`${JSON.stringify(schema.default)}\`.`]),
      ]
        .join(" ")
        .trim(),
    ]),
  );

/** A schema in a word or two. */
function shape(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1) ?? "";
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) return [...new Set(either.map(shape))].join(" or ");
  if (schema.type === "array") return `list of ${shape(schema.items ?? {})}`;
  if (schema.type === "object" && schema.properties !== undefined)
    return `{ ${Object.entries(schema.properties)
      .map(([name, member]) => `${name}: ${shape(member)}`)
      .join("; ")} }`;
  if (schema.format === "date-time") return "time";
  const type = typeof schema.type === "string" ? schema.type : (schema.type?.join(" or ") ?? "anything");
  const { minimum, maximum } = schema;
  const wide = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER;
  if (type === "integer")
    return minimum === undefined || minimum < 0
      ? "integer"
      : wide
        ? `integer, ${minimum} or more`
        : `integer, ${minimum} to ${maximum}`;
  return type === "string"
    ? schema.maxLength === undefined
      ? "text"
      : `text, at most ${schema.maxLength} characters`
    : type;
}

function fence(example: unknown, type: string): string[] {
  if (example === undefined) return [];
  const text = typeof example === "string" ? example.trimEnd() : JSON.stringify(example, null, 2);
  return [`\`\`\`${type === "application/json" ? "json" : "text"}\n${text}\n\`\`\``];
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows]
    .map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`)
    .join("\n");
