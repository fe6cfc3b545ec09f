/** Results as the XML that CI systems read, in the form that JUnit's own reporter began and everybody took over. */

export type JunitCase = {
  readonly name: string;
  /** `error`: it could not be tried at all. */
  readonly problem: { readonly kind: "failure" | "error"; readonly message: string; readonly text: string } | null;
};

export type JunitSuite = {
  readonly name: string;
  /** RFC 3339. */
  readonly at: string;
  readonly seconds: number;
  readonly properties: Readonly<Record<string, string>>;
  readonly cases: readonly JunitCase[];
};

const TOOL = "tidegate policy test";

export function junitXml({ name, at, seconds, properties, cases }: JunitSuite): string {
  const count = (kind: "failure" | "error"): number => cases.filter(({ problem }) => problem?.kind === kind).length;
  const counts = { tests: cases.length, failures: count("failure"), errors: count("error"), time: seconds.toFixed(3) };
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: TOOL, ...counts })}>`,
    `  <testsuite${attributes({ name, ...counts, skipped: 0, timestamp: at })}>`,
    "    <properties>",
    ...Object.entries(properties).map(([key, value]) => `      <property${attributes({ name: key, value })}/>`),
    "    </properties>",
    ...cases.flatMap((one) => caseLines(one, name)),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

function caseLines({ name, problem }: JunitCase, suite: string): string[] {
  const start = `    <testcase${attributes({ name, classname: suite })}`;
  if (problem === null) return [`${start}/>`];
  const { kind, message, text } = problem;
  return [
    `${start}>`,
    `      <${kind}${attributes({ message, type: kind })}>${escaped(text)}</${kind}>`,
    "    </testcase>",
  ];
}

const attributes = (all: Readonly<Record<string, string | number>>): string =>
  Object.entries(all)
    .map(([name, value]) => ` ${name}="${inAttribute(String(value))}"`)
    .join("");

/** What XML 1.0 cannot hold, not even escaped: most control characters, half characters, and two that are none. */
const UNSPEAKABLE = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;
const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** A carriage return written as it is would be read as a line feed. */
const escaped = (text: string): string =>
  text
    .replaceAll(UNSPEAKABLE, "\u{fffd}")
    .replaceAll(/[&<>"]/g, (sign) => ENTITIES[sign] ?? sign)
    .replaceAll("\r", "&#13;");

/** White space in an attribute would be read as plain spaces. */
const inAttribute = (text: string): string => escaped(text).replaceAll("\n", "&#10;").replaceAll("\t", "&#9;");
