// What is under the pointer, in a few lines beside it.
import { SPAN_NAMES } from "../lib/colors.mjs";
import { duration } from "../lib/describe.mjs";
import { place, title } from "./words.js";

const box = document.getElementById("tooltip");

function line(text, tag = "div") {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

export function showTooltip(view, span, event) {
  box.hidden = span === null;
  if (span === null)
    return;
  const irql = span.kind === "thread" || span.kind === "idle" ? "" : `, IRQL ${span.irql}`;
  const lines = [line(title(span), "b"),
    line(`${SPAN_NAMES[span.kind]}${irql}, ${duration(span.end - span.start)}`)];
  if (span.cause)
    lines.push(line(`${duration(span.start - span.cause.from.time)} after ` +
      place(span.cause.from.by, span.cause.from.processor)));
  if (span.timer)
    lines.push(line(`its timer expired ${duration(span.timer.late)} late`));
  box.replaceChildren(...lines);
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`;
  box.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 10
    : event.clientY + 18}px`;
}
