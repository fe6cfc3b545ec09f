import type { SinkKind } from "../domain/sink.ts";
import { openFileSink } from "./file.ts";
import type { OpenSink } from "./sink.ts";
import { openSyslogSink } from "./syslog.ts";
import { openWebhookSink } from "./webhook.ts";

/** All kinds of sinks there are. */
export const SINKS: Readonly<Record<SinkKind, OpenSink>> = {
  syslog: openSyslogSink,
  webhook: openWebhookSink,
  file: openFileSink,
};
