/** `docs/configuration.md`: the reference of every key, made from the same table as the schema. */
import type { z } from "zod";
import type { Json, JsonObject } from "../base/canonical.ts";
import { ONCALL_KINDS, TICKET_KINDS } from "../facts/kinds.ts";
import { FORMAT } from "./format.ts";
import type { Key, Section } from "./format-words.ts";
import type { Connectors } from "./read-resources.ts";
import { schemaOf } from "./schema.ts";

const HEAD = `# Configuration reference

Every key of a configuration. This page is generated, like the JSON Schema that \`tidegate check --schema\` prints, from what the
reader knows; a test keeps both in step. [policy.md](policy.md) explains how rules decide and what conditions can say.

- \`tidegate check PATH\` tells whether a configuration is valid: every mistake at once, at file, line and column.
- \`tidegate check --schema\` prints the JSON Schema. With this line at the top of a file, editors that speak to
  yaml-language-server complete and check while you type:

  \`\`\`yaml
  # yaml-language-server: $schema=https://…/tidegate.schema.json
  \`\`\`
- A configuration is one file, or a folder of files: [configuration-files.md](configuration-files.md).
- Names of resources, entitlements, rules, labels, people and tokens are lower-case letters, digits, \`-\`, \`_\` and \`.\`,
  beginning with a letter or digit, at most 63.
- Durations are \`90s\`, \`15m\`, \`8h\`, \`2d\`, \`1h30m\`: whole seconds, more than none, at most 366 days.
`;

export function configurationReference(connectors: Connectors): string {
  const sections = Object.values(FORMAT).map(sectionText);
  const ofConnectors = [...connectors.values()].map(({ kind, connection, scope }) =>
    [
      `## Connector ${kind}`,
      `### connection`,
      tableOf(schemaOf(connection)),
      `### scope`,
      tableOf(schemaOf(scope)),
    ].join("\n\n"),
  );
  const ofSources = [
    ...[...ONCALL_KINDS.values()].map((kind) => sourceText("on call", kind)),
    ...[...TICKET_KINDS.values()].map((kind) => sourceText("tickets", kind)),
  ];
  return `${[HEAD.trimEnd(), ...sections, ...ofSources, ...ofConnectors].join("\n\n")}\n`;
}

const sourceText = (of: string, { kind, connection }: { kind: string; connection: z.ZodType }): string =>
  [`## Source ${kind} for ${of}`, "### connection", tableOf(schemaOf(connection))].join("\n\n");

const sectionText = ({ title, about, keys }: Section): string =>
  [`## ${title}`, about, table(Object.entries(keys).map(([name, key]) => rowOf(name, key)))].join("\n\n");

type Row = readonly [key: string, otherwise: string, about: string];

function rowOf(name: string, { required, otherwise, about, examples, schema }: Key): Row {
  const example = examples?.[0];
  const kind = kindOf(schema);
  const shown =
    example === undefined ? "" : `, as in \`${typeof example === "string" ? example : JSON.stringify(example)}\``;
  return [
    `\`${name}\``,
    required === true ? "**required**" : (otherwise ?? ""),
    `${kind === "" ? "" : `${kind}: `}${about}${shown}`,
  ];
}

const table = (rows: readonly Row[]): string =>
  ["| key | left out | |", "|---|---|---|", ...rows.map((row) => `| ${row.map(cell).join(" | ")} |`)].join("\n");
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

/** The keys of a connector's schema, those inside others behind a dot or `[]`. */
function tableOf(schema: JsonObject): string {
  return table(rowsOf(schema, ""));
}

function rowsOf(schema: JsonObject, prefix: string): Row[] {
  const shapes = [schema, ...alternativesOf(schema)];
  const seen = new Set<string>();
  return shapes.flatMap((shape) =>
    Object.entries((shape["properties"] ?? {}) as JsonObject).flatMap(([name, value]): Row[] => {
      if (seen.has(name)) return [];
      seen.add(name);
      const property = value as JsonObject;
      const required = ((shape["required"] ?? []) as Json[]).includes(name);
      const otherwise = required
        ? "**required**"
        : "default" in property
          ? `\`${JSON.stringify(property["default"])}\``
          : "";
      const about = [kindOf(property), String(property["description"] ?? "")].filter((part) => part !== "").join(": ");
      const inner = (property["items"] ?? property) as JsonObject;
      const path = `${prefix}${name}${"items" in property ? "[]" : ""}`;
      return [[`\`${path}\``, otherwise, about], ...rowsOf(inner, `${path}.`)];
    }),
  );
}

const alternativesOf = (schema: JsonObject): JsonObject[] =>
  [schema["anyOf"], schema["oneOf"]].flatMap((list) => (Array.isArray(list) ? (list as JsonObject[]) : []));

/** `text`, `list`, or the words to choose from; empty where the description has to say it. */
function kindOf(schema: JsonObject): string {
  if (Array.isArray(schema["enum"])) return schema["enum"].map((word) => `\`${String(word)}\``).join(", ");
  if ("const" in schema) return `\`${String(schema["const"])}\``;
  const type = schema["type"];
  if (type === "string") return schema["pattern"]?.toString().includes("{1,9}d") === true ? "duration" : "text";
  if (
    type === "integer" &&
    typeof schema["minimum"] === "number" &&
    typeof schema["maximum"] === "number" &&
    schema["maximum"] < 1e9
  )
    return `whole number from ${schema["minimum"]} to ${schema["maximum"]}`;
  if (type === "integer" || type === "number") return "number";
  if (type === "boolean") return "`true` or `false`";
  return type === "array" ? "list" : type === "object" ? "map" : "";
}
