/** The `connection:` of a PostgreSQL resource: where the server is, how to sign in as its admin, and whom to trust. */
import { z } from "zod";
import { Secret } from "../../base/secret.ts";

const ENDPOINTS_MAX = 16;

/** Plain only on this machine, or where somebody wrote so; otherwise TLS that verifies certificate and name. */
type Tls = { readonly mode: "disable" } | { readonly mode: "verify-full"; readonly ca: string | null };

export type Endpoint = {
  /** A host name, an address, or the folder of a Unix socket (begins with `/`). */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: Secret;
  readonly database: string;
  readonly tls: Tls;
};

export type PostgresConnection = {
  readonly admin: Endpoint;
  /** Standbys and other ways in to the same data; ended and probed too. */
  readonly others: readonly Endpoint[];
  /** What people connect to. */
  readonly publicHost: string;
  readonly publicPort: number;
};

const urlText = z.string({ error: "a postgres:// URL" }).min(1, { error: "a postgres:// URL" });

const shape = z.strictObject({
  url: urlText.meta({
    description: "how the admin login reaches the server; a reference, for it holds a password",
    examples: [`\${env:ORDERS_ADMIN_URL}`],
  }),
  database: z.string().min(1).optional().meta({ description: "where the admin signs in, if not as the URL says" }),
  endpoints: z.array(urlText).max(ENDPOINTS_MAX).optional().meta({
    description: "standbys and other ways in to the same data: ended and probed too",
  }),
  public_host: z.string().min(1).optional().meta({ description: "what people connect to, if not the URL's host" }),
  public_port: z.int().min(1).max(65_535).optional().meta({
    description: "what people connect to, if not the URL's port",
  }),
  tls: z
    .strictObject({
      ca: z
        .string()
        .refine((pem) => pem.includes("-----BEGIN CERTIFICATE-----"), { error: "tls.ca is a certificate in PEM" })
        .optional()
        .meta({
          description: "the certificate to trust, in PEM; verification stays on",
          examples: [`\${file:ca.pem}`],
        }),
      mode: z.enum(["verify-full", "disable"]).optional().meta({
        description: "disable: without TLS, only where the network is trusted",
      }),
    })
    .optional()
    .meta({ description: "how the server proves who it is" }),
});

export const connectionSchema: z.ZodType<PostgresConnection> = shape.transform((input, context) => {
  // The messages never repeat a URL: it holds a password.
  const parse = (url: string, path: (string | number)[], main: Endpoint | null): Endpoint => {
    const endpoint = parseEndpoint(url, input.tls ?? {}, main);
    if (typeof endpoint !== "string") return endpoint;
    context.addIssue({ code: "custom", message: endpoint, path });
    return z.NEVER;
  };
  const parsed = parse(input.url, ["url"], null);
  if (context.issues.length > 0) return z.NEVER;
  const admin = input.database === undefined ? parsed : { ...parsed, database: input.database };
  return {
    admin,
    others: (input.endpoints ?? []).map((url, index) => parse(url, ["endpoints", index], admin)),
    publicHost: input.public_host ?? admin.host,
    publicPort: input.public_port ?? admin.port,
  };
});

/** Reads one URL; the text of an answer says what is wrong with it. What an endpoint leaves out is as in the main URL. */
function parseEndpoint(
  text: string,
  tls: { ca?: string | undefined; mode?: Tls["mode"] | undefined },
  main: Endpoint | null,
): Endpoint | string {
  // WHATWG URLs know no user without a host, which is how sockets are written (`postgres://user@/db?host=/run/postgresql`).
  const url = parseUrl(text.replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)(?=[/?#]|$)/, "$1socket"));
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol))
    return "a URL such as postgres://admin:…@db.example.com:5432/orders";
  const unknown = [...url.searchParams.keys()].find((key) => key !== "sslmode" && key !== "host");
  if (unknown !== undefined)
    return `the URL's parameter "${unknown.slice(0, 40)}" is not understood; known are sslmode and host (a CA goes into tls.ca)`;
  const decoded = decodeParts(url);
  if (decoded === null) return "the URL holds a % that is no escape; write %25 for a percent sign in a password";
  const user = decoded.user || main?.user;
  if (user === undefined) return "the URL names no user to sign in as";
  const host = url.searchParams.get("host") ?? decoded.host;
  if (host === "" || (host === "socket" && !/@socket\b/.test(text) && text.includes("@/")))
    return "the URL names no host";
  const choice = chooseTls(host, url.searchParams.get("sslmode"), tls);
  if (typeof choice === "string") return choice;
  return {
    host,
    port: url.port === "" ? 5432 : Number(url.port),
    user,
    password: decoded.user === "" && main !== null ? main.password : new Secret(decoded.password),
    database: decoded.database || main?.database || user,
    tls: choice,
  };
}

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

function decodeParts(url: URL): { user: string; password: string; host: string; database: string } | null {
  try {
    return {
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      host: decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, "$1"),
      database: decodeURIComponent(url.pathname.slice(1)),
    };
  } catch {
    return null;
  }
}

/** A CA that is given adds trust in it; it never takes verification away. */
function chooseTls(
  host: string,
  sslmode: string | null,
  tls: { ca?: string | undefined; mode?: Tls["mode"] | undefined },
): Tls | string {
  const verified: Tls = { mode: "verify-full", ca: tls.ca ?? null };
  if (host.startsWith("/")) return { mode: "disable" };
  if (tls.mode !== undefined) return tls.mode === "disable" ? { mode: "disable" } : verified;
  switch (sslmode) {
    case "require":
    case "verify-ca":
    case "verify-full":
      return verified;
    case "disable":
      return { mode: "disable" };
    case null:
      return isLoopback(host) && tls.ca === undefined ? { mode: "disable" } : verified;
    default:
      return "sslmode is require (which verifies here) or disable; modes that may silently go without TLS are not taken";
  }
}

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(host);
