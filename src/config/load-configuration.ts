/**
 * Reads a configuration file: either a whole valid configuration, or everything that is wrong with it, each with line,
 * column and what to do. Nothing in between: a running server keeps its last good one.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Configuration } from "../domain/configuration.ts";
import { labelsOf } from "../domain/evaluate.ts";
import { expressionCompiler } from "../domain/expression.ts";
import { crossCheck } from "./cross-checks.ts";
import { FILE_CHARS_MAX, parseYaml } from "./document.ts";
import type { Mistake } from "./mistake.ts";
import { readPolicies } from "./read-policies.ts";
import { readPrincipals } from "./read-principals.ts";
import { type Connectors, readResources } from "./read-resources.ts";
import { readTests } from "./read-tests.ts";
import { type Fields, Reading, type Value } from "./reading.ts";
import type { ReferenceSources } from "./references.ts";

export type { Connectors } from "./read-resources.ts";

export type Loaded =
  | { readonly ok: true; readonly configuration: Configuration; readonly warnings: readonly Mistake[] }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

export type LoadOptions = {
  readonly path: string;
  /** The text to read instead of the file's; the path then only names it and places `${file:…}`. */
  readonly text?: string;
  readonly connectors: Connectors;
  readonly env: Readonly<Record<string, string | undefined>>;
};

const HOUR_MS = 3_600_000;
const REQUEST_EXPIRES_AFTER_MS = 24 * HOUR_MS;
const ACTIVATE_WITHIN_MS = 8 * HOUR_MS;
/** More are not read by anybody; the first ones usually explain the rest. */
const MISTAKES_MAX = 100;

export function loadConfiguration({ path, text, connectors, env }: LoadOptions): Loaded {
  const source = text === undefined ? readSource(path) : { text };
  if ("what" in source) return { ok: false, mistakes: [{ file: path, line: 1, column: 1, ...source }] };
  const document = parseSafely(source.text);
  const reading = new Reading(path, document);
  if (document.root === null) return { ok: false, mistakes: inOrder(reading.mistakes) };
  const root: Value = { tree: document.root, path: "", at: document.root.start };
  const configuration = readConfiguration(reading, root, connectors, { env, readFile: secretFiles(path) });
  if (configuration === null || reading.mistakes.length > 0) return { ok: false, mistakes: inOrder(reading.mistakes) };
  return { ok: true, configuration, warnings: inOrder(reading.warnings) };
}

function readConfiguration(
  reading: Reading,
  root: Value,
  connectors: Connectors,
  sources: ReferenceSources,
): Configuration | null {
  const fields = reading.fields(
    root,
    ["version", "resources", "policies", "principals", "tests", "defaults"],
    ["include"],
  );
  if (fields === null) return null;
  const versionValue = fields.required("version", "write version: 1");
  if (
    versionValue !== null &&
    versionValue.tree.kind !== "refused" &&
    (versionValue.tree.kind !== "scalar" || versionValue.tree.value !== 1)
  ) {
    reading.wrong(versionValue.tree.start, "version must be 1", "this Tidegate reads version 1 of the format");
  }
  const principalsValue = fields.optional("principals");
  const principals = principalsValue ? readPrincipals(reading, principalsValue) : [];
  const resourcesValue = fields.required("resources");
  const resources = resourcesValue ? readResources(reading, resourcesValue, connectors, sources) : {};
  const policiesValue = fields.required("policies");
  const rules = policiesValue ? readPolicies(reading, policiesValue, expressionCompiler(labelsOf(resources))) : [];
  const policies = rules.map(({ rule }) => rule);
  const testsValue = fields.optional("tests");
  const known = { resources, principals, ruleNames: policies.map((rule) => rule.name) };
  const tests = testsValue ? readTests(reading, testsValue, known) : [];
  const defaults = readDefaults(reading, fields);
  if (reading.mistakes.length > 0) return null;
  const configuration = { version: 1 as const, resources, policies, principals, defaults };
  crossCheck(reading, configuration, { rules, resources: resourcesValue, policies: policiesValue });
  return { ...configuration, tests };
}

function readDefaults(reading: Reading, root: Fields): Configuration["defaults"] {
  const value = root.optional("defaults");
  const fields = value && reading.fields(value, ["request_expires_after", "activate_within"]);
  const duration = (key: string, otherwise: number): number => {
    const member = fields?.optional(key) ?? null;
    return (member && reading.duration(member)) ?? otherwise;
  };
  return {
    requestExpiresAfterMs: duration("request_expires_after", REQUEST_EXPIRES_AFTER_MS),
    activateWithinMs: duration("activate_within", ACTIVATE_WITHIN_MS),
  };
}

function readSource(path: string): { text: string } | { what: string; hint: string } {
  try {
    const stats = statSync(path);
    if (stats.isDirectory())
      return { what: "a folder of files is not built yet", hint: "name one file, such as tidegate.yaml" };
    if (stats.size > FILE_CHARS_MAX * 4)
      return { what: "the file is too large", hint: "a configuration is written by hand and stays small" };
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path)) };
  } catch (error) {
    if (error instanceof TypeError) return { what: "the file is not UTF-8", hint: "save it as UTF-8" };
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    if (code === "ENOENT")
      return {
        what: "there is no such file",
        hint: "start from examples/tidegate.yaml, or name another with --config",
      };
    return { what: `the file cannot be read (${code})`, hint: "look at its permissions" };
  }
}

/** The YAML library recurses; a file made to exhaust the stack is refused like any other that is nested too deep. */
function parseSafely(text: string): ReturnType<typeof parseYaml> {
  try {
    return parseYaml(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const complaints = [{ offset: 0, what: "the file is nested too deep", hint: "a configuration needs few levels" }];
    return { root: null, complaints, positionOf: () => ({ line: 1, column: 1 }) };
  }
}

/** Reads `${file:PATH}`; a relative path starts at the folder of the configuration. */
export function secretFiles(configPath: string): ReferenceSources["readFile"] {
  return (path) => {
    try {
      return readFileSync(resolve(dirname(configPath), path), "utf8");
    } catch {
      return null;
    }
  };
}

function inOrder(mistakes: readonly Mistake[]): Mistake[] {
  const sorted = mistakes.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const last = sorted.at(MISTAKES_MAX - 1);
  if (sorted.length <= MISTAKES_MAX || last === undefined) return sorted;
  return [
    ...sorted.slice(0, MISTAKES_MAX),
    { ...last, what: `and ${sorted.length - MISTAKES_MAX} more`, hint: "mend the first ones" },
  ];
}
