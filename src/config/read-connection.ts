/** `connection:` — how to reach a resource, or a source of facts. What it holds is never repeated in a message. */
import type { z } from "zod";
import type { JsonObject } from "../base/canonical.ts";
import type { Tree } from "./document.ts";
import { reportIssues } from "./issues.ts";
import type { Reading, Value } from "./reading.ts";
import {
  brokenReference,
  holdsSecret,
  REFERENCE_FORMS,
  type ReferenceSources,
  rebased,
  resolveReferences,
  withoutSecrets,
} from "./references.ts";

/** What has a connection: a connector, or a kind of source of facts. */
export type Connected = { readonly connection: z.ZodType };

/** The connection as it is written, references and all. Its shape is checked where the references can be resolved here. */
export function readConnection(
  reading: Reading,
  value: Value,
  connector: Connected | undefined,
  sources: ReferenceSources,
): JsonObject | null {
  if (reading.members(value) === null) return null;
  const connection = reading.json(value);
  // What could not be read is reported; the search below is only for texts of bounded length.
  if (connection === undefined || !checkTexts(reading, value.tree, value.path, "") || connector === undefined)
    return null;
  const written = rebased(connection as JsonObject, reading.dirOf(value));
  const resolved = resolveReferences(written, sources);
  if (!resolved.ok) {
    reading.warn(
      value.at,
      `${value.path} was not checked: ${resolved.missing.join(", ")}`,
      "set it where Tidegate runs; check there to be sure",
    );
    return written;
  }
  const parsed = connector.connection.safeParse(resolved.connection);
  if (parsed.success) return written;
  return reportIssues(reading, value, connector.connection, parsed.error.issues, (message) =>
    withoutSecrets(message, resolved.secrets),
  );
}

/** False when there is a secret in the clear or a broken reference anywhere below. */
export function checkTexts(reading: Reading, tree: Tree, path: string, key: string): boolean {
  if (tree.kind === "list")
    return tree.items.map((item, index) => checkTexts(reading, item, `${path}[${index}]`, key)).every(Boolean);
  if (tree.kind === "map") {
    return tree.entries
      .map((entry) => checkTexts(reading, entry.value, `${path}.${entry.key}`, entry.key))
      .every(Boolean);
  }
  if (tree.kind === "refused") return false;
  if (typeof tree.value !== "string" && typeof tree.value !== "number") return true;
  if (holdsSecret(key, tree.value)) {
    reading.wrong(
      tree.start,
      `${path} holds a secret in the clear`,
      `write ${REFERENCE_FORMS} instead, and change the secret: it was in a file`,
    );
    return false;
  }
  const broken = typeof tree.value === "string" ? brokenReference(tree.value) : null;
  if (broken === null) return true;
  reading.wrong(tree.offsetOf(broken), `${path}: this is not a reference`, `write ${REFERENCE_FORMS}`);
  return false;
}
