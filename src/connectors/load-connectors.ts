/** Connectors that others wrote: modules of the operator's choice, loaded when the program starts. */
import { registerHooks } from "node:module";
import { delimiter, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Connector } from "../connector/connector.ts";

const SDK = "tidegate/connector";
const FUNCTIONS = ["describe", "includes", "intend", "open"] as const;
const KIND = /^[a-z][a-z0-9-]{0,39}$/;

/** The connectors of `TIDEGATE_CONNECTORS`: files, separated as in PATH. Throws a sentence that names the file. */
export async function loadConnectors(list: string | undefined, known: readonly Connector[]): Promise<Connector[]> {
  const files = (list ?? "").split(delimiter).filter((file) => file !== "");
  if (files.length === 0) return [];
  const hooks = giveOurSdk();
  try {
    const loaded: Connector[] = [];
    for (const file of files) loaded.push(await load(resolve(file), [...known, ...loaded]));
    return loaded;
  } finally {
    hooks.deregister();
  }
}

/**
 * Whatever a connector imports as `tidegate/connector` is the interface of the Tidegate that loads it, wherever the file
 * lies. With a copy of its own, its errors would not be known as a target's.
 */
function giveOurSdk() {
  const runsSources = import.meta.filename.endsWith(".ts");
  const url = runsSources ? new URL("../connector/sdk.ts", import.meta.url).href : import.meta.resolve(SDK);
  return registerHooks({
    resolve: (specifier, context, next) => (specifier === SDK ? { url, shortCircuit: true } : next(specifier, context)),
  });
}

async function load(file: string, known: readonly Connector[]): Promise<Connector> {
  const module = await import(pathToFileURL(file).href).catch((error: unknown) => {
    throw unusable(file, error instanceof Error ? error.message : String(error));
  });
  const { connector } = module as { connector?: unknown };
  const wrong = whatIsWrong(connector);
  if (wrong !== null) throw unusable(file, wrong);
  const given = connector as Connector;
  if (known.some(({ kind }) => kind === given.kind))
    throw unusable(file, `there is a connector ${given.kind} already; give this one another kind`);
  return given;
}

function whatIsWrong(connector: unknown): string | null {
  if (typeof connector !== "object" || connector === null)
    return `it does not export "connector"; write: export const connector = defineConnector({ … })`;
  const has = connector as Record<string, unknown>;
  if (typeof has["kind"] !== "string" || !KIND.test(has["kind"]))
    return "its kind is not a name; write lower-case letters, digits and dashes";
  if (has["credential"] !== "password" && has["credential"] !== "none")
    return 'its credential is neither "password" nor "none"';
  for (const schema of ["connection", "scope"])
    if (typeof (has[schema] as { safeParse?: unknown } | undefined)?.safeParse !== "function")
      return `its ${schema} is not a zod schema; the z of ${SDK} makes one`;
  const missing = FUNCTIONS.find((name) => typeof has[name] !== "function");
  return missing === undefined ? null : `it has no function ${missing}`;
}

const unusable = (file: string, why: string): Error =>
  new Error(`The connector ${file} of TIDEGATE_CONNECTORS cannot be used: ${why}.`);
