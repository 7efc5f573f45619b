// What the events mean: bars (spans), the IRQL of each processor over time, arrows from causes to
// effects, and latencies. Times are microseconds since the start of the trace.
import { DPC_FROM_TIMER, DPC_THREADED, T } from "./format.mjs";
import { Latencies } from "./latencies.mjs";
import { forEachEvent } from "./merge.mjs";
import { Names, vectorName } from "./names.mjs";

// Kinds of spans. Those of a processor form a stack: a thread, in it interrupts, in them ISRs and
// DPCs, in those other interrupts. Locks are a stack of their own.
export const SPAN_KINDS = ["thread", "idle", "interrupt", "isr", "dpc", "threaded", "lock", "spin"];
export const ARROW_KINDS = ["dpc", "timer", "wake", "irp", "request"];

class Processor {
  constructor(number, start) {
    this.number = number;
    this.lanes = []; // spans by depth, each in the order of time
    this.lockLanes = [];
    this.levelStart = []; // the IRQL from a time on
    this.level = [];
    this.idle = []; // 1: the idle thread at PASSIVE_LEVEL
    this.stack = [];
    this.locks = [];
    this.spinning = new Map();
    this.irql = -1;
    this.inIdle = false;
    this.begin = start;
    this.sawSwitch = false;
  }

  setLevel(time, irql) {
    const idle = irql === 0 && this.inIdle ? 1 : 0;
    const last = this.level.length - 1;
    if (last >= 0 && this.level[last] === irql && this.idle[last] === idle)
      return;
    this.irql = irql;
    if (last >= 0 && this.levelStart[last] === time) {
      this.level[last] = irql;
      this.idle[last] = idle;
      return;
    }
    this.levelStart.push(time);
    this.level.push(irql);
    this.idle.push(idle);
  }

  innermost() {
    return this.stack.length > 0 ? this.stack[this.stack.length - 1] : null;
  }
}

class Builder {
  constructor(trace) {
    this.trace = trace;
    this.header = trace.header;
    this.names = new Names(trace.names);
    this.scale = 1e6 / trace.header.frequency;
    this.arrows = [];
    this.spanCount = 0;
    this.latencies = new Latencies();
    this.queued = new Map(); // DPC: how it was queued
    this.timers = new Map(); // timer: how it was set
    this.woken = new Map(); // thread: how it was made ready
    this.requests = new Map(); // processor and vector: how it was requested
    this.suspended = new Map(); // thread: a threaded DPC that it was in when it left its processor
    this.irps = new Map();
    this.expired = []; // by processor: the timer that has just expired
    this.end = 0;
    this.processors = trace.processors.map((p) =>
      new Processor(p.processor, p.events.count > 0 ? this.time(p.events.time[0]) : 0));
  }

  time(counter) {
    return (counter - this.header.startCounter) * this.scale;
  }

  // Interrupt time, in 100 ns, as a time of the trace.
  interruptTime(units) {
    return (units - this.header.startInterruptTime) / 10;
  }

  // ---- spans ----

  add(lanes, depth, span) {
    while (lanes.length <= depth)
      lanes.push([]);
    lanes[depth].push(span);
    this.spanCount++;
  }

  open(processor, kind, name, time, irql, more) {
    const span = {
      kind, name, start: time, end: -1, processor: processor.number, irql,
      depth: processor.stack.length, ...more,
    };
    processor.stack.push(span);
    this.add(processor.lanes, span.depth, span);
    return span;
  }

  // Ends the innermost spans up to the one that matches; none, if none does.
  close(processor, time, matches) {
    let depth = processor.stack.length - 1;
    while (depth >= 0 && !matches(processor.stack[depth]))
      depth--;
    if (depth < 0)
      return null;
    for (let n = processor.stack.length - 1; n >= depth; n--)
      processor.stack[n].end = time;
    const span = processor.stack[depth];
    processor.stack.length = depth;
    return span;
  }

  here(processor, time) {
    return { processor: processor.number, time, by: processor.innermost() };
  }

  arrow(kind, from, processor, time, to) {
    const arrow = { kind, from, to: { processor: processor.number, time, span: to } };
    this.arrows.push(arrow);
    return arrow;
  }

  // ---- threads ----

  beginThread(processor, address, time, counter, priority) {
    const name = this.names.thread(address, counter);
    const idle = priority === undefined ? name === "idle" : priority < 0;
    processor.inIdle = idle;
    return this.open(processor, idle ? "idle" : "thread", name, time, 0, { object: address });
  }

