/**
 * Conditions, as far as they can be told before anybody asks: which resource and entitlement there are is known, who
 * asks and when is not. What is said here is certain; where it is not, the answer is that the rest is open.
 */
import { Environment, type ParseResult, serialize } from "@marcbachmann/cel-js";
import { askedByNobody, type Circumstances, type Offered } from "./circumstances.ts";
import type { Configuration } from "./configuration.ts";
import { labelsOf } from "./evaluate.ts";
import { type Expression, type ExpressionCompiler, expressionCompiler, LIMITS, rootsOf } from "./expression.ts";
import type { Rule } from "./policy.ts";

/** Something that can be asked for, and, where that is known too, by whom. */
type Asked = Offered & { readonly user?: Circumstances["user"] };

/** What a part of a condition may begin with and can still be told. */
type Known = "resource" | "entitlement" | "user";

/**
 * What is left of a condition for one entitlement: `never` (it is false or fails, whoever asks), or the parts of
 * `a && b && c` that depend on who asks and when, each written in one way. An empty list: it is always true.
 */
export type Rest = "never" | readonly string[];

export type PartialCondition = {
  restFor(asked: Asked): Rest;
  /** The parts that can be told for each entitlement, as they can be shown, and whether they hold. */
  readonly known: readonly { readonly text: string; holdsFor(asked: Asked): boolean | null }[];
};

export const offeredBy = (resources: Configuration["resources"]): Offered[] =>
  Object.values(resources).flatMap((resource) =>
    Object.values(resource.entitlements).map((entitlement) => ({ resource, entitlement })),
  );

export const conditionOf = (rule: Rule): string | null => (rule.kind === "deny" ? rule.condition : rule.when);

type Node = ParseResult["ast"];
/** `text` is the canonical way to write the part. */
type Shape = { readonly text: string } & (
  | { readonly op: "known"; readonly expression: Expression }
  | { readonly op: "&&" | "||"; readonly sides: readonly Shape[] }
  | { readonly op: "!"; readonly of: Shape }
  | { readonly op: "open" }
);

/**
 * Looks at conditions of this configuration; one that does not compile is `never`, as it is in evaluation. With `user`
 * among what is known, each that is offered must name one.
 */
export function partialConditions(
  resources: Configuration["resources"],
  known: readonly Known[] = ["resource", "entitlement"],
): (condition: string | null) => PartialCondition {
  const compile = expressionCompiler(labelsOf(resources));
  const syntax = new Environment({ limits: LIMITS });
  return (condition) => {
    if (condition === null) return { restFor: () => [], known: [] };
    if (!compile(condition).ok) return { restFor: () => "never", known: [] };
    const parts = conjuncts(shapeOf(syntax.parse(condition).ast, compile, known));
    return {
      restFor: (asked) => restOf(parts, asked),
      known: parts
        .filter((part) => part.op !== "open")
        .map((part) => ({ text: part.text, holdsFor: (asked) => truthOf(part, circumstancesOf(asked)) })),
    };
  };
}

function restOf(parts: readonly Shape[], asked: Asked): Rest {
  const circumstances = circumstancesOf(asked);
  const rest: string[] = [];
  for (const part of parts) {
    const value = truthOf(part, circumstances);
    // The order does not matter: false makes the whole false, also where another part fails.
    if (value === false) return "never";
    if (value === null && !rest.includes(part.text)) rest.push(part.text);
  }
  return rest;
}

const conjuncts = (shape: Shape): Shape[] => (shape.op === "&&" ? shape.sides.flatMap(conjuncts) : [shape]);

function shapeOf(node: Node, compile: ExpressionCompiler, known: readonly string[]): Shape {
  const text = serialize(node);
  // Taken apart even where all of it is known, so that a message can name the part that does not fit.
  if (node.op === "&&") return { op: "&&", text, sides: node.args.map((side) => shapeOf(side, compile, known)) };
  if ([...rootsOf(node)].every((root) => known.includes(root))) {
    const compiled = compile(text);
    if (compiled.ok) return { op: "known", text, expression: compiled.expression };
  }
  if (node.op === "||") return { op: "||", text, sides: node.args.map((side) => shapeOf(side, compile, known)) };
  if (node.op === "!_") return { op: "!", text, of: shapeOf(node.args, compile, known) };
  return { op: "open", text };
}

/** True or false where that is certain, else null; a part that fails is neither. */
function truthOf(shape: Shape, circumstances: Circumstances): boolean | null {
  switch (shape.op) {
    case "known":
      try {
        return shape.expression.test(circumstances);
      } catch {
        return null;
      }
    case "!": {
      const value = truthOf(shape.of, circumstances);
      return value === null ? null : !value;
    }
    case "&&":
    case "||": {
      const decides = shape.op === "||";
      const values = shape.sides.map((side) => truthOf(side, circumstances));
      if (values.includes(decides)) return decides;
      return values.includes(null) ? null : !decides;
    }
    case "open":
      return null;
  }
}

/** Only what is known is looked at; the rest has to be there. */
const circumstancesOf = ({ user, ...offered }: Asked): Circumstances => ({
  ...askedByNobody(offered),
  ...(user === undefined ? {} : { user }),
});
