import type { FastifyInstance } from "fastify";

/** JSON and nothing else, in valid UTF-8. An empty body is no body. */
export function readJson(app: FastifyInstance, type: string): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser(type, { parseAs: "buffer" }, (request, body, done) => {
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(body as Buffer);
    } catch {
      return done(Object.assign(new SyntaxError("the body is not UTF-8"), { statusCode: 400 }));
    }
    return text.trim() === "" ? done(null, undefined) : parse(request, text, done);
  });
}