  // Before the first switch of a processor: the thread that it leaves has run all the time.
  backfill(processor, address, time, counter) {
    const name = this.names.thread(address, counter);
    const idle = name === "idle";
    for (const span of processor.lanes.flat())
      span.depth++;
    processor.lanes.unshift([]);
    const span = {
      kind: idle ? "idle" : "thread", name, start: processor.begin, end: -1, object: address,
      processor: processor.number, irql: 0, depth: 0,
    };
    processor.stack.unshift(span);
    this.add(processor.lanes, 0, span);
    if (idle)
      processor.level.forEach((irql, n) => (processor.idle[n] = irql === 0 ? 1 : 0));
  }

  switchThread(processor, e, i, time) {
    const counter = e.time[i], next = e.object[i], old = e.address1[i];
    const tail = signed48(e.argument2[i]);
    if (!processor.sawSwitch) {
      processor.sawSwitch = true;
      this.backfill(processor, old, time, counter);
    }
    const inside = processor.stack.find((span) => span.kind === "threaded");
    if (inside !== undefined)
      this.suspended.set(old, inside);
    while (processor.stack.length > 0)
      processor.stack.pop().end = time;
    const span = this.beginThread(processor, next, time, counter, tail >> 8);
    const woken = this.woken.get(next);
    if (woken !== undefined) {
      this.woken.delete(next);
      span.cause = this.arrow("wake", woken, processor, time, span);
      this.latencies.thread(span.name, time - woken.time, span);
    }
    this.resume(processor, next, time);
  }

  // A threaded DPC goes on where its thread was preempted.
  resume(processor, thread, time) {
    const before = this.suspended.get(thread);
    if (before === undefined)
      return;
    this.suspended.delete(thread);
    const { name, object, cause, irql } = before;
    this.open(processor, "threaded", name, time, irql, { object, cause, continued: true });
  }

  // ---- interrupts ----

  enterInterrupt(processor, e, i, time) {
    const vector = e.argument1[i];
    const span = this.open(processor, "interrupt", vectorName(vector), time, e.irql[i], {
      vector, interrupted: e.object[i], interruptedIrql: e.argument2[i],
    });
    const key = processor.number * 256 + vector;
    const request = this.requests.get(key);
    if (request !== undefined) {
      this.requests.delete(key);
      span.cause = this.arrow("request", request, processor, time, span);
    }
  }

  leaveInterrupt(processor, time) {
    const span = this.close(processor, time, (s) => s.kind === "interrupt");
    if (span !== null)
      this.latencies.interrupt(span);
  }

  // ---- DPCs and timers ----

  queueDpc(processor, e, i, time) {
    const flags = e.argument2[i];
    const from = this.here(processor, time);
    if (flags & DPC_FROM_TIMER)
      from.timer = this.expired[processor.number];
    this.queued.set(e.object[i], from);
  }

  startDpc(processor, e, i, time) {
    const threaded = (e.argument2[i] & DPC_THREADED) !== 0;
    const span = this.open(processor, threaded ? "threaded" : "dpc",
      this.names.code(e.address1[i]), time, e.irql[i], { object: e.object[i] });
    const queued = this.queued.get(e.object[i]);
    if (queued === undefined)
      return;
    this.queued.delete(e.object[i]);
    span.cause = this.arrow("dpc", queued, processor, time, span);
    this.latencies.dpcWaited(span, time - queued.time);
    if (queued.timer !== undefined) {
      span.timer = queued.timer;
      this.latencies.timer(span, queued.timer);
    }
  }

  endDpc(processor, e, i, time) {
    const kind = e.argument2[i] & DPC_THREADED ? "threaded" : "dpc";
    const object = e.object[i];
    const span = this.close(processor, time, (s) => s.kind === kind && s.object === object);
    if (span !== null)
      this.latencies.dpcRan(span);
  }

  setTimer(processor, e, i, time) {
    this.timers.set(e.object[i], {
      ...this.here(processor, time), due: this.interruptTime(e.argument1[i]),
    });
  }

  expireTimer(processor, e, i, time) {
    const set = this.timers.get(e.object[i]);
    const expiry = {
      object: e.object[i], time, processor: processor.number,
      due: this.interruptTime(e.argument1[i]), late: e.argument2[i] / 10, set,
    };
    this.expired[processor.number] = expiry;
    if (set === undefined || set.used)
      return; // periodic: only its first expiry leads back to the setting
    set.used = true;
    expiry.arrow = this.arrow("timer", set, processor, time, processor.innermost());
  }

  // ---- requests ----

  // A request that goes down a stack of devices is dispatched to each; the first one counts.
  dispatchIrp(processor, e, i, time) {
    if (!this.irps.has(e.object[i]))
      this.irps.set(e.object[i], { ...this.here(processor, time), major: e.argument2[i] & 255 });
  }

