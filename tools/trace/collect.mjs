#!/usr/bin/env node
// Takes the trace out of the guest's memory and writes it as a trace file (docs/TRACE.md).
//
//     tools/trace/collect.mjs MEMORY TRACE
//
// MEMORY is the file that was the guest's memory. The guest may have ended in any way, or still
// run. The trace's header and rings begin on pages and are found by their magic numbers.
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import {
  END_MAGIC, EVENT_BYTES, FILE_MAGIC, HEADER_BYTES, RING_HEADER_BYTES, RING_MAGIC, VERSION,
  readHeader, readRingHeader,
} from "./lib/format.mjs";

const PAGE = 4096, PIECE = 1024 * PAGE;

function stop(sentence) {
  process.stderr.write(`trace: ${sentence}\n`);
  process.exit(1);
}

function read(file, offset, length) {
  const bytes = Buffer.alloc(length);
  if (readSync(file, bytes, 0, length, offset) !== length)
    stop("the memory ends in the middle of the trace");
  return bytes;
}

// Looks at the beginning of every page. A machine that was started again has left older traces.
function findParts(file, size) {
  const headers = [], rings = [], piece = Buffer.alloc(PIECE);
  const wanted = { [FILE_MAGIC]: headers, [RING_MAGIC]: rings };
  for (let at = 0; at < size; at += PIECE) {
    const length = readSync(file, piece, 0, PIECE, at);
    for (let page = 0; page + PAGE <= length; page += PAGE) {
      if (piece.readUInt32LE(page) !== 0x5254454d) // "METR"
        continue;
      wanted[piece.toString("latin1", page, page + 8)]?.push(at + page);
    }
  }
  return { headers, rings };
}

// The newest header, and the rings of its session by processor.
function findTrace(file, size) {
  const parts = findParts(file, size);
  const headers = parts.headers
    .map((offset) => ({ offset, ...readHeader(read(file, offset, HEADER_BYTES)) }))
    .filter((header) => header.version === VERSION)
    .sort((a, b) => (a.session < b.session ? 1 : -1));
  if (headers.length === 0)
    stop("the guest has not come to the start of its trace");
  const header = headers[0], rings = [];
  for (const offset of parts.rings) {
    const ring = readRingHeader(read(file, offset, RING_HEADER_BYTES));
    if (ring.session === header.session)
      rings[ring.processor] = { offset, ...ring };
  }
  for (let n = 0; n < header.processors; n++)
    if (rings[n] === undefined)
      stop(`the ring of processor ${n} is not in the guest's memory`);
  return { header, rings };
}

// A full ring's oldest event may be half overwritten: it is left out.
function writeRing(file, output, ring) {
  const count = Math.min(ring.total, ring.capacity - 1);
  const events = read(file, ring.offset + RING_HEADER_BYTES, ring.capacity * EVENT_BYTES);
  const head = read(file, ring.offset, RING_HEADER_BYTES);
  const first = (ring.total - count) % ring.capacity;
  const tail = Math.min(count, ring.capacity - first);
  head.fill(0, 40);
  head.writeUInt32LE(count, 36);
  writeSync(output, head);
  writeSync(output, events, first * EVENT_BYTES, tail * EVENT_BYTES);
  writeSync(output, events, 0, (count - tail) * EVENT_BYTES);
  return ring.total - count;
}

function main() {
  const [memory, trace] = process.argv.slice(2);
  if (trace === undefined || process.argv.length !== 4)
    stop("usage: tools/trace/collect.mjs MEMORY TRACE");
  const file = openSync(memory, "r");
  const { header, rings } = findTrace(file, fstatSync(file).size);
  const output = openSync(trace, "w");
  writeSync(output, read(file, header.offset, HEADER_BYTES + header.namesUsed));
  let total = 0, lost = 0;
  for (let n = 0; n < header.processors; n++) {
    total += rings[n].total;
    lost += writeRing(file, output, rings[n]);
  }
  writeSync(output, Buffer.from(END_MAGIC, "latin1"));
  closeSync(output);
  const sentence = lost === 0 ? "none lost" : `the first ${lost} of them were overwritten; tracesize= makes the rings larger`;
  process.stderr.write(`trace: ${total} events of ${header.processors} processor${header.processors === 1 ? "" : "s"}, ${sentence}\n`);
}

try {
  main();
} catch (problem) {
  stop(problem.message);
}
