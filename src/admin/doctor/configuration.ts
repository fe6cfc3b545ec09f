import { type FindingGroup, warns, well, wrong } from "../../base/finding.ts";
import { loadConfiguration } from "../../config/load-configuration.ts";
import type { Mistake } from "../../config/mistake.ts";
import type { Configuration } from "../../domain/configuration.ts";
import type { DoctorOptions } from "./doctor.ts";

/** Whether the configuration is valid; each mistake where it stands. */
export function checkConfiguration({ configPath, connectors, env }: DoctorOptions): {
  configuration: Configuration | null;
  group: FindingGroup;
} {
  const loaded = loadConfiguration({ path: configPath, connectors, env });
  const title = "Configuration";
  if (!loaded.ok)
    return {
      configuration: null,
      group: {
        title,
        findings: loaded.mistakes.map((one) =>
          wrong(placeOf(one), one.what, one.hint || `Mend it, then: tidegate check ${configPath}`),
        ),
      },
    };
  const { configuration, warnings } = loaded;
  const count = Object.keys(configuration.resources).length;
  return {
    configuration,
    group: {
      title,
      findings: [
        well(configPath, `is valid: ${count} ${count === 1 ? "resource" : "resources"}`),
        ...warnings.map((one) => warns(placeOf(one), one.what, one.hint || "See docs/policy.md.")),
      ],
    },
  };
}

const placeOf = ({ file, line, column }: Mistake): string => `${file}:${line}:${column}`;
