// Bars in words, for the tooltip and for the details.
import { SPAN_NAMES } from "../lib/colors.mjs";
import { duration, moment } from "../lib/describe.mjs";
import { formatAddress } from "../lib/format.mjs";
import { IRQL_NAMES } from "../lib/names.mjs";

export function title(span) {
  if (span.kind === "lock")
    return `lock held by ${span.name}`;
  if (span.kind === "spin")
    return `${span.name} waits for a lock`;
  return span.name;
}

export function place(span, processor) {
  return span === null ? `processor ${processor}` : `${title(span)}, processor ${span.processor}`;
}

// Rows [what, text, the bar or moment that it leads to].
export function facts(span, names) {
  const rows = [
    ["What", SPAN_NAMES[span.kind] + (span.continued ? ", continued" : "")],
    ["Time", duration(span.end - span.start)],
    ["From", moment(span.start)],
    ["To", moment(span.end)],
    ["Processor", String(span.processor)],
  ];
  if (span.kind !== "thread" && span.kind !== "idle")
    rows.push(["IRQL", `${span.irql} ${IRQL_NAMES[span.irql]}`]);
  if (span.vector !== undefined)
    rows.push(["Vector", `0x${span.vector.toString(16)}`]);
  if (span.interrupted !== undefined)
    rows.push(["Interrupted", `${names.code(span.interrupted)} at IRQL ${span.interruptedIrql}`]);
  if (span.object)
    rows.push(["Object", formatAddress(span.object)]);
  return [...rows, ...causes(span)];
}

function causes(span) {
  if (!span.cause)
    return [];
  const { kind, from } = span.cause;
  const words = {
    dpc: "Queued by", wake: "Made ready by", request: "Requested by", timer: "Set by",
  };
  const rows = [
    [words[kind], place(from.by, from.processor), from.by],
    ["", `${duration(span.start - from.time)} before it began`],
  ];
  if (span.timer) {
    const { late, due, set } = span.timer;
    rows.push(["Timer due", moment(due)],
      ["", `expired ${duration(late)} late, ran ${duration(span.start - due)} late`]);
    if (set)
      rows.push(["Timer set by", place(set.by, set.processor), set.by],
        ["", `${duration(due - set.time)} before it was due${set.used && !span.timer.arrow ? "; periodic since" : ""}`]);
  }
  return rows;
}
