import type { Command } from "commander";
import type { SessionView } from "../contract/sessions.ts";
import type { TokenView } from "../contract/tokens.ts";
import { act } from "./act.ts";
import { withExamples, withServer } from "./options.ts";
import { fullName } from "./words/people.ts";
import { moment } from "./words/time.ts";

export function whoami(program: Command): void {
  const command = program
    .command("whoami")
    .description("who you are to Tidegate, how you are signed in, your groups and roles");
  withExamples(withServer(command), "tidegate whoami").action(
    act(async ({ client, output }) => {
      output.answer(await client.me(), (me, { paint, nowMs }) => [
        `${paint("bold", fullName(me))}  ${paint("dim", me.id)}`,
        `  ${me.kind === "service" ? "service account" : me.type || "person"}${me.email === null ? "" : `, ${me.email}`}`,
        `  groups: ${me.groups.join(", ") || "none"}`,
        `  roles: ${me.roles.join(", ") || "none"}`,
        `  ${me.onCallTier === 0 ? "not on call" : `on call, tier ${me.onCallTier}`}`,
        `  ${signedInWith(me.session, me.token, nowMs)}`,
      ]);
    }),
  );
}

const lastSeen = ({ authenticatedAt: at }: SessionView, nowMs: number): string =>
  at == null ? "" : `, last seen by it ${moment(at, nowMs)}`;

/** An older server does not tell. */
const signedInWith = (session: SessionView | null | undefined, token: TokenView | undefined, nowMs: number): string =>
  session == null
    ? `signed in with ${token === undefined ? "a token" : `the token ${token.name}`} (--token-file or TIDEGATE_TOKEN)${aboutToken(token, nowMs)}`
    : `signed in with tidegate login through ${session.provider}, ${moment(session.signedInAt, nowMs)}${lastSeen(session, nowMs)}; ends ${moment(session.expiresAt, nowMs)} at the latest (${session.id})`;

const aboutToken = (token: TokenView | undefined, nowMs: number): string =>
  token === undefined
    ? ""
    : `${token.scopes === null ? "" : `, good for ${token.scopes.join(", ")}`}${token.expiresAt === null ? "" : `; ends ${moment(token.expiresAt, nowMs)}`}`;
