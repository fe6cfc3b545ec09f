/** A desk that asks the sources of the active configuration, or given ones, with the secrets of a test. */
import type { JsonObject } from "../../src/base/canonical.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { resolveReferences } from "../../src/config/references.ts";
import { type FactSource, type FactSources, NO_SOURCES, type TicketSource } from "../../src/domain/fact-sources.ts";
import { createFactDesk, type FactDesk } from "../../src/facts/gather.ts";
import { SourceError } from "../../src/facts/source.ts";
import type { Context } from "../../src/operations/context.ts";

/** How a test's connections refer to the secret `TOKEN`. */
export const TOKEN_REFERENCE = `\${env:TOKEN}`;

type Env = Readonly<Record<string, string>>;

export function deskFor(
  sources: Partial<FactSources> | (() => Promise<FactSources>),
  { env = {}, clock = systemClock, logged = [] }: { env?: Env; clock?: Clock; logged?: string[] } = {},
): FactDesk {
  return createFactDesk({
    sources: typeof sources === "function" ? sources : async () => ({ ...NO_SOURCES, ...sources }),
    resolve(connection: JsonObject) {
      const resolved = resolveReferences(connection, { env, readFile: () => null });
      if (!resolved.ok) throw new SourceError("secrets", `needs what is missing: ${resolved.missing.join(", ")}`);
      return resolved.connection;
    },
    clock,
    nowMs: async () => clock.nowMs(),
    log: (level, what, facts) => void logged.push(`${level} ${what} ${JSON.stringify(facts)}`),
  });
}

export const activeSources =
  ({ catalog, ledger }: Context) =>
  async (): Promise<FactSources> =>
    (await catalog.active(ledger))?.configuration.facts ?? NO_SOURCES;

export const factSource = (kind: string, connection: JsonObject, more: Partial<FactSource> = {}): FactSource => ({
  ...{ name: kind, kind, connection, timeoutMs: 5_000, maxAgeMs: 30_000, match: "email" as const, people: {} },
  ...more,
});

export const ticketSource = (
  kind: string,
  connection: JsonObject,
  { pattern = "^[A-Z]+-?[0-9]+$", endAccess = null, ...more }: Partial<TicketSource> = {},
): TicketSource => ({ ...factSource(kind, connection, more), pattern, endAccess });
