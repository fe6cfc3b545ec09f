/** A service on this machine that answers what a test tells it to: trackers and on-call services, and broken ones. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export type Asked = { readonly url: string; readonly authorization: string | undefined };

export type StubService = {
  readonly url: string;
  /** What was asked, oldest first. */
  readonly asked: Asked[];
  /** What it answers from now on. */
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  /** From now on nobody listens; connections end. */
  stop(): Promise<void>;
  /** Listens again, on the same port. */
  start(): Promise<void>;
};

export const json =
  (body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): StubService["answer"] =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };

export async function stubService(t: Pick<TestContext, "after">, answer: StubService["answer"]): Promise<StubService> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    asked.push({ url: request.url ?? "", authorization: request.headers.authorization });
    stub.answer(request, response);
  });
  const listen = async (port: number): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
    await promise;
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const stub: StubService = {
    url: `http://127.0.0.1:${port}`,
    asked,
    answer,
    start: () => listen(port),
    async stop() {
      if (!server.listening) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      await promise;
    },
  };
  t.after(() => stub.stop());
  return stub;
}

/** Jira as its published API answers about one issue; `null` for nobody. */
export const jiraIssue = (
  key: string,
  category: "new" | "indeterminate" | "done" | "undefined",
  assignee: Readonly<Record<string, unknown>> | null,
  name = { new: "To Do", indeterminate: "In Progress", done: "Done", undefined: "No Category" }[category],
) => ({
  expand: "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations",
  id: "10002",
  self: `https://your-domain.atlassian.net/rest/api/3/issue/10002`,
  key,
  fields: {
    assignee,
    status: {
      self: "https://your-domain.atlassian.net/rest/api/3/status/10000",
      description: "",
      name,
      id: "10000",
      statusCategory: {
        self: "https://your-domain.atlassian.net/rest/api/3/statuscategory/4",
        id: 4,
        key: category,
        colorName: "yellow",
        name,
      },
    },
  },
});

/** A person as Jira Cloud shows one; the address is missing where the profile keeps it private. */
export const jiraUser = (accountId: string, emailAddress?: string) => ({
  self: `https://your-domain.atlassian.net/rest/api/3/user?accountId=${accountId}`,
  accountId,
  ...(emailAddress === undefined ? {} : { emailAddress }),
  displayName: "Somebody",
  active: true,
  timeZone: "Etc/UTC",
  accountType: "atlassian",
});

/** A row of ServiceNow's Table API with `sysparm_display_value=all`. */
export const serviceNowRow = (
  number: string,
  state: readonly [value: string, display: string],
  active: boolean,
  assigned: { readonly email: string; readonly user_name: string } | null,
) => {
  const both = (value: string, display_value = value) => ({ display_value, value });
  return {
    number: both(number),
    state: both(...state),
    active: both(String(active)),
    "assigned_to.email": both(assigned?.email ?? ""),
    "assigned_to.user_name": both(assigned?.user_name ?? ""),
  };
};

/** An on-call of PagerDuty as its published API answers with `include[]=users`; without an address where the key may not see it. */
export const pagerDutyOnCall = (
  user: string,
  level: number,
  {
    policy = "PT20YPA",
    schedule = "PI7DH85",
    email,
  }: { policy?: string; schedule?: string | null; email?: string } = {},
) => {
  const reference = (id: string, type: string, summary: string) => ({
    ...{ id, type, summary },
    self: `https://api.pagerduty.com/${type}s/${id}`,
    html_url: `https://subdomain.pagerduty.com/${type}s/${id}`,
  });
  return {
    user: {
      ...reference(user, "user", "Alice Archer"),
      name: "Alice Archer",
      ...(email === undefined ? {} : { email }),
    },
    schedule: schedule === null ? null : reference(schedule, "schedule_reference", "Daily Engineering Rotation"),
    escalation_policy: reference(policy, "escalation_policy_reference", "Engineering Escalation Policy"),
    escalation_level: level,
    start: "2026-03-06T15:28:51-05:00",
    end: "2026-03-07T15:28:51-05:00",
  };
};

/** Pages of them, by the offset and limit that are asked for. */
export const pagerDuty =
  (all: readonly object[]): StubService["answer"] =>
  (request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://stub.test");
    const [offset, limit] = ["offset", "limit"].map((name) => Number(searchParams.get(name))) as [number, number];
    const oncalls = all.slice(offset, offset + limit);
    json({ oncalls, limit, offset, more: offset + limit < all.length, total: null })(request, response);
  };

/** A participant of Opsgenie's *Who is on call* API: a user, or a team or escalation with participants of its own. */
export const opsgenieUser = (id: string, name: string, escalationTime?: number) => ({
  ...{ id, name, type: "user" },
  ...(escalationTime === undefined ? {} : { escalationTime, notifyType: "default" }),
});
export const opsgenieOnCalls = (
  id: string,
  onCallParticipants: readonly object[],
  { name = "ScheduleName", enabled = true } = {},
) => ({
  data: { _parent: { id, name, enabled }, onCallParticipants },
  took: 0.036,
  requestId: "3df83b58-ac25-4aee-b2c5-e4f4bfa2b1a4",
});
