// A part of the trace as a picture that stands still, for a book: each processor's IRQL, its bars,
// and the arrows between them.
import { ARROW_NAMES, PALETTES } from "./colors.mjs";
import { duration } from "./describe.mjs";
import { TraceError } from "./format.mjs";

const WIDTH = 960, LEFT = 116, RIGHT = 16, TOP = 34;
const LEVEL = 44, BAR = 19, GAP = 20;
const PALETTE = PALETTES.light;

// The part that the options name; without any, all of it.
export function chooseWindow(model, { from, to, around }) {
  const number = (text, name) => {
    if (!/^\d+(\.\d+)?$/.test(text))
      throw new TraceError(`--${name} takes a number of microseconds, not '${text}'`);
    return Number(text);
  };
  if (around !== undefined)
    return windowAround(model, around);
  const window = {
    from: from === undefined ? model.begin : number(from, "from"),
    to: to === undefined ? model.end : number(to, "to"),
  };
  if (window.to <= window.from)
    throw new TraceError("--to has to be later than --from");
  return window;
}

// Around a run of a routine, beginning before its cause.
function windowAround(model, around) {
  const [, name, number = "1"] = /^(.*?)(?::(\d+))?$/.exec(around);
  const spans = model.processors.flatMap((p) => p.lanes.flat())
    .filter((span) => span.name === name && !span.continued).sort((a, b) => a.start - b.start);
  const span = spans[Number(number) - 1];
  if (span === undefined)
    throw new TraceError(`'${name}' ran ${spans.length} times in this trace`);
  const cause = span.cause ? span.cause.from : { time: span.start, by: null };
  const begin = Math.min(cause.time, cause.by && cause.by.kind !== "thread" && cause.by.kind !== "idle"
    ? cause.by.start : cause.time);
  const room = (span.end - begin) * 0.25;
  return { from: begin - room, to: span.end + room };
}

function escape(text) {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
}

class Picture {
  constructor(model, window) {
    Object.assign(this, { model, ...window });
    this.scale = (WIDTH - LEFT - RIGHT) / (this.to - this.from);
    this.parts = [];
    this.texts = []; // over everything else
    this.rows = [];
  }

  x(time) {
    const x = LEFT + (time - this.from) * this.scale;
    return Number(Math.min(Math.max(x, LEFT), WIDTH - RIGHT).toFixed(2));
  }

  visible(span) { return span.end >= this.from && span.start <= this.to; }

  rect(x, y, width, height, fill, more = "") {
    this.parts.push(`<rect x="${x}" y="${y}" width="${Math.max(width, 0.7).toFixed(2)}" ` +
      `height="${height}" fill="${fill}"${more}/>`);
  }

  text(x, y, text, more = "") {
    this.texts.push(`<text x="${x}" y="${y}"${more}>${escape(text)}</text>`);
  }

  // ---- one processor ----

  // A processor that is idle all the time is left out.
  isBusy({ lanes, level }) {
    return level.length > 0 &&
      lanes.flat().some((span) => span.kind !== "idle" && this.visible(span));
  }

  row(processor, top) {
    const lanes = processor.lanes.map((lane) => lane.filter((span) => this.visible(span)));
    while (lanes.length > 1 && lanes[lanes.length - 1].length === 0)
      lanes.pop();
    this.rows[processor.number] = { top };
    this.text(10, top + 14, `Processor ${processor.number}`, ' font-weight="600"');
    this.text(10, top + LEVEL - 4, "IRQL", ' class="m"');
    this.text(LEFT - 8, top + LEVEL - 4, "0", ' text-anchor="end" class="m"');
    this.text(LEFT - 8, top + 10, "15", ' text-anchor="end" class="m"');
    this.levels(processor, top);
    lanes.forEach((lane, depth) => lane.forEach((span) => this.bar(span, this.barTop(top, depth))));
    return LEVEL + 4 + lanes.length * BAR;
  }

  barTop(top, depth) { return top + LEVEL + 4 + depth * BAR; }

  levels(processor, top) {
    const { level, levelStart, idle } = processor;
    for (let n = 0; n < level.length; n++) {
      const end = n + 1 < level.length ? levelStart[n + 1] : this.model.end;
      if (end < this.from || levelStart[n] > this.to)
        continue;
      const left = this.x(levelStart[n]), height = Number((6 + ((LEVEL - 8) * level[n]) / 15).toFixed(1));
      this.rect(left, Number((top + LEVEL - height).toFixed(1)), this.x(end) - left, height,
        idle[n] ? PALETTE.idle : PALETTE.levels[level[n]]);
    }
  }

