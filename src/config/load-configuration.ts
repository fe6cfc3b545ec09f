/**
 * Reads a configuration, one file or a folder of them: either a whole valid configuration, or everything that is wrong
 * with it, each with file, line, column and what to do. Nothing in between: a running server keeps its last good one.
 */
import { resolve } from "node:path";
import { given } from "../base/given.ts";
import type { Configuration } from "../domain/configuration.ts";
import { labelsOf } from "../domain/evaluate.ts";
import { expressionCompiler } from "../domain/expression.ts";
import { crossCheck } from "./cross-checks.ts";
import { type Document, FILE_CHARS_MAX, parseYaml, shorten, type Tree } from "./document.ts";
import { FORMAT } from "./format.ts";
import { COUNT_MAX, keysOf } from "./format-words.ts";
import { mergeDocuments, type Part } from "./merge-documents.ts";
import type { Mistake } from "./mistake.ts";
import { readAudit } from "./read-audit.ts";
import { readBundles } from "./read-bundles.ts";
import { readFactSources } from "./read-fact-sources.ts";
import { type FoundFiles, readBounded, readFiles, rootOf } from "./read-files.ts";
import { checkIdentities, readIdentity } from "./read-identity.ts";
import { readNotify } from "./read-notify.ts";
import { readPolicies } from "./read-policies.ts";
import { readPrincipals } from "./read-principals.ts";
import { type Connectors, readResources } from "./read-resources.ts";
import { readRoleGroups } from "./read-roles.ts";
import { readTests } from "./read-tests.ts";
import { type Fields, Reading, type Value } from "./reading.ts";
import type { ReferenceSources } from "./references.ts";

export type { Connectors } from "./read-resources.ts";

export type Loaded = (
  | { readonly ok: true; readonly configuration: Configuration; readonly warnings: readonly Mistake[] }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] }
) & {
  /** The files that were read, in the order in which their rules are asked. */
  readonly files: readonly string[];
  /** Everything that, changed, would make another configuration. */
  readonly watch: readonly string[];
};

export type LoadOptions = {
  /** A file, or a folder: then every `*.yaml` and `*.yml` below it. */
  readonly path: string;
  /** The text to read instead of the file's; the path then only names it and places `${file:…}`. */
  readonly text?: string;
  /** Files that hold tests and nothing else, or folders of them, beside those of the configuration. */
  readonly tests?: readonly string[];
  readonly connectors: Connectors;
  readonly env: Readonly<Record<string, string | undefined>>;
};

const HOUR_MS = 3_600_000;
const REQUEST_EXPIRES_AFTER_MS = 24 * HOUR_MS;
const ACTIVATE_WITHIN_MS = 8 * HOUR_MS;
/** More are not read by anybody; the first ones usually explain the rest. */
const MISTAKES_MAX = 100;

export function loadConfiguration({ path, text, tests = [], connectors, env }: LoadOptions): Loaded {
  const found: FoundFiles =
    text === undefined ? readFiles(path) : { files: [{ path, dir: "", read: { text } }], watch: [path] };
  const apart = tests.flatMap((one) => readFiles(one).files);
  const all = [...found.files, ...apart];
  const files = all.map((file) => file.path);
  const unread = all.flatMap((file): Mistake[] =>
    "text" in file.read ? [] : [{ file: file.path, line: 1, column: 1, ...file.read }],
  );
  const merged = mergeDocuments(
    [...partsOf(found.files, parseSafely), ...partsOf(apart, (written) => onlyTests(parseSafely(written)))],
    unread.map(({ file }) => file),
  );
  const reading = new Reading(merged);
  const sources: ReferenceSources = { env, readFile: secretFiles(path) };
  const root: Value | null = merged.root && { tree: merged.root, path: "", at: merged.root.start };
  const configuration = root && readConfiguration(reading, root, connectors, sources);
  const mistakes = [...unread, ...reading.keptQuiet, ...reading.mistakes];
  const about = { files, watch: found.watch };
  if (configuration === null || mistakes.length > 0) return { ok: false, mistakes: inOrder(mistakes, files), ...about };
  return { ok: true, configuration, warnings: inOrder(reading.warnings, files), ...about };
}

