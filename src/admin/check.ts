/** `tidegate check`: is a configuration valid, and if not, where and what to do. */
import { type Connectors, loadConfiguration } from "../config/load-configuration.ts";
import { type Mistake, showMistake } from "../config/mistake.ts";
import type { Configuration } from "../domain/configuration.ts";

/** What a local command prints, and how the process ends: 0 done, 1 failed. */
export type CommandResult = { readonly exitCode: 0 | 1 | 2 | 4; readonly text: string };

export type CheckOptions = {
  readonly path: string;
  readonly connectors: Connectors;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly json?: boolean;
};

export function check({ path, connectors, env, json = false }: CheckOptions): CommandResult {
  const loaded = loadConfiguration({ path, connectors, env });
  const warnings = loaded.ok ? loaded.warnings : [];
  const mistakes = loaded.ok ? [] : loaded.mistakes;
  const counts = loaded.ok ? countsOf(loaded.configuration) : null;
  const exitCode = loaded.ok ? 0 : 1;
  if (json)
    return {
      exitCode,
      text: JSON.stringify({ ok: loaded.ok, mistakes, warnings, counts, files: loaded.files }, null, 2),
    };
  const shown = [
    ...mistakes.map((one) => showMistake(one, "error")),
    ...warnings.map((one) => showMistake(one, "warning")),
  ];
  const summary = counts === null ? notValid(path, mistakes) : valid(path, counts, warnings.length, loaded.files);
  return { exitCode, text: [...shown, ...(shown.length > 0 ? [""] : []), summary].join("\n") };
}

type Counts = Readonly<Record<"resources" | "entitlements" | "rules" | "people" | "tests", number>>;

const countsOf = (configuration: Configuration): Counts => ({
  resources: Object.keys(configuration.resources).length,
  entitlements: Object.values(configuration.resources).reduce(
    (sum, one) => sum + Object.keys(one.entitlements).length,
    0,
  ),
  rules: configuration.policies.length,
  people: configuration.principals.length,
  tests: configuration.tests.length,
});

const SINGULAR: Counts extends Record<infer Word, number> ? Record<Word, string> : never = {
  resources: "resource",
  entitlements: "entitlement",
  rules: "rule",
  people: "person",
  tests: "test",
};

function valid(path: string, counts: Counts, warnings: number, files: readonly string[]): string {
  const words = (Object.keys(SINGULAR) as (keyof Counts)[]).map(
    (word) => `${counts[word]} ${counts[word] === 1 ? SINGULAR[word] : word}`,
  );
  const aside = warnings === 0 ? "" : ` (${warnings} ${warnings === 1 ? "warning" : "warnings"})`;
  const where =
    files.length === 1 && files[0] === path ? "" : ` in ${files.length} ${files.length === 1 ? "file" : "files"}`;
  return `${path} is valid${aside}: ${words.join(", ")}${where}`;
}

const notValid = (path: string, mistakes: readonly Mistake[]): string =>
  `${path} is not valid: ${mistakes.length} ${mistakes.length === 1 ? "error" : "errors"}`;