  completeIrp(processor, e, i, time) {
    const sent = this.irps.get(e.object[i]);
    if (sent === undefined)
      return;
    this.irps.delete(e.object[i]);
    this.arrow("irp", sent, processor, time, processor.innermost());
    this.latencies.irp(sent.major, time - sent.time, sent.by);
  }

  // ---- locks ----

  acquireLock(processor, e, i, time) {
    const spin = processor.spinning.get(e.object[i]);
    if (spin !== undefined) {
      processor.spinning.delete(e.object[i]);
      spin.end = time;
    }
    this.openLock(processor, "lock", e, i, time);
  }

  openLock(processor, kind, e, i, time) {
    let depth = 0;
    while (processor.locks[depth] !== undefined)
      depth++;
    const span = {
      kind, name: this.names.caller(e.address1[i]), start: time, end: -1, irql: e.irql[i],
      processor: processor.number, depth, object: e.object[i], lockLane: true,
    };
    processor.locks[depth] = span;
    this.add(processor.lockLanes, depth, span);
    return span;
  }

  contendLock(processor, e, i, time) {
    const span = this.openLock(processor, "spin", e, i, time);
    processor.locks[span.depth] = undefined;
    processor.spinning.set(span.object, span);
  }

  releaseLock(processor, e, i, time) {
    const depth = processor.locks.findIndex((s) => s !== undefined && s.object === e.object[i]);
    if (depth < 0)
      return;
    processor.locks[depth].end = time;
    processor.locks[depth] = undefined;
  }

  // ---- all of it ----

  event(p, i) {
    const processor = this.processors[p], e = this.trace.processors[p].events;
    const time = this.time(e.time[i]), type = e.type[i];
    if (time > this.end)
      this.end = time;
    switch (type) {
      case T.ThreadSwitch: this.switchThread(processor, e, i, time); break;
      case T.ThreadReady: this.woken.set(e.object[i], this.here(processor, time)); break;
      case T.InterruptRequest:
        this.requests.set(e.argument2[i] * 256 + e.argument1[i], this.here(processor, time));
        break;
      case T.InterruptEnter: this.enterInterrupt(processor, e, i, time); break;
      case T.InterruptExit: this.leaveInterrupt(processor, time); break;
      case T.ServiceStart:
        this.open(processor, "isr", this.names.code(e.address1[i]), time, e.irql[i],
          { object: e.object[i], vector: e.argument2[i] });
        break;
      case T.ServiceEnd: this.close(processor, time, (s) => s.kind === "isr"); break;
      case T.DpcQueue: this.queueDpc(processor, e, i, time); break;
      case T.DpcRemove: this.queued.delete(e.object[i]); break;
      case T.DpcStart: this.startDpc(processor, e, i, time); break;
      case T.DpcEnd: this.endDpc(processor, e, i, time); break;
      case T.TimerSet: this.setTimer(processor, e, i, time); break;
      case T.TimerCancel: this.timers.delete(e.object[i]); break;
      case T.TimerExpire: this.expireTimer(processor, e, i, time); break;
      case T.LockAcquire: this.acquireLock(processor, e, i, time); break;
      case T.LockContend: this.contendLock(processor, e, i, time); break;
      case T.LockRelease: this.releaseLock(processor, e, i, time); break;
      case T.IrpDispatch: this.dispatchIrp(processor, e, i, time); break;
      case T.IrpComplete: this.completeIrp(processor, e, i, time); break;
    }
    const left = type === T.IrqlLower || type === T.InterruptExit;
    processor.setLevel(time, (left ? e.argument1[i] : e.irql[i]) & 15);
  }

  build() {
    forEachEvent(this.trace, (p, i) => this.event(p, i));
    for (const processor of this.processors) {
      for (const span of [...processor.lanes.flat(), ...processor.lockLanes.flat()])
        if (span.end < 0)
          span.end = this.end;
      this.latencies.levels(processor, this.end);
    }
    const lost = this.trace.processors.reduce((sum, p) => sum + p.lost, 0);
    const events = this.trace.processors.reduce((sum, p) => sum + p.events.count, 0);
    const begin = Math.min(...this.processors.map((p) => (p.level.length ? p.begin : this.end)));
    return {
      header: this.header, names: this.names, processors: this.processors, arrows: this.arrows,
      latencies: this.latencies, begin, end: this.end, lost, events, spans: this.spanCount,
    };
  }
}

export function signed48(value) {
  return value >= 0x800000000000 ? value - 0x1000000000000 : value;
}

export function buildModel(trace) {
  return new Builder(trace).build();
}
