// The trace in the JSON form that Chrome's tracing and the Perfetto UI open: a track for each
// processor's bars, one for its locks, a counter for its IRQL, and flows for the arrows.
//
// Source: the public description of the "Trace Event Format".
const CATEGORIES = {
  dpc: "queued to run", timer: "set to expiry", wake: "woken to run", irp: "sent to completed",
  request: "requested to taken",
};
const LOCK_TRACK = 1000;

function metadata(name, tid, value) {
  return { ph: "M", name, pid: 1, tid, args: { name: value } };
}

function slice(span) {
  return {
    ph: "X", pid: 1, tid: span.processor + (span.lockLane ? LOCK_TRACK : 0), cat: span.kind,
    name: span.kind === "lock" ? `lock, by ${span.name}`
      : span.kind === "spin" ? `waits for a lock, by ${span.name}` : span.name,
    ts: span.start, dur: span.end - span.start, args: { IRQL: span.irql, kind: span.kind },
  };
}

export function* perfettoEvents(model) {
  yield { ph: "M", name: "process_name", pid: 1, args: { name: "Metronome" } };
  for (const processor of model.processors) {
    const n = processor.number;
    yield metadata("thread_name", n, `processor ${n}`);
    yield metadata("thread_name", n + LOCK_TRACK, `processor ${n}, locks`);
    for (const span of processor.lanes.flat().concat(processor.lockLanes.flat()))
      yield slice(span);
    for (let i = 0; i < processor.level.length; i++)
      yield {
        ph: "C", pid: 1, name: `IRQL of processor ${n}`, ts: processor.levelStart[i],
        args: { IRQL: processor.level[i] },
      };
  }
  for (let id = 0; id < model.arrows.length; id++) {
    const { kind, from, to } = model.arrows[id];
    const flow = { cat: kind, name: CATEGORIES[kind], id, pid: 1 };
    yield { ...flow, ph: "s", tid: from.processor, ts: from.time };
    yield { ...flow, ph: "f", bp: "e", tid: to.processor, ts: to.time };
  }
}

// The file, piece by piece.
export function* perfettoJson(model) {
  yield '{"displayTimeUnit":"ns","traceEvents":[\n';
  let separator = "";
  for (const event of perfettoEvents(model)) {
    yield separator + JSON.stringify(event);
    separator = ",\n";
  }
  yield "\n]}\n";
}
