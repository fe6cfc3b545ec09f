import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { defined } from "./assert.ts";

/** The version of this Tidegate, as its package says: server and command line are released together. */
export function tidegateVersion(): string {
  const file = defined(findPackageJSON(import.meta.url), "package.json");
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  return version;
}

/** On every answer to a caller who is known; strangers are not told what runs here. */
export const VERSION_HEADER = "tidegate-version";

/** Whether two versions promise to understand each other: the same major one, and before 1.0 the same minor one. */
export function understandEachOther(one: string, other: string): boolean {
  const [[major, minor], [otherMajor, otherMinor]] = [parts(one), parts(other)];
  return major === otherMajor && (major !== "0" || minor === otherMinor);
}

const parts = (version: string): string[] => version.split(/[.+-]/, 2);
