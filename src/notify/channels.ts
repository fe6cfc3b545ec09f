import type { ChannelKind } from "../domain/channel.ts";
import type { OpenChannel } from "./channel.ts";
import { openWebhook } from "./webhook.ts";

/** All kinds of channels there are. */
export const CHANNELS: Readonly<Record<ChannelKind, OpenChannel>> = { webhook: openWebhook };
