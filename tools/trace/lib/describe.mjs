// Events in words, and durations and dates as people read them.
import { DPC_FROM_TIMER, DPC_THREADED, TYPES, formatAddress } from "./format.mjs";
import { signed48 } from "./model.mjs";
import { majorName, vectorName } from "./names.mjs";

const THREAD_STATES = ["initialized", "ready", "standby", "running", "waiting", "ended"];

// A duration in microseconds with three digits or more, and its unit.
export function duration(us) {
  const size = Math.abs(us);
  if (size < 1)
    return `${Math.round(us * 1000)} ns`;
  if (size < 1000)
    return `${us.toFixed(size < 10 ? 2 : 1)} µs`;
  if (size < 1e6)
    return `${(us / 1000).toFixed(size < 1e4 ? 2 : 1)} ms`;
  return `${(us / 1e6).toFixed(3)} s`;
}

// A moment of the trace, to the microsecond or finer: "1.234 567 s" would be hard to search for.
export function moment(us, digits = 6) {
  return `${(us / 1e6).toFixed(digits)} s`;
}

// System time (100 ns since 1601) as a date.
export function date(units) {
  return new Date(units / 10000 - 11644473600000).toISOString().replace("T", " ").slice(0, 19) +
    " UTC";
}

function dpcFlags(flags) {
  return (flags & DPC_THREADED ? ", threaded" : "") + (flags & DPC_FROM_TIMER ? ", by its timer" : "");
}

function hex(number) {
  return `0x${number.toString(16)}`;
}

// What an event says beside its type: one function for each type that says something.
const WORDS = {
  IrqlRaise: (e) => `to ${e.a1} from ${e.a2}, by ${e.caller(e.object)}`,
  IrqlLower: (e) => `to ${e.a1}, by ${e.caller(e.object)}`,
  InterruptEnter: (e) => `${vectorName(e.a1)}, IRQL was ${e.a2}, in ${e.code(e.object)}`,
  InterruptExit: (e) => `back to IRQL ${e.a1}, ${e.code(e.object)}`,
  InterruptRequest: (e) => `${vectorName(e.a1)} on processor ${e.a2}`,
  ServiceStart: (e) => `${e.code(e.address1)}, vector ${hex(e.a2)}`,
  ServiceEnd: (e) => `${e.code(e.address1)} returned ${e.a2 ? "TRUE" : "FALSE"}`,
  DpcQueue: (e) => `${e.code(e.address1)} to processor ${e.a2 & 255}${dpcFlags(e.a2)}`,
  DpcRemove: (e) => e.code(e.address1),
  DpcStart: (e) => e.code(e.address1) + dpcFlags(e.a2),
  DpcEnd: (e) => e.code(e.address1) + dpcFlags(e.a2),
  TimerSet: (e) => `due in ${duration(e.due - e.time)}` +
    (e.a2 ? `, DPC ${formatAddress(e.address2)}` : ""),
  TimerCancel: (e) => (e.a1 ? "was set" : "was not set"),
  TimerExpire: (e) => `${duration(e.a2 / 10)} late`,
  LockAcquire: (e) => `by ${e.caller(e.address1)}`,
  LockContend: (e) => `by ${e.caller(e.address1)}`,
  LockRelease: (e) => `by ${e.caller(e.address1)}`,
  ThreadSwitch: (e) => `${e.thread(e.object)}, priority ${e.a2 >> 8}; ${e.thread(e.address1)} is ` +
    (THREAD_STATES[e.a2 & 255] ?? "?"),
  ThreadReady: (e) => `${e.thread(e.object)} on processor ${e.a1}, priority ${e.a2}`,
  ThreadWait: (e) => (e.a2 === 0 ? "for a time" : `for ${e.a2} object${e.a2 === 1 ? "" : "s"}`),
  ThreadWake: (e) => `${e.thread(e.object)}, status ${hex(e.a1 % 0x100000000)}`,
  IrpDispatch: (e) => `${majorName(e.a2 & 255)} to device ` + formatAddress(e.address1),
  IrpComplete: (e) => `status ${hex(e.a1 % 0x100000000)}, information ${e.a2}`,
  BugCheck: (e) => `code ${hex(e.a1)}`,
};

// "DpcStart  rtc!CustomDpc  ffff8000..." of event i of a processor.
export function describe(model, events, i) {
  const { names, header } = model, counter = events.time[i];
  const type = TYPES[events.type[i]];
  const words = WORDS[type]({
    time: ((counter - header.startCounter) * 1e6) / header.frequency,
    due: (events.argument1[i] - header.startInterruptTime) / 10,
    object: events.object[i], a1: events.argument1[i], address1: events.address1[i],
    a2: signed48(events.argument2[i]), address2: events.argument2[i],
    code: (address) => names.code(address), caller: (address) => names.caller(address),
    thread: (address) => names.thread(address, counter),
  });
  return { type, words };
}
