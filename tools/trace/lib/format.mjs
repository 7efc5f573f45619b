// The trace's bytes, as docs/TRACE.md describes them: the numbers that are agreed on, and the
// reader of a trace file. Runs in node and in a browser.

export const FILE_MAGIC = "METRTRAC";
export const RING_MAGIC = "METRRING";
export const END_MAGIC = "METRTEND";
export const VERSION = 1;
export const HEADER_BYTES = 128;
export const RING_HEADER_BYTES = 64;
export const EVENT_BYTES = 32;

// By number; the kernel's KTRACE_TYPE.
export const TYPES = [
  "None", "IrqlRaise", "IrqlLower", "InterruptEnter", "InterruptExit", "InterruptRequest",
  "ServiceStart", "ServiceEnd", "DpcQueue", "DpcRemove", "DpcStart", "DpcEnd",
  "TimerSet", "TimerCancel", "TimerExpire", "LockAcquire", "LockContend", "LockRelease",
  "ThreadSwitch", "ThreadReady", "ThreadWait", "ThreadWake", "IrpDispatch", "IrpComplete",
  "BugCheck",
];
export const T = Object.fromEntries(TYPES.map((name, number) => [name, number]));

export const CLASS_FLOW = 1, CLASS_IRQL = 2, CLASS_LOCK = 4;
export const DPC_FROM_TIMER = 0x100, DPC_THREADED = 0x200;
export const NAME_FUNCTION = 1, NAME_THREAD = 2, NAME_MODULE = 3;

export class TraceError extends Error {}

function fail(sentence) {
  throw new TraceError(sentence);
}

// A 64-bit number as a double: exact up to 2^53, which times and counts stay below.
function number64(view, offset) {
  return view.getUint32(offset + 4, true) * 0x100000000 + view.getUint32(offset, true);
}

// An address as its low 48 bits: a double holds them exactly, and they tell addresses apart.
export function address(view, offset) {
  return view.getUint16(offset + 4, true) * 0x100000000 + view.getUint32(offset, true);
}

export function formatAddress(address48) {
  const high = address48 >= 0x800000000000 ? "ffff" : "0000";
  return "0x" + high + address48.toString(16).padStart(12, "0");
}

function text(bytes, offset, length) {
  let end = offset;
  while (end < offset + length && bytes[end] !== 0)
    end++;
  return String.fromCharCode(...bytes.subarray(offset, end));
}

export function magicAt(bytes, offset) {
  return offset + 8 <= bytes.length ? text(bytes, offset, 8) : "";
}

export function readHeader(bytes, offset = 0) {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  return {
    version: view.getUint32(8, true),
    processors: view.getUint32(12, true),
    session: view.getBigUint64(16, true),
    frequency: number64(view, 24),
    startCounter: number64(view, 32),
    startInterruptTime: number64(view, 40),
    startSystemTime: number64(view, 48),
    namesSize: view.getUint32(56, true),
    namesUsed: view.getUint32(60, true),
    namesLost: view.getUint32(64, true),
    checked: view.getUint32(68, true) !== 0,
    classes: view.getUint32(72, true),
    compiler: text(bytes, offset + 80, 48),
  };
}

export function readRingHeader(bytes, offset = 0) {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  return {
    session: view.getBigUint64(8, true),
    capacity: number64(view, 16),
    total: number64(view, 24),
    processor: view.getUint32(32, true),
    count: view.getUint32(36, true), // in a file: events that follow
  };
}

function readNames(bytes, offset, length) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const names = [];
  for (let at = offset; at < offset + length;) {
    const kind = view.getUint16(at + 20, true), size = view.getUint16(at + 22, true);
    const next = at + ((24 + size + 7) & ~7);
    if (next > offset + length || kind < NAME_FUNCTION || kind > NAME_MODULE)
      fail(`the trace is damaged: the name at byte ${at} is none`);
    names.push({
      kind, time: number64(view, at), address: address(view, at + 8),
      size: view.getUint32(at + 16, true), text: text(bytes, at + 24, size),
    });
    at = next;
  }
  return names;
}

// One processor's events, column by column: a million of them stay small and quick to walk.
function readEvents(bytes, offset, ring) {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, ring.count * EVENT_BYTES);
  const events = {
    count: ring.count,
    time: new Float64Array(ring.count),
    object: new Float64Array(ring.count), // address, 48 bits
    argument1: new Float64Array(ring.count), // a number
    address1: new Float64Array(ring.count), // the same as an address
    argument2: new Float64Array(ring.count), // 48 bits, unsigned
    type: new Uint8Array(ring.count),
    irql: new Uint8Array(ring.count),
  };
  for (let n = 0, at = 0; n < ring.count; n++, at += EVENT_BYTES) {
    events.time[n] = number64(view, at);
    events.object[n] = address(view, at + 8);
    events.argument1[n] = number64(view, at + 16);
    events.address1[n] = address(view, at + 16);
    events.type[n] = bytes[offset + at + 24];
    events.irql[n] = bytes[offset + at + 25];
    events.argument2[n] =
      view.getUint32(at + 28, true) * 0x10000 + view.getUint16(at + 26, true);
    if (events.type[n] === 0 || events.type[n] >= TYPES.length)
      fail(`the trace is damaged: event ${n} of processor ${ring.processor} has the unknown type ` +
        events.type[n]);
    if (n > 0 && events.time[n] < events.time[n - 1])
      fail(`the trace is damaged: the time of event ${n} of processor ${ring.processor} runs ` +
        "backwards");
  }
  return events;
}

// Reads a trace file. What is wrong with it is one sentence, a TraceError.
export function readTrace(bytes) {
  if (magicAt(bytes, 0) !== FILE_MAGIC)
    fail("this is no trace: it does not begin with METRTRAC");
  if (bytes.length < HEADER_BYTES)
    fail("the trace is cut off in its header");
  const header = readHeader(bytes);
  if (header.version !== VERSION)
    fail(`the trace has version ${header.version}, and this program reads version ${VERSION}`);
  if (header.processors < 1 || header.processors > 64 || !(header.frequency > 0))
    fail("the trace is damaged: its header makes no sense");
  let at = HEADER_BYTES + header.namesUsed;
  if (at > bytes.length)
    fail("the trace is cut off in its names");
  const trace = { header, names: readNames(bytes, HEADER_BYTES, header.namesUsed), processors: [] };
  for (let n = 0; n < header.processors; n++) {
    if (at + RING_HEADER_BYTES > bytes.length)
      fail(`the trace is cut off in front of processor ${n}`);
    const ring = readRingHeader(bytes, at);
    if (magicAt(bytes, at) !== RING_MAGIC || ring.processor !== n || ring.count > ring.total)
      fail(`the trace is damaged: processor ${n} is missing`);
    at += RING_HEADER_BYTES;
    if (at + ring.count * EVENT_BYTES > bytes.length)
      fail(`the trace is cut off in the events of processor ${n}`);
    trace.processors.push({
      processor: n, total: ring.total, lost: ring.total - ring.count,
      events: readEvents(bytes, at, ring),
    });
    at += ring.count * EVENT_BYTES;
  }
  if (magicAt(bytes, at) !== END_MAGIC)
    fail("the trace is cut off at its end");
  return trace;
}
