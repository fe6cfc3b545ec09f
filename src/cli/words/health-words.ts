/** How well the server is, in plain words. Colour is never the only sign. */
import type { HealthCheckView, HealthView } from "../../contract/health.ts";
import type { Page } from "../output.ts";
import { table } from "./table.ts";
import { clockTime, moment } from "./time.ts";

const SHOWN = { green: "green", yellow: "YELLOW", red: "RED" } as const;
const ORDER = ["red", "yellow", "green"];
const VERDICTS = { green: "All is well.", yellow: "Something to look at.", red: "Something is wrong." } as const;

/** `target orders-db` */
export const checkName = ({ name, subject }: Pick<HealthCheckView, "name" | "subject">): string =>
  subject === null ? name : `${name} ${subject}`;

const levelText = (level: HealthView["level"], { paint }: Page): string => paint(level, SHOWN[level]);

/** The verdict, every check with the worst first, and what to do about those that are not green. */
export function healthLines({ level, checks }: HealthView, page: Page): string[] {
  const sorted = [...checks].sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
  const rows = table<HealthCheckView>(
    [
      { title: "level", cell: (check) => levelText(check.level, page) },
      { title: "check", cell: checkName },
      { title: "what", cell: ({ says }) => says, shrinks: true },
    ],
    sorted,
    page,
  );
  return [`${levelText(level, page)}: ${VERDICTS[level]}`, ...rows, ...sorted.flatMap((check) => advice(check, page))];
}

/** In full what the table may have cut, for what somebody must look at. */
function advice(check: HealthCheckView, page: Page): string[] {
  const { level, says, since, todo, runbook } = check;
  if (todo === null) return [];
  const when = since === null ? "" : ` Since ${moment(since, page.nowMs)}.`;
  return [
    "",
    `${levelText(level, page)} ${page.paint("bold", checkName(check))}: ${says}${when}`,
    `  ${todo}`,
    ...(runbook === null ? [] : [page.paint("dim", `  docs/operations.md#${runbook}`)]),
  ];
}

/** One line: `14:05:03 target orders-db: green → YELLOW. …`. */
export function healthChange(
  { was, check }: { readonly was: HealthCheckView["level"] | null; readonly check: HealthCheckView },
  { at }: HealthView,
  page: Page,
): string {
  const from = was === null ? "new" : SHOWN[was];
  const todo = check.todo === null ? "" : ` ${check.todo}`;
  return `${clockTime(Date.parse(at), page.nowMs)} ${checkName(check)}: ${from} → ${levelText(check.level, page)}. ${check.says}${todo}`;
}