const partsOf = (files: FoundFiles["files"], parse: (text: string) => Document): Part[] =>
  files.flatMap(({ path, dir, read }) =>
    "text" in read ? [{ file: path, dir, length: read.text.length, document: parse(read.text) }] : [],
  );

/** Of a file of tests: what else stands in it would be tried and never served. */
function onlyTests(document: Document): Document {
  const { root } = document;
  if (root?.kind !== "map") return document;
  const strangers = root.entries.filter(({ key }) => key !== "tests" && key !== "version");
  const complaints = strangers.map(({ key, start }) => ({
    offset: start,
    what: `${shorten(key)} stands in a file of tests`,
    hint: "a file that is named with --tests holds nothing but tests: put the rest into the configuration",
  }));
  const entries = root.entries.filter((entry) => !strangers.includes(entry));
  return { ...document, root: { ...root, entries }, complaints: [...document.complaints, ...complaints] };
}

function readConfiguration(
  reading: Reading,
  root: Value,
  connectors: Connectors,
  sources: ReferenceSources,
): Configuration | null {
  const fields = reading.fields(root, keysOf(FORMAT.file), ["include"]);
  if (fields === null) return null;
  // In a file that could not be read there may be anything.
  const section = (name: string, hint?: string): Value | null =>
    fields.optional(name) ?? (reading.tellsMissing() ? fields.required(name, hint) : null);
  const versionValue = section("version", "write version: 1");
  if (
    versionValue !== null &&
    versionValue.tree.kind !== "refused" &&
    (versionValue.tree.kind !== "scalar" || versionValue.tree.value !== 1)
  ) {
    reading.wrong(versionValue.tree.start, "version must be 1", "this Tidegate reads version 1 of the format");
  }
  const principalsValue = fields.optional("principals");
  const principals = principalsValue ? readPrincipals(reading, principalsValue) : [];
  const resourcesValue = section("resources");
  const resources = resourcesValue ? readResources(reading, resourcesValue, connectors, sources) : {};
  const bundlesValue = fields.optional("bundles");
  const bundles = bundlesValue && readBundles(reading, bundlesValue, resources);
  const policiesValue = section("policies");
  const labelled = new Set(labelsOf(resources));
  const unknown = labelsMentioned(policiesValue).filter((label) => !labelled.has(label));
  const labels = [...labelled, ...(unknown.length === 0 || reading.tellsMissing() ? [] : unknown)];
  const rules = policiesValue ? readPolicies(reading, policiesValue, expressionCompiler(labels)) : [];
  const policies = rules.map(({ rule }) => rule);
  const testsValue = fields.optional("tests");
  const names = { resources, principals, ruleNames: policies.map((rule) => rule.name) };
  const tests = testsValue ? readTests(reading, testsValue, names) : [];
  const defaults = readDefaults(reading, fields);
  const factsValue = fields.optional("facts");
  const facts = factsValue && readFactSources(reading, factsValue, sources);
  const notifyValue = fields.optional("notify");
  const notify = notifyValue && readNotify(reading, notifyValue, sources);
  const auditValue = fields.optional("audit");
  const audit = auditValue && readAudit(reading, auditValue, sources);
  const identityValue = fields.optional("identity");
  const identity = identityValue && readIdentity(reading, identityValue, sources);
  checkIdentities(reading, principals, identity, principalsValue);
  const rolesValue = fields.optional("roles");
  const roles = rolesValue && readRoleGroups(reading, rolesValue);
  const changesValue = fields.optional("config");
  const config = changesValue && readChanges(reading, changesValue);
  if (reading.mistakes.length > 0) return null;
  const known = { version: 1 as const, resources, policies, principals, defaults };
  const configuration = { ...known, ...given({ bundles, facts, identity, roles, config, notify, audit }) };
  const places = {
    rules,
    resources: resourcesValue,
    policies: policiesValue,
    principals: principalsValue,
    facts: factsValue,
  };
  crossCheck(reading, configuration, places);
  return { ...configuration, tests };
}

