/** A strict reader of the little of XML that a report needs: what it does not know it refuses, as a parser of CI would. */
import assert from "node:assert/strict";

export type Element = {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
};

/** What XML 1.0 calls a character, written out as in its grammar. */
function isCharacter(code: number): boolean {
  if (code === 0x9 || code === 0xa || code === 0xd) return true;
  return (
    (code >= 0x20 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x1_0000 && code <= 0x10_ffff)
  );
}

/** What can be said of a text in XML: what cannot is replaced. */
export const sayable = (text: string): string =>
  Array.from(text, (sign) => (isCharacter(sign.codePointAt(0) ?? 0) ? sign : "\ufffd")).join("");

const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decoded(text: string): string {
  assert.ok(!/[<"]/.test(text), `not escaped: ${text}`);
  return text.replaceAll(/&([^;]*;)?/g, (_, entity: string | undefined) => {
    assert.ok(entity !== undefined, "a bare &");
    const name = entity.slice(0, -1);
    const code = /^#(\d+)$/.exec(name)?.[1];
    if (code === undefined) return NAMED[name] ?? assert.fail(`unknown entity ${name}`);
    assert.ok(isCharacter(Number(code)), `no character: ${code}`);
    return String.fromCodePoint(Number(code));
  });
}

export function readXml(written: string): Element {
  for (const sign of written) assert.ok(isCharacter(sign.codePointAt(0) ?? 0), "a character that XML cannot hold");
  // As the standard has it: line ends are line feeds, before anything else is read.
  const xml = written.replaceAll(/\r\n?/g, "\n");
  const declaration = '<?xml version="1.0" encoding="UTF-8"?>';
  assert.ok(xml.startsWith(declaration));
  const root: Element = { name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  const tag = /<(\/?)([\w.-]+)((?: [\w.-]+="[^"<]*")*)(\/?)>/y;
  for (let at = declaration.length; at < xml.length; ) {
    const parent = open.at(-1);
    assert.ok(parent !== undefined);
    const text = /[^<]*/y;
    text.lastIndex = at;
    parent.text += decoded((text.exec(xml)?.[0] ?? "").replaceAll('"', "&quot;"));
    at = text.lastIndex;
    if (at >= xml.length) break;
    tag.lastIndex = at;
    const [, closing, name = "", given = "", alone] = tag.exec(xml) ?? assert.fail(`no tag: ${xml.slice(at, at + 80)}`);
    at = tag.lastIndex;
    if (closing === "/") {
      assert.equal(open.pop()?.name, name, "closed in another order");
      continue;
    }
    const element: Element = { name, attributes: attributesOf(given), children: [], text: "" };
    parent.children.push(element);
    if (alone !== "/") open.push(element);
  }
  assert.deepEqual(open, [root], "not all is closed");
  assert.equal(root.children.length, 1, "one root");
  return root.children[0] as Element;
}

function attributesOf(given: string): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [, name = "", value = ""] of given.matchAll(/ ([\w.-]+)="([^"<]*)"/g)) {
    assert.ok(!Object.hasOwn(all, name), `${name} twice`);
    // White space that is written as it is becomes a space.
    all[name] = decoded(value.replaceAll(/[\t\n]/g, " "));
  }
  return all;
}
