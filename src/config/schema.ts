/** The JSON Schema of a configuration: for editors, and for tools that want to know before they send. */
import { z } from "zod";
import type { Json, JsonObject } from "../base/canonical.ts";
import type { Connector } from "../connector/connector.ts";
import { ONCALL_KINDS, TICKET_KINDS } from "../facts/kinds.ts";
import { FORMAT } from "./format.ts";
import type { Key, Section } from "./format-words.ts";
import type { Connectors } from "./read-resources.ts";

const DRAFT = "http://json-schema.org/draft-07/schema#";

/** Made from the reader's own table and the schemas of these connectors. */
export function configurationSchema(connectors: Connectors): JsonObject {
  const { file, resource, entitlement, denyRule, approveRule, onCallSource, ticketSource, ...rest } = FORMAT;
  const kinds = [...connectors.values()];
  // No section is required here: in a folder of files each holds some of them.
  const { required: _, ...whole } = objectOf(file);
  return {
    $schema: DRAFT,
    title: "Tidegate configuration",
    ...whole,
    definitions: {
      resource: {
        description: resource.about,
        oneOf: kinds.map(({ kind }) => ({ $ref: `#/definitions/${kind}-resource` })),
      },
      rule: { oneOf: [objectOf(denyRule), objectOf(approveRule)] },
      ...sourceDefinitions("onCallSource", onCallSource, ONCALL_KINDS),
      ...sourceDefinitions("ticketSource", ticketSource, TICKET_KINDS),
      ...Object.fromEntries(Object.entries(rest).map(([name, section]) => [name, objectOf(section)])),
      ...Object.assign({}, ...kinds.map((connector) => definitionsOf(connector, resource, entitlement))),
    },
  };
}

/** As it is published: `docs/tidegate.schema.json`. */
export const schemaText = (connectors: Connectors): string =>
  `${JSON.stringify(configurationSchema(connectors), null, 2)}\n`;

function definitionsOf(connector: Connector, resource: Section, entitlement: Section): JsonObject {
  const { kind } = connector;
  const to = (what: string): JsonObject => ({ $ref: `#/definitions/${kind}-${what}` });
  return {
    [`${kind}-resource`]: withSchema(resource, {
      connector: { const: kind },
      connection: to("connection"),
      entitlements: { ...(resource.keys["entitlements"]?.schema ?? {}), additionalProperties: to("entitlement") },
    }),
    [`${kind}-entitlement`]: withSchema(entitlement, { scope: to("scope") }),
    [`${kind}-connection`]: orReference(schemaOf(connector.connection)) as JsonObject,
    [`${kind}-scope`]: schemaOf(connector.scope),
  };
}

/** A source of facts: a shape for each kind, as a resource has one for each connector. */
function sourceDefinitions(
  name: string,
  section: Section,
  kinds: ReadonlyMap<string, { readonly connection: z.ZodType }>,
): JsonObject {
  const ofKind = (kind: string): string => `${name}-${kind}`;
  const all = [...kinds].map(([kind, { connection }]): [string, JsonObject] => {
    const schemas = { source: { const: kind }, connection: orReference(schemaOf(connection)) as JsonObject };
    return [ofKind(kind), withSchema(section, schemas)];
  });
  const choices = [...kinds.keys()].map((kind) => ({ $ref: `#/definitions/${ofKind(kind)}` }));
  return { [name]: { description: section.about, oneOf: choices }, ...Object.fromEntries(all) };
}

const withSchema = (section: Section, schemas: Readonly<Record<string, JsonObject>>): JsonObject =>
  objectOf({
    ...section,
    keys: Object.fromEntries(
      Object.entries(section.keys).map(([name, key]) => [name, { ...key, schema: schemas[name] ?? key.schema }]),
    ),
  });

function objectOf({ about, keys }: Section): JsonObject {
  const entries = Object.entries(keys);
  const required = entries.filter(([, key]) => key.required === true).map(([name]) => name);
  return {
    description: about,
    type: "object",
    properties: Object.fromEntries(entries.map(([name, key]) => [name, propertyOf(key)])),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}

function propertyOf({ schema, about, otherwise, examples }: Key): JsonObject {
  const description = otherwise === undefined ? about : `${about} (left out: ${otherwise})`;
  // Beside a reference draft 7 ignores everything else.
  const typed = "$ref" in schema ? { allOf: [schema] } : schema;
  return { description, ...typed, ...(examples === undefined ? {} : { examples: examples as Json }) };
}

/** What a connector takes, as it is written: what it makes of it afterwards is its own. */
export function schemaOf(schema: z.ZodType): JsonObject {
  const {
    $schema: _,
    "~standard": __,
    ...written
  } = z.toJSONSchema(schema, {
    target: "draft-7",
    io: "input",
    unrepresentable: "any",
  }) as Record<string, unknown>;
  return JSON.parse(JSON.stringify(written)) as JsonObject;
}

const REFERENCE: JsonObject = { type: "string", pattern: "\\$\\{(env|file):" };

/** In a connection a reference may stand for any text, also for one of a few words. */
function orReference(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(orReference);
  if (typeof schema !== "object" || schema === null) return schema;
  const isNarrow = schema["type"] === "string" && ["enum", "const", "pattern", "format"].some((key) => key in schema);
  if (!isNarrow)
    return Object.fromEntries(
      Object.entries(schema).map(([key, value]) => [
        key,
        key === "examples" || key === "default" ? value : orReference(value),
      ]),
    );
  const { description, ...narrow } = schema;
  return { ...(description === undefined ? {} : { description }), anyOf: [narrow, REFERENCE] };
}
