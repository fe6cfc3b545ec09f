/**
 * Declarations of the client without schemas: `z.infer<typeof view>` becomes the type that it comes to. Whoever uses the
 * client has shapes to look at and needs no types of Zod, and the text is less than half. The compiler (7) has no interface by
 * which to ask it what a type comes to.
 *
 * It knows the schemas of src/contract, as the compiler declares them, and throws at any other, so that nothing is guessed.
 */

/** Which side of a schema: what is sent before it was read, or what comes of it. */
type Side = "input" | "infer";
/** A schema as it is declared: a name with its arguments, each a schema or a type that stands as it is. */
type Declared = { readonly name: string; readonly args: readonly Declared[]; readonly fields: Fields };
type Fields = readonly (readonly [key: string, declared: Declared])[];

const SCHEMA = /^declare const (\w+): (z\.[\s\S]*?>);\n(?=type |declare |export )/gm;
const USE = /\bz\.(input|infer)<typeof (\w+)>/g;
/** What a type says by the names of a constant, which is otherwise nobody's to see. */
const KEYS = /^declare const (\w+): \{\n([\s\S]*?)^\};\n([\s\S]*?)keyof typeof \1;/gm;
const SCALARS: Readonly<Record<string, string>> = {
  ...{ ZodString: "string", ZodISODateTime: "string", ZodInt: "number", ZodBoolean: "boolean", ZodUnknown: "unknown" },
};
/** Of these there is one or the other. */
const UNION = /^Zod(Optional|Default|Nullable|Enum|Union|DiscriminatedUnion)$/;

export function plainTypes(declarations: string): string {
  const schemas = new Map(
    Array.from(declarations.matchAll(SCHEMA), ([, name = "", text = ""]) => [name, parsed(text)] as const),
  );
  const shapes: string[] = [];
  const plain = declarations
    .replace('import { z } from "zod";\n', "")
    .replaceAll(KEYS, (_, _name, fields: string, between: string) => between + keysOf(fields))
    .replaceAll(SCHEMA, "")
    .replaceAll(USE, (_, side: Side, name: string) => {
      const shape = typeOf(schemas.get(name) ?? unknownTo(name), side);
      shapes.push(shape);
      return shape;
    });
  return named(plain, shapes);
}

function keysOf(fields: string): string {
  return `${Array.from(fields.matchAll(/^readonly ("?)([\w-]+)\1:/gm), ([, , key]) => `"${key}"`).join(" | ")};`;
}

/** A shape that has a name is said by it wherever else it stands. */
function named(declarations: string, shapes: readonly string[]): string {
  return shapes
    .filter((shape) => shape.startsWith("{"))
    .sort((a, b) => b.length - a.length)
    .reduce((text, shape) => {
      const name = /\w+$/.exec(text.slice(0, Math.max(0, text.indexOf(` = ${shape};\n`))))?.[0];
      return name === undefined
        ? text
        : text.replaceAll(shape, name).replace(`type ${name} = ${name};`, `type ${name} = ${shape};`);
    }, declarations);
}

function typeOf({ name, args, fields }: Declared, side: Side): string {
  const [first, second] = args;
  const of = (one: Declared | undefined): string => (one === undefined ? unknownTo(name) : typeOf(one, side));
  switch (name) {
    case "ZodObject":
      return `{\n${fields.map(([key, it]) => `${key}${isOptional(it, side) ? "?" : ""}: ${typeOf(it, side)}`).join(";\n")}\n}`;
    case "ZodEnum":
      return fields.map(([, { name: value }]) => value).join(" | ");
    case "ZodOptional":
      return `${of(first)} | undefined`;
    case "ZodDefault":
      return side === "input" ? `${of(first)} | undefined` : of(first);
    case "ZodNullable":
      return `${of(first)} | null`;
    case "ZodArray":
      return UNION.test(first?.name ?? "") ? `(${of(first)})[]` : `${of(first)}[]`;
    case "ZodRecord":
      return `Record<${of(first)}, ${of(second)}>`;
    case "ZodPipe":
      return side === "input" ? of(first) : of(second);
    case "ZodUnion":
    case "ZodDiscriminatedUnion":
      return (first?.args ?? []).map((it) => typeOf(it, side)).join(" | ");
    case "ZodLiteral":
      return first?.name ?? unknownTo(name);
    case "ZodCoercedNumber":
      return side === "input" ? args.map((it) => it.name).join(" | ") || "unknown" : "number";
    default:
      return SCALARS[name] ?? unknownTo(name);
  }
}

/** Whether the key may be left out. */
function isOptional({ name, args: [first, second] }: Declared, side: Side): boolean {
  if (name === "ZodOptional") return true;
  if (name === "ZodDefault") return side === "input";
  const inner = name === "ZodPipe" && side === "infer" ? second : first;
  return (name === "ZodPipe" || name === "ZodNullable") && inner !== undefined && isOptional(inner, side);
}

/** Reads `z.ZodNullable<z.ZodString>` and what else the compiler writes of schemas. */
function parsed(text: string): Declared {
  let at = 0;
  const skip = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const [found = ""] = pattern.exec(text) ?? [];
    at += found.length;
    return found;
  };
  const listed = (end: RegExp): Declared[] => {
    const list: Declared[] = [];
    while (skip(end) === "") {
      list.push(one());
      skip(/,\s*/y);
    }
    return list;
  };
  const fieldsOf = (): Fields => {
    const fields: [string, Declared][] = [];
    while (skip(/\}/y) === "") {
      const key = skip(/"[^"]*"|\w+/y) || unknownTo(text.slice(at, at + 40));
      skip(/:\s*/y);
      fields.push([key, one()]);
      skip(/;\s*/y);
    }
    return fields;
  };
  const one = (): Declared => {
    if (skip(/(readonly )?\[/y) !== "") return { name: "", args: listed(/\]/y), fields: [] };
    const schema = skip(/z\.\w+(\.\$\w+)?/y).slice("z.".length);
    if (schema === "")
      return { name: skip(/[^<>,;[\]]+(\[\])?/y) || unknownTo(text.slice(at, at + 40)), args: [], fields: [] };
    if (skip(/<\s*/y) === "") return { name: schema, args: [], fields: [] };
    const fields = skip(/\{\s*/y) === "" ? [] : fieldsOf();
    skip(/,\s*/y);
    return { name: schema, args: listed(/>/y), fields };
  };
  return one();
}

function unknownTo(what: string): never {
  throw new Error(`plain-types.ts does not know the schema ${what}`);
}
