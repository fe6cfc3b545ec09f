/**
 * Finds and reads the files of a configuration: one file, or every `*.yaml` and `*.yml` below a folder, in the order of
 * their paths. What could make somebody else's file part of the policy, or keep the reader busy for ever, is refused
 * with the path it stands at: links that lead out of the folder or in a circle, pipes and devices, files beyond measure.
 */
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from "node:fs";
import { dirname, join, sep } from "node:path";
import { FILE_CHARS_MAX } from "./document.ts";

/** Whether this is what is wrong with a file, as opposed to its text. */
export type Trouble = { readonly what: string; readonly hint: string };

export type SourceFile = {
  /** As it is shown: the path that was given, and the way below it. */
  readonly path: string;
  /** Its folder, seen from the root of the configuration: empty at the root itself, with `/` between. */
  readonly dir: string;
  readonly read: { readonly text: string } | Trouble;
};

export type FoundFiles = {
  readonly files: readonly SourceFile[];
  /** Everything that, changed, would make another configuration: the files and the folders they lie in. */
  readonly watch: readonly string[];
};

const FILES_MAX = 1_000;
const DEPTH_MAX = 16;
const BYTES_IN_ALL_MAX = 16 * 1_048_576;
const SMALL = "a configuration is written by hand and stays small";

/** Where relative references of this configuration start: the folder itself, or the folder that the file lies in. */
export function rootOf(path: string): string {
  try {
    return statSync(path).isDirectory() ? path : dirname(path);
  } catch {
    // Not there (now): a live grant may need its secrets all the same, so the name has to say what it was.
    return /\.ya?ml$/i.test(path) ? dirname(path) : path;
  }
}

export function readFiles(path: string): FoundFiles {
  try {
    if (statSync(path).isDirectory()) return readFolder(path);
  } catch (error) {
    return { files: [{ path, dir: "", read: troubleOf(error) }], watch: [path] };
  }
  return { files: [{ path, dir: "", read: readText(path) }], watch: [path] };
}

function readFolder(root: string): FoundFiles {
  const walk = new Walk(root);
  walk.enter("", [walk.real]);
  const found = walk.found.sort((a, b) => (a.path < b.path ? -1 : 1));
  let bytes = 0;
  const files = found.map(({ path, dir, trouble }): SourceFile => {
    const read = trouble ?? readText(path);
    if ("text" in read) bytes += read.text.length;
    return bytes <= BYTES_IN_ALL_MAX
      ? { path, dir, read }
      : { path, dir, read: { what: "the files of this folder are too large together", hint: SMALL } };
  });
  if (files.length > 0) return { files, watch: walk.watch };
  const read = { what: "there is no *.yaml or *.yml file in this folder", hint: "start from examples/tidegate.yaml" };
  return { files: [{ path: root, dir: "", read }], watch: walk.watch };
}

type Found = { readonly path: string; readonly dir: string; readonly trouble: Trouble | null };

class Walk {
  readonly found: Found[] = [];
  readonly watch: string[] = [];
  readonly real: string;
  readonly #root: string;
  /** Where each file really lies: one that is reached by two names would define everything twice. */
  readonly #seen = new Map<string, string>();

  constructor(root: string) {
    this.#root = root;
    this.real = realpathSync(root);
  }

  /** `above` are the real paths of the folders that lead here: a link back to one of them is a circle. */
  enter(dir: string, above: readonly string[]): void {
    const path = join(this.#root, dir);
    this.watch.push(path);
    if (above.length > DEPTH_MAX) {
      this.#trouble(path, dir, "folders are nested too deep", `at most ${DEPTH_MAX} levels`);
      return;
    }
    let entries: Dirent[];
    try {
      entries = readdirSync(path, { withFileTypes: true });
    } catch (error) {
      const { what, hint } = troubleOf(error, "folder");
      this.#trouble(path, dir, what, hint);
      return;
    }
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      // Hidden names belong to editors, to git, and to the way in which Kubernetes mounts a ConfigMap.
      if (!entry.name.startsWith(".")) this.#look(entry, dir, above);
      if (this.found.length > FILES_MAX) {
        this.#trouble(path, dir, `there are more than ${FILES_MAX} files`, SMALL);
        return;
      }
    }
  }

  #look(entry: Dirent, dir: string, above: readonly string[]): void {
    const within = dir === "" ? entry.name : `${dir}/${entry.name}`;
    const path = join(this.#root, within);
    if (!entry.isSymbolicLink() && !entry.isDirectory() && !isYaml(entry.name)) return;
    const real = this.#resolve(path, dir);
    if (real === null) return;
    const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && statSync(real).isDirectory());
    if (!isFolder && !isYaml(entry.name)) return;
    if (real !== this.real && !real.startsWith(`${this.real}${sep}`)) {
      this.#trouble(path, dir, "this link leads out of the folder", "put the file itself here");
    } else if (!isFolder) {
      this.#addFile(path, dir, real);
    } else if (above.includes(real)) {
      this.#trouble(path, dir, "this link leads in a circle", "remove it: its folder is read already");
    } else {
      this.enter(within, [...above, real]);
    }
  }

  #addFile(path: string, dir: string, real: string): void {
    const other = this.#seen.get(real);
    if (other !== undefined) {
      this.#trouble(path, dir, `this is the same file as ${other}`, "keep one of the two names");
      return;
    }
    this.#seen.set(real, path);
    this.watch.push(path);
    this.found.push({ path, dir, trouble: null });
  }

  #resolve(path: string, dir: string): string | null {
    try {
      return realpathSync(path);
    } catch (error) {
      const code = codeOf(error);
      if (code === "ELOOP") this.#trouble(path, dir, "this link leads in a circle", "remove it");
      else if (code === "ENOENT") this.#trouble(path, dir, "this link leads nowhere", "remove it, or mend it");
      else this.#trouble(path, dir, `this cannot be read (${code})`, "look at its permissions");
      return null;
    }
  }

  #trouble(path: string, dir: string, what: string, hint: string): void {
    // Watched too: what is mended elsewhere, such as the target of a link, changes nothing in the folder itself.
    this.watch.push(path);
    this.found.push({ path, dir, trouble: { what, hint } });
  }
}

const isYaml = (name: string): boolean => /\.ya?ml$/i.test(name);

function readText(path: string): { text: string } | Trouble {
  try {
    const bytes = readBounded(path, FILE_CHARS_MAX * 4);
    if (bytes === "not-a-file") return { what: "this is not a file", hint: "name a file or a folder of files" };
    if (bytes === "too-large") return { what: "the file is too large", hint: SMALL };
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
      return { what: "the file begins with a byte order mark", hint: "save it as UTF-8 without BOM" };
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof TypeError) return { what: "the file is not UTF-8", hint: "save it as UTF-8" };
    return troubleOf(error);
  }
}

/** What a file holds, if it is a plain file of at most so many bytes. A pipe is not waited for. */
export function readBounded(path: string, bytesMax: number): Uint8Array | "not-a-file" | "too-large" {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) return "not-a-file";
    return stats.size > bytesMax ? "too-large" : readFileSync(file);
  } finally {
    closeSync(file);
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "unknown error";

function troubleOf(error: unknown, what: "file" | "folder" = "file"): Trouble {
  const code = codeOf(error);
  return code === "ENOENT"
    ? {
        what: "there is no such file",
        hint: "start from examples/tidegate.yaml, or name the path of another",
      }
    : { what: `the ${what} cannot be read (${code})`, hint: "look at its permissions" };
}
