// The page with a trace in it.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

export function* timelinePage(template, trace) {
  const [before, after] = readFileSync(template, "utf8").split("<!--TRACE-->");
  yield before;
  yield gzipSync(trace, { level: 6 }).toString("base64");
  yield after;
}
