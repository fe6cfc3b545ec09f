/** What came back from a server, read: an answer of ours, a problem of ours, or something else. */
import { ProblemError, UnexpectedAnswer } from "./client-errors.ts";

/** The body of a good answer; a refusal, or anything that is not ours, is thrown. */
export async function readAnswer(response: Response, base: URL): Promise<unknown> {
  const written = await response.text();
  if (response.status >= 300 && response.status < 400)
    throw new UnexpectedAnswer(base.href, response.status, `a redirect to ${response.headers.get("location")}`);
  const body = parse(written);
  if (typeof body !== "object" || body === null) throw new UnexpectedAnswer(base.href, response.status, written);
  if (response.ok) return body;
  // Others answer with a "code", too; only Tidegate's problems have a type of Tidegate's.
  const isOurs = "code" in body && typeof body.code === "string" && "type" in body && isProblemType(body.type);
  if (!isOurs) throw new UnexpectedAnswer(base.href, response.status, written);
  throw new ProblemError(response.status, body as Record<string, unknown>);
}

const PROBLEM_TYPE = "urn:tidegate:problem:";
const isProblemType = (type: unknown): boolean => typeof type === "string" && type.startsWith(PROBLEM_TYPE);

function parse(written: string): unknown {
  try {
    return JSON.parse(written);
  } catch {
    return null;
  }
}