  bar(span, top) {
    const left = this.x(span.start), width = this.x(span.end) - left;
    this.rect(left, top, width, BAR - 3, PALETTE.spans[span.kind], ' rx="1.5"');
    const room = Math.floor((width - 8) / 6.1);
    let name = span.name.length > room ? span.name.replace(/^\w+!/, "") : span.name;
    if (name.length > room)
      name = room < 4 ? "" : `${name.slice(0, room - 1)}…`;
    if (name !== "")
      this.text(left + 4, top + 12, name, ' class="s"');
    else if (span.kind === "dpc" || span.kind === "isr" || span.kind === "threaded")
      this.parts.push(`<title>${escape(span.name)}</title>`);
  }

  // ---- arrows ----

  middle(processor, span) {
    const { top } = this.rows[processor];
    return span && span.processor === processor ? this.barTop(top, span.depth) + (BAR - 3) / 2
      : top + LEVEL;
  }

  arrow({ kind, from, to }) {
    const colour = PALETTE.arrows[kind];
    const x1 = this.x(from.time), y1 = this.middle(from.processor, from.by);
    const x2 = this.x(to.time), y2 = this.middle(to.processor, to.span);
    if (Math.abs(x2 - x1) < 3 && Math.abs(y2 - y1) < 3)
      return;
    const bend = Math.min(Math.max(Math.abs(x2 - x1) / 2, 10), 80);
    const before = from.time < this.from ? ' stroke-dasharray="3 3"' : "";
    this.parts.push(`<path d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 4} ${y2}" ` +
      `fill="none" stroke="${colour}" stroke-width="1.4"${before}/>`,
    `<path d="M${x2} ${y2}l-7 -3.5v7z" fill="${colour}"/>`,
    `<circle cx="${x1}" cy="${y1}" r="2.2" fill="${colour}"/>`);
  }

  // ---- frame ----

  axis(bottom) {
    const length = this.to - this.from, step = niceStep(length / 8);
    const first = Math.ceil(this.from / step) * step;
    for (let time = first; time <= this.to; time += step) {
      const x = this.x(time);
      this.rect(x, TOP - 8, 0.7, bottom - TOP, PALETTE.line);
      this.text(x, 16, `+${duration(time - first)}`.replace("+0 ns", "0"),
        ' text-anchor="middle" class="m"');
    }
  }

  legend(y) {
    let x = LEFT;
    for (const kind of ["dpc", "timer", "wake"]) {
      this.parts.push(`<path d="M${x} ${y - 4}h18" stroke="${PALETTE.arrows[kind]}" stroke-width="1.6"/>`);
      this.text(x + 23, y, ARROW_NAMES[kind], ' class="m"');
      x += 40 + ARROW_NAMES[kind].length * 6;
    }
    this.text(WIDTH - RIGHT, y, `from ${(this.from / 1e6).toFixed(6)} s on`,
      ' text-anchor="end" class="m"');
  }

  draw() {
    let top = TOP;
    for (const processor of this.model.processors.filter((p) => this.isBusy(p)))
      top += this.row(processor, top) + GAP;
    const rows = this.parts;
    this.parts = [];
    this.axis(top);
    this.parts.push(...rows);
    for (const arrow of this.model.arrows)
      if (arrow.kind !== "request" && arrow.to.time >= this.from && arrow.to.time <= this.to &&
          this.rows[arrow.from.processor] && this.rows[arrow.to.processor])
        this.arrow(arrow);
    this.legend(top + 8);
    return top + 20;
  }
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough)), part = rough / power;
  return (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10) * power;
}

export function* svgPicture(model, window) {
  const picture = new Picture(model, window), height = picture.draw();
  yield `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" ` +
    `width="${WIDTH}" height="${height}" font-family="system-ui, DejaVu Sans, sans-serif" ` +
    `font-size="12" fill="${PALETTE.text}">\n` +
    `<style>.s{font-size:10.5px}.m{font-size:10.5px;fill:${PALETTE.muted}}</style>\n` +
    `<rect width="${WIDTH}" height="${height}" fill="${PALETTE.background}"/>\n`;
  yield `${picture.parts.concat(picture.texts).join("\n")}\n</svg>\n`;
}