/** Which labels conditions name: they are taken to exist where a file that may define them could not be read. */
function labelsMentioned(policies: Value | null): string[] {
  const texts = (tree: Tree): string[] => {
    if (tree.kind === "map") return tree.entries.flatMap((entry) => texts(entry.value));
    if (tree.kind === "list") return tree.items.flatMap(texts);
    return tree.kind === "scalar" && typeof tree.value === "string" ? [tree.value] : [];
  };
  const mention = /\blabels\s*(?:\.\s*(\w+)|\[\s*["']([^"']+)["']\s*\])/g;
  return (policies === null ? [] : texts(policies.tree)).flatMap((text) =>
    Array.from(text.matchAll(mention), ([, plain, quoted]) => plain ?? quoted ?? ""),
  );
}

function readDefaults(reading: Reading, root: Fields): Configuration["defaults"] {
  const value = root.optional("defaults");
  const fields = value && reading.fields(value, keysOf(FORMAT.defaults));
  const duration = (key: string, otherwise: number): number => {
    const member = fields?.optional(key) ?? null;
    return (member && reading.duration(member)) ?? otherwise;
  };
  return {
    requestExpiresAfterMs: duration("request_expires_after", REQUEST_EXPIRES_AFTER_MS),
    activateWithinMs: duration("activate_within", ACTIVATE_WITHIN_MS),
  };
}

/** `config:` — how the configuration itself may be changed. */
function readChanges(reading: Reading, value: Value): NonNullable<Configuration["config"]> | null {
  const approvalValue = reading.fields(value, keysOf(FORMAT.changes))?.optional("approval") ?? null;
  const fields = approvalValue && reading.fields(approvalValue, keysOf(FORMAT.approval));
  if (fields === null) return null;
  const countValue = fields.optional("count");
  return { approval: { count: (countValue && reading.integer(countValue, 1, COUNT_MAX)) ?? 1 } };
}

/** The YAML library recurses; a file made to exhaust the stack is refused like any other that is nested too deep. */
function parseSafely(text: string): Document {
  try {
    return parseYaml(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const complaints = [{ offset: 0, what: "the file is nested too deep", hint: "a configuration needs few levels" }];
    return { root: null, complaints, positionOf: () => ({ line: 1, column: 1 }) };
  }
}

/**
 * Reads `${file:PATH}`. The stored configuration holds paths as seen from its root (see `rebased`), so that they are
 * found again when a grant ends, whichever file of a folder they came from.
 */
export function secretFiles(configPath: string): ReferenceSources["readFile"] {
  return (path) => {
    try {
      const bytes = readBounded(resolve(rootOf(configPath), path), FILE_CHARS_MAX);
      return typeof bytes === "string" ? null : new TextDecoder().decode(bytes);
    } catch {
      return null;
    }
  };
}

function inOrder(mistakes: readonly Mistake[], files: readonly string[]): Mistake[] {
  const order = new Map(files.map((file, index) => [file, index]));
  const at = (mistake: Mistake): number => order.get(mistake.file) ?? 0;
  const sorted = mistakes.toSorted((a, b) => at(a) - at(b) || a.line - b.line || a.column - b.column);
  const last = sorted.at(MISTAKES_MAX - 1);
  if (sorted.length <= MISTAKES_MAX || last === undefined) return sorted;
  return [
    ...sorted.slice(0, MISTAKES_MAX),
    { ...last, what: `and ${sorted.length - MISTAKES_MAX} more`, hint: "mend the first ones" },
  ];
}
