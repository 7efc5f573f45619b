// All processors' events as one row in the order of time.

// Calls visit(processor index, event index) for every event.
export function forEachEvent(trace, visit) {
  const rings = trace.processors.map((p) => p.events);
  const next = rings.map(() => 0);
  const times = rings.map((events) => (events.count > 0 ? events.time[0] : Infinity));
  for (;;) {
    let first = 0;
    for (let n = 1; n < rings.length; n++)
      if (times[n] < times[first])
        first = n;
    if (times[first] === Infinity)
      return;
    const index = next[first]++;
    times[first] = next[first] < rings[first].count ? rings[first].time[next[first]] : Infinity;
    visit(first, index);
  }
}
