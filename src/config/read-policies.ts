/** `policies:` — the rules, in order. */
import { given } from "../base/given.ts";
import type { ExpressionCompiler } from "../domain/expression.ts";
import type { ApproveRule, DenyRule, Escalation, Rule, Step } from "../domain/policy.ts";
import { shorten } from "./document.ts";
import { FORMAT } from "./format.ts";
import { COUNT_MAX, keysOf, REASON_CHARS_MAX, STEPS_MAX } from "./format-words.ts";
import { readDemands } from "./read-demands.ts";
import { readSomebody } from "./read-sources.ts";
import type { Fields, Reading, Value } from "./reading.ts";

const RULE_KEYS = [...new Set([...keysOf(FORMAT.denyRule), ...keysOf(FORMAT.approveRule)])];

/** A rule and where it stands, for the warnings that need to know everybody. */
export type PlacedRule = {
  readonly rule: Rule;
  readonly at: number;
  readonly steps: readonly Value[];
  readonly emergency: Value | null;
};

export function readPolicies(reading: Reading, value: Value, compile: ExpressionCompiler): PlacedRule[] {
  const rules: PlacedRule[] = [];
  const names = new Map<string, number>();
  for (const item of reading.items(value) ?? []) {
    const fields = reading.fields(item, RULE_KEYS);
    if (fields === null) continue;
    const nameValue = fields.required("name");
    const name = nameValue && reading.name(nameValue, "a rule");
    if (name !== null && nameValue !== null) {
      const other = names.get(name);
      if (other !== undefined)
        reading.wrong(
          nameValue.tree.start,
          `there is another rule ${name} at ${reading.place(other)}`,
          "decisions name their rule: give each its own name",
        );
      names.set(name, nameValue.tree.start);
    }
    const placed = readRule(reading, item, fields, name ?? "", compile);
    if (placed !== null) rules.push(placed);
  }
  return rules;
}

function readRule(
  reading: Reading,
  item: Value,
  fields: Fields,
  name: string,
  compile: ExpressionCompiler,
): PlacedRule | null {
  const deny = fields.optional("deny");
  const approve = fields.optional("approve");
  if (deny !== null) {
    for (const key of keysOf(FORMAT.approveRule).filter((one) => one !== "name")) {
      const extra = fields.optional(key);
      if (extra !== null)
        reading.wrong(
          extra.at,
          `${extra.path}: a rule that denies has only a condition`,
          `remove ${key}, or make two rules`,
        );
    }
    const condition = readCondition(reading, deny, compile);
    const rule: DenyRule = { kind: "deny", name, condition: condition ?? "true" };
    return { rule, at: item.at, steps: [], emergency: null };
  }
  // Read before anything is refused, so that all that is wrong with the rule is told at once.
  const when = fields.optional("when");
  const condition = when && readCondition(reading, when, compile);
  const durationValue = fields.optional("max_duration");
  const ticketValue = fields.optional("ticket");
  const reasonValue = fields.optional("reason");
  const approval = approve && readApproval(reading, approve, compile);
  const rule: ApproveRule = {
    kind: "approve",
    name,
    when: condition,
    approve: approval?.approve ?? "automatically",
    maxDurationMs: durationValue && reading.duration(durationValue),
    ticketRequired: ticketValue !== null && reading.choice(ticketValue, ["required"]) !== null,
    reasonMinLength: reasonValue && readReason(reading, reasonValue),
    ...readDemands(reading, fields),
  };
  const { authentication } = rule;
  if (authentication?.review !== undefined && rule.approve === "automatically" && rule.emergency === undefined)
    reading.wrong(
      fields.optional("authentication")?.at ?? item.at,
      `${item.path}.authentication.review: nobody reviews what is approved automatically`,
      "remove review, or give the rule steps",
    );
  if (approve === null)
    return reading.wrong(item.at, `${item.path} neither denies nor approves`, "give it deny: or approve:");
  return { rule, at: item.at, steps: approval?.steps ?? [], emergency: fields.optional("emergency") };
}

/** A condition that type-checks; a mistake is shown where it stands inside the text. */
function readCondition(reading: Reading, value: Value, compile: ExpressionCompiler): string | null {
  const { tree } = value;
  if (tree.kind === "scalar" && typeof tree.value === "boolean") {
    return reading.wrong(
      tree.start,
      `${value.path} must be a condition in quotes`,
      'write "true" for always; an approving rule can leave when out',
    );
  }
  const text = reading.text(value);
  if (text === null || tree.kind !== "scalar") return null;
  const compiled = compile(text);
  if (compiled.ok) return text;
  const { offset, what, hint } = compiled.mistake;
  return reading.wrong(tree.offsetOf(offset), `${value.path}: ${what}`, hint);
}

function readApproval(
  reading: Reading,
  value: Value,
  compile: ExpressionCompiler,
): { approve: ApproveRule["approve"]; steps: Value[] } | null {
  if (value.tree.kind === "scalar") {
    if (value.tree.value === "automatically") return { approve: "automatically", steps: [] };
    const word =
      typeof value.tree.value === "string" ? `: ${shorten(value.tree.value)} is not understood` : " must say how";
    return reading.wrong(
      value.tree.start,
      `${value.path}${word}`,
      "write automatically, or a list of steps such as - { by: [owners] }",
    );
  }
  const items = reading.items(value);
  if (items === null) return null;
  if (items.length === 0)
    return reading.wrong(
      value.tree.start,
      `${value.path} has no steps`,
      "write automatically if nobody needs to agree",
    );
  if (items.length > STEPS_MAX)
    return reading.wrong(value.tree.start, `${value.path} has more than ${STEPS_MAX} steps`, "use fewer");
  const steps = items.map((item) => readStep(reading, item, compile));
  return { approve: steps.filter((step) => step !== null), steps: items };
}

function readStep(reading: Reading, item: Value, compile: ExpressionCompiler): Step | null {
  const fields = reading.fields(item, keysOf(FORMAT.step));
  if (fields === null) return null;
  const byValue = fields.required("by");
  const countValue = fields.optional("count");
  const ifValue = fields.optional("if");
  const escalateValue = fields.optional("escalate");
  const fallbackValue = fields.optional("fallback");
  const by = byValue === null ? [] : readSomebody(reading, byValue);
  const count = countValue ? reading.integer(countValue, 1, COUNT_MAX) : 1;
  const condition = ifValue && readCondition(reading, ifValue, compile);
  const escalate = escalateValue && readEscalate(reading, escalateValue);
  const fallback = fallbackValue && readSomebody(reading, fallbackValue);
  return { by, count: count ?? 1, ...given({ if: condition, escalate, fallback }) };
}

function readEscalate(reading: Reading, value: Value): Escalation | null {
  const fields = reading.fields(value, keysOf(FORMAT.escalate));
  if (fields === null) return null;
  const [afterValue, toValue] = [fields.required("after"), fields.required("to")];
  const afterMs = afterValue && reading.duration(afterValue);
  const to = toValue === null ? [] : readSomebody(reading, toValue);
  return { afterMs: afterMs ?? 0, to };
}

function readReason(reading: Reading, value: Value): number | null {
  const length = reading.fields(value, keysOf(FORMAT.reason))?.required("min_length");
  return length ? reading.integer(length, 1, REASON_CHARS_MAX) : null;
}
