#!/usr/bin/env node
// The readers of traces, on trace files made by hand: what they find, and what they say of files
// that are cut off, damaged or no traces at all.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  EVENT_BYTES, HEADER_BYTES, RING_HEADER_BYTES, TYPES, TraceError, readTrace,
} from "../../tools/trace/lib/format.mjs";
import { buildModel } from "../../tools/trace/lib/model.mjs";
import { assert, finish, test } from "./check.mjs";
import {
  DPC_ROUTINE, IDLE, ISR, TraceWriter, WORKER, many, scenario,
} from "./synthetic.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "metronome-trace."));
const file = (name) => join(folder, name);
process.on("exit", () => rmSync(folder, { recursive: true }));

function run(tool, ...options) {
  return spawnSync(join(ROOT, "tools/trace", tool), options, { encoding: "utf8" });
}

const spansOf = (model, kind) => model.processors
  .flatMap((p) => p.lanes.flat().concat(p.lockLanes.flat())).filter((s) => s.kind === kind);
const between = (span) => [span.start, span.end].map((t) => Math.round(t * 1000) / 1000);

function writeScenario() {
  writeFileSync(file("scenario.trace"), scenario().bytes());
  return file("scenario.trace");
}

// ---- the numbers that kernel and readers agree on ----

await test("types_as_in_the_kernel", () => {
  const header = readFileSync(join(ROOT, "kernel/kd/trace.h"), "utf8");
  const list = /typedef enum _KTRACE_TYPE \{(.*?)\} KTRACE_TYPE;/s.exec(header)[1];
  const names = [...list.matchAll(/^\s*Trace(\w+)/gm)].map((m) => m[1]);
  assert.deepEqual(names, [...TYPES, "Types"]);
});

// ---- the model ----

const model = buildModel(readTrace(scenario().bytes()));

await test("threads_and_idle", () => {
  const [worker0, worker1] = spansOf(model, "thread");
  assert.equal(worker0.name, "worker");
  assert.deepEqual(between(worker0), [50, 172]);
  assert.deepEqual([worker1.processor, worker1.start], [1, 340]);
  assert.equal(spansOf(model, "idle").length, 3); // two before the first switches, one between
});

await test("interrupt_isr_dpc", () => {
  const [first] = spansOf(model, "isr");
  assert.equal(first.name, "disk!Isr");
  assert.deepEqual(between(first), [402, 415]);
  assert.equal(first.depth, 2); // thread, interrupt, ISR
  assert.deepEqual(spansOf(model, "dpc").map(between), [[310, 330], [430, 440]]);
  assert.deepEqual(spansOf(model, "interrupt").map((s) => s.vector), [0x2f, 0x50, 0x2f]);
});

await test("arrow_from_isr_to_dpc", () => {
  const dpc = spansOf(model, "dpc").find((s) => s.processor === 1);
  assert.equal(dpc.cause.kind, "dpc");
  assert.equal(dpc.cause.from.by.name, "disk!Isr");
  assert.equal(Math.round(dpc.cause.from.time), 410);
});

await test("arrow_from_timer_to_expiry_to_dpc", () => {
  const dpc = spansOf(model, "dpc").find((s) => s.processor === 0);
  const { timer } = dpc;
  assert.deepEqual([timer.due, timer.late, Math.round(timer.time)], [300, 5, 305]);
  assert.equal(timer.set.by.name, "worker");
  assert.equal(timer.arrow.from.time, 100);
});

await test("arrow_from_waker_to_thread", () => {
  const thread = spansOf(model, "thread").find((s) => s.processor === 1);
  assert.equal(thread.cause.from.by.name, "disk!CustomDpc");
});

await test("levels_and_their_times", () => {
  const { level, levelStart } = model.processors[0];
  const at = (time) => level[levelStart.findLastIndex((t) => t <= time)];
  assert.deepEqual([55, 65, 100, 161, 180, 307, 320, 340, 405, 412, 417, 421].map(at),
    [2, 0, 2, 2, 0, 15, 2, 0, 5, 15, 5, 0]);
  const times = model.latencies.levelTimes[0];
  assert.equal(Math.round(times.reduce((a, b) => a + b)), 550); // from 50 to 600
  assert.equal(Math.round(times[1]), 40); // the worker at PASSIVE_LEVEL: from 60 until 100
});

