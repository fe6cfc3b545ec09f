/** `bundles:` — entitlements that are asked for as one. */
import { suggest } from "../base/nearest.ts";
import { BUNDLE_MAX, type Kit } from "../domain/bundle.ts";
import type { EntitlementRef } from "../domain/entitlement.ts";
import type { Resource } from "../domain/resource.ts";
import { shorten } from "./document.ts";
import { FORMAT } from "./format.ts";
import { keysOf, TITLE_CHARS_MAX } from "./format-words.ts";
import type { Reading, Value } from "./reading.ts";

export function readBundles(
  reading: Reading,
  value: Value,
  resources: Readonly<Record<string, Resource>>,
): Record<string, Kit> {
  const refs = Object.values(resources).flatMap(({ entitlements }) =>
    Object.values(entitlements).map(({ ref }) => ref),
  );
  const bundles: Record<string, Kit> = {};
  for (const [name, member] of reading.named(value, "a bundle") ?? []) {
    const fields = reading.fields(member, keysOf(FORMAT.bundle));
    if (fields === null) continue;
    const titleValue = fields.optional("title");
    const title = titleValue && reading.filled(titleValue, TITLE_CHARS_MAX);
    const listValue = fields.required("entitlements", "list what is asked for with it, such as orders-db:read");
    const entitlements = listValue === null ? [] : readEntitlements(reading, listValue, refs);
    bundles[name] = { name, title: title ?? name, entitlements };
  }
  return bundles;
}

function readEntitlements(reading: Reading, value: Value, refs: readonly EntitlementRef[]): EntitlementRef[] {
  const items = reading.items(value);
  if (items === null) return [];
  if (items.length === 0 || items.length > BUNDLE_MAX)
    reading.wrong(
      value.at,
      `${value.path} must hold 1 to ${BUNDLE_MAX} entitlements`,
      "people approve what they can read",
    );
  const read: EntitlementRef[] = [];
  for (const item of items.slice(0, BUNDLE_MAX)) {
    const written = reading.text(item);
    const ref = refs.find((one) => one === written);
    if (written === null) continue;
    if (ref === undefined) {
      // In a file that could not be read there may be anything.
      if (reading.tellsMissing())
        reading.wrong(
          item.tree.start,
          `${item.path}: there is no entitlement ${shorten(written)}`,
          suggest(written, refs, "entitlements"),
        );
    } else if (read.includes(ref))
      reading.wrong(item.tree.start, `${item.path}: ${ref} is named twice`, "name it once");
    else read.push(ref);
  }
  return read;
}
