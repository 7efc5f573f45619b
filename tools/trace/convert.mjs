#!/usr/bin/env node
// Makes pictures and text of a trace file.
//
//     tools/trace/convert.mjs [OPTION]... TRACE
//
//   --html FILE    the timeline: one page that needs nothing else (see make timeline)
//   --json FILE    for ui.perfetto.dev or chrome://tracing
//   --svg FILE     a picture of a part
//   --text FILE    a line for each event; - is the standard output
//   --from US --to US       the part, in microseconds since the start (SVG and text)
//   --around NAME[:N]       the part around the N-th run of a routine, from its cause on (SVG)
//   --template FILE         the page as build.mjs has made it (build/trace/template.html)
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { TraceError, readTrace } from "./lib/format.mjs";
import { timelinePage } from "./lib/html.mjs";
import { buildModel } from "./lib/model.mjs";
import { perfettoJson } from "./lib/perfetto.mjs";
import { chooseWindow, svgPicture } from "./lib/svg.mjs";
import { textLines } from "./lib/text.mjs";

const OPTIONS = Object.fromEntries(["html", "json", "svg", "text", "from", "to", "around", "template"]
  .map((name) => [name, { type: "string" }]));

function stop(sentence, status) {
  process.stderr.write(`trace: ${sentence}\n`);
  process.exit(status);
}

function options() {
  try {
    const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
    if (positionals.length !== 1 || !["html", "json", "svg", "text"].some((kind) => kind in values))
      throw new Error("usage: tools/trace/convert.mjs --html|--json|--svg|--text FILE TRACE");
    return { ...values, trace: positionals[0] };
  } catch (problem) {
    return stop(problem.message, 2);
  }
}

// Writes pieces in larger blocks.
function writeAll(path, pieces) {
  const file = path === "-" ? 1 : openSync(path, "w");
  let block = "";
  for (const piece of pieces) {
    block += piece;
    if (block.length < 1 << 20)
      continue;
    writeSync(file, block);
    block = "";
  }
  writeSync(file, block);
  if (file !== 1)
    closeSync(file);
}

function* withLineEnds(lines) {
  for (const line of lines)
    yield `${line}\n`;
}

function main() {
  const wanted = options();
  const bytes = new Uint8Array(readFileSync(wanted.trace));
  const trace = readTrace(bytes), model = buildModel(trace);
  const window = chooseWindow(model, wanted);
  if (wanted.text !== undefined)
    writeAll(wanted.text, withLineEnds(textLines(trace, model, window)));
  if (wanted.json !== undefined)
    writeAll(wanted.json, perfettoJson(model));
  if (wanted.svg !== undefined)
    writeAll(wanted.svg, svgPicture(model, window));
  if (wanted.html !== undefined)
    writeAll(wanted.html, timelinePage(wanted.template ?? "build/trace/template.html", bytes));
}

try {
  main();
} catch (problem) {
  if (!(problem instanceof TraceError) && problem.code === undefined)
    throw problem;
  stop(problem.message, 1);
}
