/** Notices that files may have changed. */
import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";

/** A state of these files and folders; it differs as soon as one is changed, replaced, added or taken away. */
export async function fingerprint(paths: readonly string[]): Promise<string> {
  const states = await Promise.all(
    paths.map(async (path) => {
      try {
        const { dev, ino, mode, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
        return [path, dev, ino, mode, size, mtimeNs, ctimeNs].join(" ");
      } catch (error) {
        return `${path} ${error instanceof Error && "code" in error ? String(error.code) : "?"}`;
      }
    }),
  );
  return states.join("\n");
}

const FOLDERS_MAX = 100;

/**
 * Calls `hint` when the system says that something stirred. Some file systems never say so, some say it twice or too
 * early: whoever is told looks for themselves, and looks from time to time without being told.
 */
export function hintOfChanges(paths: readonly string[], hint: () => void): () => void {
  const [root] = paths;
  const folders = new Set(paths.map((path) => (path === root && paths.length > 1 ? path : dirname(path))));
  const names = new Set(paths.map((path) => basename(path)));
  // Kubernetes puts a new version of a ConfigMap in place by swapping the link `..data`.
  // What comes and goes may be a folder; what only changes, and is none of ours, may be a log that never rests.
  const concerns = (event: string, name: string | null): boolean =>
    event === "rename" || name === null || names.has(name) || name.startsWith("..");
  const watchers = [...folders].slice(0, FOLDERS_MAX).flatMap((folder): FSWatcher[] => {
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => {
        if (concerns(event, name)) hint();
      });
      return [watcher.on("error", () => watcher.close())];
    } catch {
      return [];
    }
  });
  return () => {
    for (const watcher of watchers) watcher.close();
  };
}
