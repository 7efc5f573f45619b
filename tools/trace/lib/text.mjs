// The trace as lines of text: one an event, all processors in the order of time.
import { describe } from "./describe.mjs";
import { TYPES, formatAddress } from "./format.mjs";
import { forEachEvent } from "./merge.mjs";

const OBJECTLESS = new Set(["IrqlRaise", "IrqlLower", "InterruptEnter", "InterruptExit",
  "InterruptRequest", "ThreadSwitch"]);

export function* textLines(trace, model, window) {
  const { header } = model;
  yield `# ${model.events} events of ${header.processors} processors, ${model.lost} older ones ` +
    "were overwritten";
  yield "#         time  cpu  IRQL  event";
  const lines = [];
  forEachEvent(trace, (p, i) => {
    const events = trace.processors[p].events;
    const time = ((events.time[i] - header.startCounter) * 1e6) / header.frequency;
    if (time < window.from || time > window.to)
      return;
    const { type, words } = describe(model, events, i);
    const object = OBJECTLESS.has(type) || events.object[i] === 0
      ? "" : ` ${formatAddress(events.object[i])}`;
    lines.push(`${time.toFixed(3).padStart(14)}  ${String(p).padStart(3)}  ` +
      `${String(events.irql[i]).padStart(4)}  ${TYPES[events.type[i]].padEnd(16)} ` +
      `${words}${object}`);
  });
  yield* lines;
}
