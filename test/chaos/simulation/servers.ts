/**
 * The simulated targets: a database server with a login for each grant, and a directory with memberships that grants
 * share. They know nothing of Tidegate but what connectors do to them; the oracle looks at them and not at the ledger.
 */
import type { GrantId } from "../../../src/base/ids.ts";
import type { Actor } from "../../../src/connector/connector.ts";
import { TargetError } from "../../../src/connector/connector.ts";
import type { SeenChange, SeenThing } from "../invariants.ts";
import type { Timeline } from "./timeline.ts";

/** A session of ours: ended when a later claim of the same grant opens one. */
export type AdminSession = { readonly grant: GrantId | null; readonly fence: number; alive: boolean };

export abstract class Server {
  readonly identity: string;
  /** Grows with every change. */
  position = 1;
  readonly changes: SeenChange[] = [];
  /** Every secret that was ever set here. */
  readonly secrets = new Set<string>();
  protected readonly timeline: Timeline;
  readonly #sessions = new Set<AdminSession>();
  #down = false;
  #hung: PromiseWithResolvers<void> | null = null;

  constructor(identity: string, timeline: Timeline) {
    this.identity = identity;
    this.timeline = timeline;
  }

  abstract things(): SeenThing[];

  get answers(): boolean {
    return !this.#down && this.#hung === null;
  }

  goDown(): void {
    this.#down = true;
    this.restart();
  }

  comeUp(): void {
    this.#down = false;
  }

  hang(): void {
    this.#hung ??= Promise.withResolvers();
  }

  /** What was asked meanwhile is done now, also what nobody waits for any more. */
  goOn(): void {
    this.#hung?.resolve();
    this.#hung = null;
  }

  restart(): void {
    for (const session of this.#sessions) session.alive = false;
    this.#sessions.clear();
    this.endSessions(null);
  }

  /** Awaited by everything that is asked of it. */
  async ready(): Promise<void> {
    await this.#hung?.promise;
    if (this.#down) throw new TargetError("unreachable", "the server is down");
  }

  /** Who comes later ends the sessions of who came before, for the same grant; who comes too late is told so. */
  open({ grant, fence }: Actor): AdminSession {
    for (const other of this.#sessions) {
      if (other.grant !== grant || grant === null) continue;
      if (other.fence > fence) throw new TargetError("conflict", "a later claim works on this grant");
      if (other.fence < fence) this.close(other);
    }
    const session: AdminSession = { grant, fence, alive: true };
    this.#sessions.add(session);
    return session;
  }

  close(session: AdminSession): void {
    session.alive = false;
    this.#sessions.delete(session);
  }

  protected abstract endSessions(name: string | null): void;

  protected changed(grant: GrantId | null, what: string): void {
    this.position += 1;
    this.timeline.note(`${this.identity}: ${what}`);
    if (grant !== null) this.changes.push({ grant, atMs: this.timeline.nowMs });
  }
}

export type Login = {
  readonly grant: GrantId;
  on: boolean;
  secret: string | null;
  readonly groups: Set<string>;
  /** It lets nobody in from then on; who is in stays in. */
  validUntilMs: number;
  sessions: number;
};

export class DatabaseServer extends Server {
  readonly logins = new Map<string, Login>();
  /** Told when somebody is cut off, other than by a restart. */
  onCut: ((grant: GrantId) => void) | null = null;

  create(name: string, grant: GrantId): void {
    if (this.logins.has(name)) return;
    this.logins.set(name, { grant, on: false, secret: null, groups: new Set(), validUntilMs: 0, sessions: 0 });
    this.changed(grant, `login ${name} is made`);
  }

  /** Nothing happens to a login that is not there. */
  alter(name: string, what: string, change: (login: Login) => void): void {
    const login = this.logins.get(name);
    if (login === undefined) return;
    change(login);
    if (login.secret !== null) this.secrets.add(login.secret);
    this.changed(login.grant, `login ${name}: ${what}`);
  }

  drop(name: string): void {
    const login = this.logins.get(name);
    if (login === undefined) return;
    if (login.sessions > 0) throw new TargetError("conflict", `${name} has sessions`);
    this.logins.delete(name);
    this.changed(login.grant, `login ${name} is dropped`);
  }

  /** Somebody signs in with what they were given. */
  signIn(name: string, secret: string): boolean {
    const login = this.logins.get(name);
    if (!this.answers || login === undefined || !this.#letsIn(login) || login.secret !== secret) return false;
    login.sessions += 1;
    return true;
  }

  override endSessions(name: string | null): void {
    for (const [of, login] of this.logins) {
      if (name !== null && of !== name) continue;
      if (name !== null && login.sessions > 0) this.onCut?.(login.grant);
      login.sessions = 0;
    }
  }

  override things(): SeenThing[] {
    return Array.from(this.logins, ([name, login]) => ({
      right: `login/${name}`,
      grant: login.grant,
      usable: this.#letsIn(login) || login.sessions > 0,
      standing: false,
    }));
  }

  #letsIn(login: Login): boolean {
    return login.on && login.validUntilMs > this.timeline.nowMs;
  }
}

export class DirectoryServer extends Server {
  /** `group/account`, and whether it was there before us. */
  readonly members = new Map<string, { readonly standing: boolean }>();

  add(member: string): void {
    if (this.members.has(member)) return;
    this.members.set(member, { standing: false });
    this.changed(null, `${member} is a member`);
  }

  remove(member: string): void {
    if (this.members.delete(member)) this.changed(null, `${member} is no member`);
  }

  override things(): SeenThing[] {
    return Array.from(this.members, ([member, { standing }]) => ({
      right: `member/${member}`,
      grant: null,
      usable: true,
      standing,
    }));
  }

  protected override endSessions(): void {
    this.timeline.note(`${this.identity}: restarted`);
  }
}