await test("latencies", () => {
  const [row] = model.latencies.dpcs;
  assert.equal(row.name, "disk!CustomDpc");
  assert.deepEqual([row.first.count, row.first.longest, row.second.longest], [2, 20, 20]);
  assert.deepEqual(model.latencies.timers[0].second.longest, 10); // due 300, ran 310
});

await test("requests", () => {
  const w = scenario(), irp = 0x8000_0000_7000, device = 0x8000_0000_8000;
  w.event(1, 700, "IrpDispatch", 0, { object: irp, a1: device, a2: 3 });
  w.event(1, 701, "IrpDispatch", 0, { object: irp, a1: device + 64, a2: 3 }); // passed on
  w.event(1, 750, "IrpComplete", 2, { object: irp, a1: 0, a2: 512 });
  const withIrp = buildModel(readTrace(w.bytes())), [row] = withIrp.latencies.irps;
  assert.deepEqual([row.name, row.first.count, row.first.longest], ["IRP_MJ_READ", 1, 50]);
  assert.equal(withIrp.arrows.at(-1).kind, "irp");
});

await test("locks", () => {
  const [lock] = spansOf(model, "lock");
  assert.deepEqual(between(lock), [150, 160]);
  assert.equal(lock.name, "disk!ThreadRoutine");
});

await test("names_hold_from_their_time_on", () => {
  const w = new TraceWriter(1).thread(WORKER, "first", 0).thread(WORKER, "second", 500)
    .thread(IDLE, "idle");
  w.event(0, 10, "ThreadSwitch", 2, { object: WORKER, a1: IDLE, a2: 8 * 256 });
  w.event(0, 20, "ThreadSwitch", 2, { object: IDLE, a1: WORKER, a2: 5 - 256 });
  w.event(0, 600, "ThreadSwitch", 2, { object: WORKER, a1: IDLE, a2: 8 * 256 });
  assert.deepEqual(spansOf(buildModel(readTrace(w.bytes())), "thread").map((s) => s.name),
    ["first", "second"]);
});

await test("inferred_irql_from_the_next_event_on", () => {
  const w = new TraceWriter(1);
  w.event(0, 0, "InterruptRequest", 0, { a1: 0x2f });
  w.event(0, 100, "DpcQueue", 2, { object: 1, a1: DPC_ROUTINE }); // raised inline some time before
  w.event(0, 200, "DpcQueue", 0, { object: 2, a1: DPC_ROUTINE });
  const { level, levelStart } = buildModel(readTrace(w.bytes())).processors[0];
  assert.deepEqual([level, levelStart.map(Math.round)], [[0, 2, 0], [0, 100, 200]]);
});

await test("a_trace_that_begins_in_the_middle", () => {
  const w = new TraceWriter(1).lose(0, 1000);
  w.event(0, 0, "DpcEnd", 2, { object: 1, a1: DPC_ROUTINE });
  w.event(0, 1, "ServiceEnd", 5, { object: 1, a1: ISR, a2: 1 });
  w.event(0, 2, "InterruptExit", 2, { a1: 0 });
  w.event(0, 3, "LockRelease", 2, { object: 5, a1: ISR });
  const { lost, spans } = buildModel(readTrace(w.bytes()));
  assert.deepEqual([lost, spans], [1000, 0]);
});

await test("no_events_at_all", () => {
  const empty = buildModel(readTrace(new TraceWriter(3).bytes()));
  assert.deepEqual([empty.events, empty.spans], [0, 0]);
});

// ---- files that are no good ----

async function refuses(name, bytes, sentence) {
  await test(name, () => {
    assert.throws(() => readTrace(bytes), (problem) =>
      problem instanceof TraceError && sentence.test(problem.message));
    writeFileSync(file("bad.trace"), bytes);
    const { status, stderr, stdout } = run("convert.mjs", "--text", "-", file("bad.trace"));
    assert.deepEqual([status, stdout, stderr.trim().split("\n").length], [1, "", 1]);
    assert.match(stderr, sentence);
  });
}

const good = scenario().bytes();
const damaged = (change) => {
  const copy = good.slice();
  change(copy, new DataView(copy.buffer));
  return copy;
};
const namesEnd = HEADER_BYTES + new DataView(good.buffer).getUint32(60, true);

