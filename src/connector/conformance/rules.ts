import { DEADLINES } from "./deadlines.ts";
import { EVIDENCE } from "./evidence.ts";
import { LIFE } from "./life.ts";
import { REPETITION } from "./repetition.ts";
import type { Rule } from "./rule.ts";
import { SECRETS } from "./secrets.ts";
import { SHARING } from "./sharing.ts";

/** Everything that a connector must do, each rule after those it builds on. */
export const RULES: readonly Rule[] = [...LIFE, ...REPETITION, ...SHARING, ...EVIDENCE, ...DEADLINES, ...SECRETS];
