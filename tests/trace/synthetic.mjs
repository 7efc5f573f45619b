// Trace files made by hand: what the tests of the converters read. Times are microseconds.
import {
  EVENT_BYTES, HEADER_BYTES, NAME_FUNCTION, NAME_THREAD, RING_HEADER_BYTES, T,
} from "../../tools/trace/lib/format.mjs";

export const FREQUENCY = 1e9, START = 5_000_000_000; // counts
export const INTERRUPT_TIME = 40_000_000; // 100 ns, at START
export const CODE = 0xffff_8000_0000, OBJECTS = 0x8000_0d00_0000; // the low 48 bits of addresses

export class TraceWriter {
  constructor(processors) {
    this.rings = Array.from({ length: processors }, () => ({ events: [], lost: 0 }));
    this.names = [];
  }

  name(kind, address, size, text, us = -1000) {
    this.names.push({ kind, address, size, text, us });
    return this;
  }
  code(address, text) { return this.name(NAME_FUNCTION, address, 16, text); }
  thread(address, text, us) { return this.name(NAME_THREAD, address, 0, text, us); }

  event(processor, us, type, irql, { object = 0, a1 = 0, a2 = 0 } = {}) {
    this.rings[processor].events.push({ us, type: T[type], irql, object, a1, a2 });
    return this;
  }

  lose(processor, count) { this.rings[processor].lost = count; return this; }

  bytes() {
    const nameBytes = this.names.reduce((sum, n) => sum + ((24 + n.text.length + 7) & ~7), 0);
    const events = this.rings.reduce((sum, ring) => sum + ring.events.length, 0);
    const size = HEADER_BYTES + nameBytes + this.rings.length * RING_HEADER_BYTES +
      events * EVENT_BYTES + 8;
    this.out = new Uint8Array(size);
    this.view = new DataView(this.out.buffer);
    this.header(nameBytes);
    let at = HEADER_BYTES;
    for (const name of this.names)
      at = this.writeName(at, name);
    this.rings.forEach((ring, n) => (at = this.writeRing(at, ring, n)));
    this.text(at, "METRTEND");
    return this.out;
  }

  text(at, text) { for (let n = 0; n < text.length; n++) this.out[at + n] = text.charCodeAt(n); }
  put64(at, value) {
    this.view.setUint32(at, value % 0x100000000, true);
    this.view.setUint32(at + 4, Math.floor(value / 0x100000000), true);
  }
  putAddress(at, address) {
    this.put64(at, address);
    if (address >= 0x800000000000)
      this.view.setUint16(at + 6, 0xffff, true);
  }
  counter(us) { return Math.round(START + us * (FREQUENCY / 1e6)); }

  header(nameBytes) {
    this.text(0, "METRTRAC");
    this.view.setUint32(8, 1, true);
    this.view.setUint32(12, this.rings.length, true);
    this.put64(16, 77);
    this.put64(24, FREQUENCY);
    this.put64(32, START);
    this.put64(40, INTERRUPT_TIME);
    this.put64(48, 134_000_000_000_000_000);
    this.view.setUint32(56, 1 << 20, true);
    this.view.setUint32(60, nameBytes, true);
    this.view.setUint32(68, 1, true);
    this.view.setUint32(72, 7, true);
    this.text(80, "by hand");
  }

  writeName(at, { kind, address, size, text, us }) {
    this.put64(at, this.counter(us));
    this.putAddress(at + 8, address);
    this.view.setUint32(at + 16, size, true);
    this.view.setUint16(at + 20, kind, true);
    this.view.setUint16(at + 22, text.length, true);
    this.text(at + 24, text);
    return at + ((24 + text.length + 7) & ~7);
  }

  writeRing(at, { events, lost }, processor) {
    this.text(at, "METRRING");
    this.put64(at + 8, 77);
    this.put64(at + 16, 1 << 20);
    this.put64(at + 24, events.length + lost);
    this.view.setUint32(at + 32, processor, true);
    this.view.setUint32(at + 36, events.length, true);
    at += RING_HEADER_BYTES;
    for (const event of events) {
      this.put64(at, this.counter(event.us));
      this.putAddress(at + 8, event.object);
      (event.a1 >= 0x800000000000 ? this.putAddress : this.put64).call(this, at + 16, event.a1);
      const second = event.a2 < 0 ? event.a2 + 0x1000000000000 : event.a2;
      this.out[at + 24] = event.type;
      this.out[at + 25] = event.irql;
      this.view.setUint16(at + 26, second % 0x10000, true);
      this.view.setUint32(at + 28, Math.floor(second / 0x10000), true);
      at += EVENT_BYTES;
    }
    return at;
  }
}

export const ISR = CODE + 0x100, DPC_ROUTINE = CODE + 0x200, THREAD_ROUTINE = CODE + 0x300;
export const IDLE = OBJECTS + 0x1000, WORKER = OBJECTS + 0x2000;
export const DPC = OBJECTS + 0x3000, TIMER = OBJECTS + 0x4000, LOCK = OBJECTS + 0x5000;
const INTERRUPT = OBJECTS + 0x6000;

function named(writer) {
  return writer.code(ISR, "disk!Isr").code(DPC_ROUTINE, "disk!CustomDpc")
    .code(THREAD_ROUTINE, "disk!ThreadRoutine").thread(IDLE, "idle").thread(WORKER, "worker");
}