await refuses("refuses_text", new TextEncoder().encode("hello, I am no trace"), /no trace/);
await refuses("refuses_nothing", new Uint8Array(0), /no trace/);
await refuses("refuses_a_cut_header", good.slice(0, 60), /cut off in its header/);
await refuses("refuses_cut_names", good.slice(0, namesEnd - 8), /cut off in its names/);
await refuses("refuses_a_missing_processor", good.slice(0, namesEnd + 30), /in front of processor 0/);
await refuses("refuses_cut_events", good.slice(0, namesEnd + 200), /events of processor 0/);
await refuses("refuses_a_missing_end", good.slice(0, -8), /cut off at its end/);
await refuses("refuses_another_version", damaged((b, v) => v.setUint32(8, 9, true)), /version 9/);
await refuses("refuses_no_frequency", damaged((b) => b.fill(0, 24, 32)), /makes no sense/);
await refuses("refuses_a_wrong_name", damaged((b, v) => v.setUint16(HEADER_BYTES + 20, 9, true)),
  /the name at byte 128/);
await refuses("refuses_a_wrong_type",
  damaged((b) => (b[namesEnd + RING_HEADER_BYTES + 24] = 200)), /unknown type 200/);
await refuses("refuses_time_backwards",
  damaged((b) => b.fill(0, namesEnd + RING_HEADER_BYTES + EVENT_BYTES,
    namesEnd + RING_HEADER_BYTES + EVENT_BYTES + 8)), /runs backwards/);
await refuses("refuses_a_wrong_ring", damaged((b) => (b[namesEnd] = 0)), /processor 0 is missing/);

await test("any_cut_is_one_sentence", () => {
  for (let length = 0; length < good.length; length++)
    assert.throws(() => readTrace(good.slice(0, length)), TraceError, `cut at ${length}`);
});

await test("any_damaged_byte_is_read_or_refused", () => {
  for (let n = 0; n < good.length; n++) {
    const bytes = damaged((b) => (b[n] ^= 0xff));
    try {
      buildModel(readTrace(bytes));
    } catch (problem) {
      assert.ok(problem instanceof TraceError, `byte ${n}: ${problem.stack}`);
    }
  }
});

// ---- what is written ----

await test("text", () => {
  const { status, stdout } = run("convert.mjs", "--text", "-", writeScenario());
  assert.equal(status, 0);
  const lines = stdout.trim().split("\n");
  assert.equal(lines.length, 2 + 28);
  assert.match(stdout, /^ +310\.000 +0 +2 +DpcStart +disk!CustomDpc, by its timer/m);
  assert.match(stdout, /^ +305\.000 +0 +2 +TimerExpire +5\.00 µs late/m);
  assert.match(stdout, /^ +411\.000 +0 +15 +InterruptRequest +dispatch interrupt on processor 1/m);
  assert.match(stdout, /^ +172\.000 .*ThreadSwitch +idle, priority -1; worker is waiting/m);
});

await test("text_of_a_part", () => {
  const { stdout } = run("convert.mjs", "--text", "-", "--from", "400", "--to", "412", writeScenario());
  assert.equal(stdout.trim().split("\n").length, 2 + 4);
});

await test("perfetto", () => {
  run("convert.mjs", "--json", file("out.json"), writeScenario());
  const { traceEvents } = JSON.parse(readFileSync(file("out.json"), "utf8"));
  const slices = traceEvents.filter((e) => e.ph === "X");
  assert.ok(slices.some((e) => e.name === "disk!Isr" && e.ts === 402 && e.dur === 13));
  const starts = traceEvents.filter((e) => e.ph === "s"), ends = traceEvents.filter((e) => e.ph === "f");
  assert.deepEqual(starts.map((e) => e.id), ends.map((e) => e.id));
  assert.ok(starts.length >= 4);
  assert.ok(traceEvents.some((e) => e.ph === "C" && e.args.IRQL === 15));
  for (const lane of [0, 1]) { // slices of a track are nested, as the format demands
    const open = [];
    for (const s of slices.filter((e) => e.tid === lane).sort((a, b) => a.ts - b.ts || b.dur - a.dur)) {
      while (open.length && open[open.length - 1] <= s.ts + 1e-9)
        open.pop();
      assert.ok(open.every((end) => end >= s.ts + s.dur - 1e-9));
      open.push(s.ts + s.dur);
    }
  }
});

await test("svg", () => {
  const { status } = run("convert.mjs", "--svg", file("out.svg"), "--around", "disk!CustomDpc:2",
    writeScenario());
  const svg = readFileSync(file("out.svg"), "utf8");
  assert.equal(status, 0);
  assert.match(svg, /^<svg xmlns/);
  assert.match(svg, /disk!Isr/);
  assert.match(svg, /<path d="M[^"]*C/); // an arrow
  assert.equal(svg.match(/<(\w+)[^>]*[^/]>/g).length, svg.match(/<\/\w+>/g).length);
});

