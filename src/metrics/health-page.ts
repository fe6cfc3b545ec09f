/** The health page: for a screen on the wall and for whoever is woken. No script, nothing from elsewhere, no people. */
import { createHash } from "node:crypto";
import { toTimestamp } from "../base/clock.ts";
import { type Health, type HealthCheck, LEVELS, type Level } from "../domain/health-facts.ts";

const REFRESH_SECONDS = 5;

/** Colour is never the only sign: each level has a word and a shape of its own. */
const SIGNS: Readonly<Record<Level, { readonly word: string; readonly shape: string }>> = {
  green: { word: "green", shape: "●" },
  yellow: { word: "yellow", shape: "▲" },
  red: { word: "RED", shape: "■" },
};

const VERDICTS: Readonly<Record<Level, string>> = {
  green: "All is well",
  yellow: "Something to look at",
  red: "Something is wrong",
};

const NAMES: Readonly<Record<HealthCheck["name"], string>> = {
  store: "Store",
  quarantine: "Quarantine",
  overdue: "Access past its end",
  reconciler: "Reconciler",
  target: "Target",
  "second-looks": "Second looks",
  "clean-up": "Clean-up",
  drift: "Drift",
  panics: "Panics",
  emergencies: "Emergencies",
  configuration: "Configuration",
  facts: "Source of facts",
  log: "Audit log",
  sink: "Sink of the log",
  anchor: "Anchor of the log",
  retention: "Retention of the log",
  journal: "Journal",
  messages: "Messages",
  tokens: "Tokens",
};

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d5dae0; --dim: #57606a;
  --green: #116329; --yellow: #7d4e00; --red: #a40e26; --red-paper: #ffebe9; --yellow-paper: #fff8c5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; --dim: #9198a1;
  --green: #56d364; --yellow: #e3b341; --red: #ff7b72; --red-paper: #2d1214; --yellow-paper: #272115; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.7rem; margin: 0; }
h1 .green, .level.green { color: var(--green); } h1 .yellow, .level.yellow { color: var(--yellow); } h1 .red, .level.red { color: var(--red); }
p.of { color: var(--dim); margin: .2rem 0 1.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .55rem .7rem; border-top: 1px solid var(--line); }
thead th { color: var(--dim); font-weight: 600; border-top: 0; }
tbody th { font-weight: 600; white-space: nowrap; }
tr.red { background: var(--red-paper); } tr.yellow { background: var(--yellow-paper); }
.level { font-weight: 700; white-space: nowrap; }
.since { color: var(--dim); } .todo { display: block; } code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
@media (max-width: 40rem) { thead { display: none; } tbody th, td { display: block; border: 0; padding: .1rem .7rem; } tr { display: block; border-top: 1px solid var(--line); padding: .5rem 0; } }
`;
const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

/** Nothing but this very style sheet may be used, and nobody may frame the page. */
export const HEALTH_PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

export function healthPage({ level, atMs, checks }: Health): string {
  const worstFirst = [...checks].sort((a, b) => LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level));
  const count = (one: Level): string => `${checks.filter((check) => check.level === one).length} ${one}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="${REFRESH_SECONDS}">
<title>${SIGNS[level].word}: Tidegate</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1><span class="${level}">${signOf(level)}</span> ${VERDICTS[level]}</h1>
<p class="of">Tidegate at <time datetime="${toTimestamp(atMs)}">${toTimestamp(atMs).slice(0, 19)}Z</time>. ${count("red")}, ${count("yellow")}, ${count("green")}. This page loads itself every ${REFRESH_SECONDS} seconds; one whose time stands still is out of date.</p>
<table>
<thead><tr><th scope="col">Check</th><th scope="col">Level</th><th scope="col">What is so, and what to do</th></tr></thead>
<tbody>
${worstFirst.map(row).join("\n")}
</tbody>
</table>
</main>
</body>
</html>
`;
}

const signOf = (level: Level): string => `<span aria-hidden="true">${SIGNS[level].shape}</span> ${SIGNS[level].word}`;

function row({ name, subject, level, says, sinceMs, todo, runbook }: HealthCheck): string {
  const title = subject === null ? NAMES[name] : `${NAMES[name]} ${subject}`;
  const since = sinceMs === null ? "" : ` <span class="since">Since ${toTimestamp(sinceMs).slice(0, 19)}Z.</span>`;
  const act = todo === null ? "" : `<span class="todo">${escaped(todo)}</span>`;
  const more =
    runbook === null ? "" : `<span class="todo">Runbook: <code>docs/operations.md#${escaped(runbook)}</code></span>`;
  return `<tr class="${level}"><th scope="row">${escaped(title)}</th><td class="level ${level}">${signOf(level)}</td><td>${escaped(says)}${since}${act}${more}</td></tr>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (it) => ENTITIES[it] ?? it);