/*
 * Two processors. A thread on processor 0 sets a timer (100) that is due at 300; it expires at 305
 * and queues a DPC, which runs from 310 to 330 and wakes the worker on processor 1; a device
 * interrupts processor 0 from 400 to 420, with its ISR from 402 to 415, which queues the DPC to
 * processor 1, where it runs from 430 to 440.
 */
export function scenario() {
  const w = named(new TraceWriter(2));
  const due = INTERRUPT_TIME + 3000;
  w.event(0, 50, "ThreadSwitch", 2, { object: WORKER, a1: IDLE, a2: 3 + 8 * 256 });
  w.event(0, 60, "IrqlLower", 2, { object: THREAD_ROUTINE, a1: 0 });
  w.event(0, 100, "TimerSet", 2, { object: TIMER, a1: due, a2: DPC });
  w.event(0, 150, "LockAcquire", 2, { object: LOCK, a1: THREAD_ROUTINE + 4 });
  w.event(0, 160, "LockRelease", 2, { object: LOCK, a1: THREAD_ROUTINE + 4 });
  w.event(0, 170, "ThreadWait", 2, { object: DPC, a1: 0, a2: 1 });
  w.event(0, 172, "ThreadSwitch", 2, { object: IDLE, a1: WORKER, a2: 4 - 256 });
  w.event(0, 173, "IrqlLower", 2, { object: THREAD_ROUTINE, a1: 0 });
  w.event(0, 304, "InterruptEnter", 2, { object: THREAD_ROUTINE, a1: 0x2f, a2: 0 });
  w.event(0, 305, "TimerExpire", 2, { object: TIMER, a1: due, a2: 50 });
  w.event(0, 306, "DpcQueue", 15, { object: DPC, a1: DPC_ROUTINE, a2: 0x100 });
  w.event(0, 310, "DpcStart", 2, { object: DPC, a1: DPC_ROUTINE, a2: 0x100 });
  w.event(0, 325, "ThreadReady", 2, { object: WORKER, a1: 1, a2: 8 });
  w.event(0, 330, "DpcEnd", 2, { object: DPC, a1: DPC_ROUTINE, a2: 0x100 });
  w.event(0, 335, "InterruptExit", 2, { object: THREAD_ROUTINE, a1: 0 });
  w.event(0, 400, "InterruptEnter", 5, { object: THREAD_ROUTINE, a1: 0x50, a2: 0 });
  w.event(0, 402, "ServiceStart", 5, { object: INTERRUPT, a1: ISR, a2: 0x50 });
  w.event(0, 410, "DpcQueue", 15, { object: DPC, a1: DPC_ROUTINE, a2: 1 });
  w.event(0, 411, "InterruptRequest", 15, { a1: 0x2f, a2: 1 });
  w.event(0, 415, "ServiceEnd", 5, { object: INTERRUPT, a1: ISR, a2: 1 });
  w.event(0, 420, "InterruptExit", 5, { object: THREAD_ROUTINE, a1: 0 });
  w.event(1, 340, "ThreadSwitch", 2, { object: WORKER, a1: IDLE, a2: 3 + 8 * 256 });
  w.event(1, 341, "IrqlLower", 2, { object: THREAD_ROUTINE, a1: 0 });
  w.event(1, 425, "InterruptEnter", 2, { object: THREAD_ROUTINE, a1: 0x2f, a2: 0 });
  w.event(1, 430, "DpcStart", 2, { object: DPC, a1: DPC_ROUTINE, a2: 0 });
  w.event(1, 440, "DpcEnd", 2, { object: DPC, a1: DPC_ROUTINE, a2: 0 });
  w.event(1, 445, "InterruptExit", 2, { object: THREAD_ROUTINE, a1: 0 });
  w.event(1, 600, "IrqlLower", 2, { object: THREAD_ROUTINE, a1: 0 });
  return w;
}

// Many events on four processors: interrupts with an ISR and a DPC, ten events each.
export function many(count) {
  const w = named(new TraceWriter(4));
  const rounds = Math.ceil(count / 40);
  for (let p = 0; p < 4; p++) {
    w.event(p, 0, "ThreadSwitch", 2, { object: IDLE, a1: WORKER, a2: 4 - 256 });
    for (let n = 0; n < rounds; n++) {
      const t = 10 + n * 97 + p * 13 + ((n * 2654435761) % 31), dpc = DPC + p * 64;
      w.event(p, t, "InterruptEnter", 5, { object: THREAD_ROUTINE, a1: 0x50, a2: 0 });
      w.event(p, t + 1, "ServiceStart", 5, { object: INTERRUPT, a1: ISR, a2: 0x50 });
      w.event(p, t + 2, "DpcQueue", 15, { object: dpc, a1: DPC_ROUTINE, a2: p });
      w.event(p, t + 3, "InterruptRequest", 15, { a1: 0x2f, a2: p });
      w.event(p, t + 4, "ServiceEnd", 5, { object: INTERRUPT, a1: ISR, a2: 1 });
      w.event(p, t + 5, "InterruptExit", 5, { object: THREAD_ROUTINE, a1: 0 });
      w.event(p, t + 6, "InterruptEnter", 2, { object: THREAD_ROUTINE, a1: 0x2f, a2: 0 });
      w.event(p, t + 8, "DpcStart", 2, { object: dpc, a1: DPC_ROUTINE, a2: 0 });
      w.event(p, t + 12 + (n % 20), "DpcEnd", 2, { object: dpc, a1: DPC_ROUTINE, a2: 0 });
      w.event(p, t + 14 + (n % 20), "InterruptExit", 2, { object: THREAD_ROUTINE, a1: 0 });
    }
  }
  return w;
}
