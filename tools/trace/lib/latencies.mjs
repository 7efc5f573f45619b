// The table of latencies: for each DPC routine, interrupt, timer and thread how often, how long on
// average, the 99th percentile and the longest, with the bar to look at.
import { majorName } from "./names.mjs";

class Durations {
  constructor() {
    this.values = [];
    this.total = 0;
    this.longest = -1;
    this.span = null; // of the longest
  }

  add(value, span) {
    this.values.push(value);
    this.total += value;
    if (value > this.longest) {
      this.longest = value;
      this.span = span;
    }
  }

  summary() {
    if (this.values.length === 0)
      return null;
    const sorted = Float64Array.from(this.values).sort();
    const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
    return {
      count: sorted.length, average: this.total / sorted.length, median: at(0.5), p99: at(0.99),
      longest: this.longest, span: this.span,
    };
  }
}

function row(map, key) {
  let found = map.get(key);
  if (found === undefined) {
    found = { first: new Durations(), second: new Durations() };
    map.set(key, found);
  }
  return found;
}

// The levels that are told apart: idle, PASSIVE, APC, DISPATCH, devices, the rest.
export const LEVEL_GROUPS = ["idle", "0", "1", "2", "3-11", "12-15"];

export function levelGroup(irql, idle) {
  if (idle)
    return 0;
  return irql <= 2 ? irql + 1 : irql <= 11 ? 4 : 5;
}

export class Latencies {
  constructor() {
    this.dpcMap = new Map();
    this.interruptMap = new Map();
    this.timerMap = new Map();
    this.threadMap = new Map();
    this.irpMap = new Map();
    this.levelTimes = []; // by processor: microseconds in each group
  }

  dpcWaited(span, time) { row(this.dpcMap, span.name).first.add(time, span); }
  dpcRan(span) { row(this.dpcMap, span.name).second.add(span.end - span.start, span); }
  interrupt(span) { row(this.interruptMap, span.name).first.add(span.end - span.start, span); }
  timer(span, expiry) {
    const entry = row(this.timerMap, span.name);
    entry.first.add(expiry.late, span); // until it expired
    entry.second.add(span.start - expiry.due, span); // until its DPC ran
  }
  thread(name, time, span) { row(this.threadMap, name).first.add(time, span); }
  irp(major, time, span) { row(this.irpMap, majorName(major)).first.add(time, span); }

  levels(processor, end) {
    const times = LEVEL_GROUPS.map(() => 0);
    for (let n = 0; n < processor.level.length; n++) {
      const until = n + 1 < processor.level.length ? processor.levelStart[n + 1] : end;
      times[levelGroup(processor.level[n], processor.idle[n])] += until - processor.levelStart[n];
    }
    this.levelTimes[processor.number] = times;
  }

  // Rows [name, first, second] of a map, the most frequent first.
  rows(map) {
    return [...map].map(([name, entry]) => ({
      name, first: entry.first.summary(), second: entry.second.summary(),
    })).sort((a, b) => (b.first ?? b.second).count - (a.first ?? a.second).count);
  }

  get dpcs() { return this.rows(this.dpcMap); }
  get interrupts() { return this.rows(this.interruptMap); }
  get timers() { return this.rows(this.timerMap); }
  get irps() { return this.rows(this.irpMap); }
  get threads() { return this.rows(this.threadMap); }
}
