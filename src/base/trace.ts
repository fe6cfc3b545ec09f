/**
 * Spans of OpenTelemetry, by its API alone: without an SDK in the process they are no more than a call. They hold names,
 * ids and codes; never a text of a person, never a message of an error, which may hold values.
 */
import { type Attributes, context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";

const tracer = trace.getTracer("tidegate");

/** What may be said about the work while it goes on. */
export type Note = (attributes: Attributes) => void;

async function spanned<T>(
  name: string,
  kind: SpanKind,
  attributes: Attributes,
  work: (note: Note) => Promise<T>,
): Promise<T> {
  return tracer.startActiveSpan(name, { kind, attributes }, async (span) => {
    try {
      return await work((more) => span.setAttributes(more));
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : "thrown" });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Work that somebody else begins, and that belongs to the trace of now. */
export const inThisTrace = <T extends (...args: never[]) => unknown>(work: T): T =>
  context.bind(context.active(), work);

/** Work inside this process. */
export const inSpan = <T>(name: string, attributes: Attributes, work: (note: Note) => Promise<T>): Promise<T> =>
  spanned(name, SpanKind.INTERNAL, attributes, work);

/** A call from outside; joins the trace that its headers name. */
export const inServerSpan = <T>(
  headers: Readonly<Record<string, unknown>>,
  name: string,
  attributes: Attributes,
  work: (note: Note) => Promise<T>,
): Promise<T> =>
  context.with(propagation.extract(context.active(), headers), () => spanned(name, SpanKind.SERVER, attributes, work));
