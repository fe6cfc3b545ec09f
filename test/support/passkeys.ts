/** What people do with passkeys on the pages of Tidegate. */
import assert from "node:assert/strict";
import { type Browser, type Company, type Page, TIDEGATE } from "./signing-in.ts";
import { FRESH, signInAgain, timePasses } from "./stepping-up.ts";
import { VirtualAuthenticator } from "./virtual-authenticator.ts";

export const PASSKEY = { passkey: true } as const;
export const BOTH = { ...FRESH, ...PASSKEY };

const unescaped = (text: string): string =>
  text
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");

export const html = { accept: "text/html" };

/** What a page asks an authenticator for. */
export function questionOf({ text }: Page): Parameters<VirtualAuthenticator["get"]>[0] {
  const written = /data-options="([^"]*)"/.exec(text)?.[1];
  if (written === undefined) throw new Error(`no passkey is asked for: ${text}`);
  return JSON.parse(unescaped(written));
}

export const postForm = (browser: Browser, url: string, fields: Record<string, string>, headers = {}): Promise<Page> =>
  browser.ask(url, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", origin: TIDEGATE, ...headers },
    body: new URLSearchParams(fields).toString(),
  });

export const keyOf = ({ text }: Page): string => /name="key" value="([^"]*)"/.exec(text)?.[1] ?? "";

/** Adds one on the page, where its person has signed in just now. */
export async function addOne(browser: Browser, name: string, to = new VirtualAuthenticator(TIDEGATE)) {
  const page = await browser.ask("/auth/passkeys", { headers: html });
  const answer = to.create(questionOf(page));
  const done = await postForm(browser, "/auth/passkeys", { key: keyOf(page), name, answer });
  return { authenticator: to, done, page, answer };
}

/** Somebody whose session is fresh by the word of the database, and who has a passkey. */
export async function withPasskey(it: Company, browser: Browser): Promise<VirtualAuthenticator> {
  await timePasses(it, 0);
  const { authenticator, done } = await addOne(browser, "laptop");
  assert.equal(done.status, 303, done.text);
  return authenticator;
}

/** Answers what the page of a step-up asks; what Tidegate says to that. */
export async function answer(
  browser: Browser,
  url: string,
  authenticator: VirtualAuthenticator,
  more: { readonly by?: (answer: string) => string } = {},
): Promise<Page> {
  const page = await browser.ask(url, { headers: html });
  const given = authenticator.get(questionOf(page));
  return postForm(browser, `${url}/passkey`, { answer: more.by?.(given) ?? given });
}

export { signInAgain };
