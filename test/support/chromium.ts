/** A real browser with a fresh profile: Debian's Chromium, driven by playwright-core. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { findTool } from "./tools.ts";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export async function startChromium(t: Pick<TestContext, "after">): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: findTool("chromium") ?? "chromium", args: FLAGS });
  t.after(() => browser.close());
  return browser;
}

/** A person's browser, and what its pages complained of: scripts or styles that a policy refuses, and the like. */
export type Person = { readonly context: BrowserContext; readonly page: Page; readonly complaints: string[] };

export async function personIn(browser: Browser): Promise<Person> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // That a page was answered with 401 is what some tests are about.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
  return { context, page, complaints };
}

/** Waits for the page with this heading, to the letter ("Show that it is you" is not yet "It is you"), and for its scripts. */
export async function headed(page: Page, name: string): Promise<void> {
  await page.getByRole("heading", { name, level: 1, exact: true }).waitFor();
  await page.waitForLoadState("load");
}

type Rgb = readonly number[];
type Text = { readonly said: string; readonly ink: Rgb; readonly back: Rgb };

/** Every piece of text with its colour and what lies behind it. As a text itself: the types of this project know no DOM. */
const TEXTS = `[...document.querySelectorAll("h1, h2, p, small, a, button, strong, time, label, input")].map((element) => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  let behind = element;
  while (rgb(getComputedStyle(behind).backgroundColor)[3] === 0 && behind.parentElement) behind = behind.parentElement;
  const [ink, back] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
  return { said: element.innerText, ink: rgb(ink), back: rgb(back) };
})`;

/** WCAG 2: how far a text stands out, from 1 to 21. */
function contrastOf({ ink, back }: Text): number {
  const part = (value = 0): number => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const light = ([r, g, b]: Rgb): number => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const [one, other] = [light(ink), light(back)];
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

/** What every page of ours keeps: a language, a title, one heading, labels, text that stands out by day and by night, no script. */
export async function assertReadable({ page }: Person, scripts = 0): Promise<void> {
  const where = page.url();
  assert.equal(await page.locator("html").getAttribute("lang"), "en", where);
  assert.match(await page.title(), /\S · Tidegate/, where);
  assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1, where);
  assert.equal(await page.getByRole("main").count(), 1, where);
  assert.equal(await page.locator("script").count(), scripts, where);
  assert.equal(await page.locator("script:not([src])").count(), 0, where);
  const backs = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const texts = await page.evaluate<Text[]>(TEXTS);
    const faint = texts.filter((text) => contrastOf(text) < 4.5);
    assert.deepEqual(faint, [], `${where}, ${colorScheme}`);
    backs.push(JSON.stringify(texts[0]?.back));
  }
  assert.notEqual(backs[0], backs[1], `${where} is the same by night`);
  await page.emulateMedia({ colorScheme: null });
}