await test("svg_of_an_unknown_routine", () => {
  const { status, stderr } = run("convert.mjs", "--svg", file("x.svg"), "--around", "nobody", writeScenario());
  assert.deepEqual([status, stderr], [1, "trace: 'nobody' ran 0 times in this trace\n"]);
});

await test("wrong_usage", () => {
  for (const options of [[], ["--html", "x"], ["--colour", "red", "x"], [writeScenario()]])
    assert.equal(run("convert.mjs", ...options).status, 2);
  assert.equal(run("convert.mjs", "--text", "-", file("missing")).status, 1);
  assert.equal(run("convert.mjs", "--text", "-", "--from", "soon", writeScenario()).status, 1);
});

// ---- the collector ----

function page(bytes) {
  const padded = new Uint8Array((bytes.length + 4095) & ~4095);
  padded.set(bytes);
  return padded;
}

// A guest's memory: a ring of 64 places in which `total` events were written, and an older trace.
function memory(total, { session = 77, ring = true } = {}) {
  const w = new TraceWriter(1).code(DPC_ROUTINE, "d!r");
  const capacity = 64;
  for (let n = 0; n < capacity; n++) {
    const number = n + capacity * Math.floor((total - 1 - n) / capacity);
    w.event(0, number < 0 ? 0 : number, "BugCheck", 2, { object: 1, a1: Math.max(number, 0) });
  }
  const bytes = w.bytes(), ringAt = HEADER_BYTES + new DataView(bytes.buffer).getUint32(60, true);
  const head = bytes.slice(0, ringAt), body = bytes.slice(ringAt, -8);
  new DataView(head.buffer).setUint32(16, session, true);
  const view = new DataView(body.buffer);
  view.setUint32(8, session, true);
  view.setUint32(16, capacity, true);
  view.setUint32(24, total, true);
  return Buffer.concat([page(head), ring ? page(body) : page(new Uint8Array(9))]);
}

function collect(bytes) {
  writeFileSync(file("memory"), bytes);
  return run("collect.mjs", file("memory"), file("collected.trace"));
}

await test("collect_a_ring_that_is_not_full", () => {
  const { status, stderr } = collect(Buffer.concat([Buffer.alloc(8192), memory(40)]));
  assert.deepEqual([status, stderr], [0, "trace: 40 events of 1 processor, none lost\n"]);
  const [p] = readTrace(new Uint8Array(readFileSync(file("collected.trace")))).processors;
  assert.deepEqual([p.total, p.lost, p.events.argument1[39]], [40, 0, 39]);
});

await test("collect_an_overwritten_ring", () => {
  const { status, stderr } = collect(memory(1000));
  assert.equal(status, 0);
  assert.match(stderr, /1000 events .* 937 .* overwritten/);
  const [p] = readTrace(new Uint8Array(readFileSync(file("collected.trace")))).processors;
  assert.deepEqual([p.lost, p.events.count], [937, 63]);
  assert.deepEqual([...p.events.argument1], Array.from({ length: 63 }, (_, n) => 937 + n));
});

await test("collect_the_newest_of_two_traces", () => {
  collect(Buffer.concat([memory(10, { session: 78 }), memory(20, { session: 79 }), memory(30)]));
  const trace = readTrace(new Uint8Array(readFileSync(file("collected.trace"))));
  assert.deepEqual([trace.header.session, trace.processors[0].total], [79n, 20]);
});

await test("collect_without_a_trace", () => {
  const none = collect(Buffer.alloc(65536)), noRing = collect(memory(5, { ring: false }));
  assert.deepEqual([none.status, none.stderr],
    [1, "trace: the guest has not come to the start of its trace\n"]);
  assert.deepEqual([noRing.status, noRing.stderr],
    [1, "trace: the ring of processor 0 is not in the guest's memory\n"]);
});

// ---- a million ----

await test("a_million_events", () => {
  const bytes = many(1_000_000).bytes(), started = process.cpuUsage();
  const { events, spans, arrows } = buildModel(readTrace(bytes));
  const seconds = process.cpuUsage(started).user / 1e6;
  assert.equal(events, 1_000_004);
  assert.ok(spans > 350_000 && arrows.length > 99_000, `${spans} spans, ${arrows.length} arrows`);
  assert.ok(seconds < 20, `${seconds} s of processor time`);
});

finish();
