// Draws the visible part of the timeline.
import { AXIS, BAR, LEFT, LEVEL_HEIGHT, LOCK_BAR, firstEndingAfter } from "./layout.js";

const FONT = '11px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const MOST_ARROWS = 600; // more than these in view say nothing
const TEXT_PIXELS = 26; // a bar that is shorter has no room for a name

export class Painter {
  constructor(view) {
    this.view = view;
    this.widths = new Map(); // of texts
  }

  paint() {
    const { view } = this, context = view.canvas.getContext("2d");
    this.c = context;
    this.palette = view.palette;
    const ratio = view.canvas.width / view.width || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = FONT;
    context.textBaseline = "middle";
    context.fillStyle = this.palette.background;
    context.fillRect(0, 0, view.width, view.height);
    [this.from, this.to] = view.range();
    this.perMicrosecond = view.pixelsPerMicrosecond();
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, view.width - LEFT, view.height);
    context.clip();
    this.grid();
    context.translate(0, AXIS - view.scroll.scrollTop);
    const rows = view.layout.rows.filter((row) => this.isVisible(row));
    this.texts = []; // over bars and arrows
    rows.forEach((row) => this.row(row));
    if (view.options.arrows)
      this.arrows();
    this.drawTexts();
    this.marks();
    context.restore();
    rows.forEach((row) => this.label(row));
    this.axis();
  }

  isVisible(row) {
    const { scroll, height } = this.view;
    return row.top + row.height > scroll.scrollTop && row.top < scroll.scrollTop + height;
  }

  x(time) { return LEFT + (time - this.from) * this.perMicrosecond; }

  // ---- a processor ----

  row(row) {
    this.levels(row);
    for (let depth = 0; depth < row.lanes; depth++)
      this.lane(row.processor.lanes[depth], row.bars + depth * BAR, BAR - 2, true);
    for (let depth = 0; depth < row.lockLanes; depth++)
      this.lane(row.processor.lockLanes[depth], row.locks + depth * LOCK_BAR, LOCK_BAR - 2, false);
  }

  levelHeight(irql) {
    return 7 + ((LEVEL_HEIGHT - 9) * irql) / 15;
  }

  // The IRQL as steps. A pixel in which it changes more than once shows two things: dark what it
  // was for most of the time, light up to the highest it was.
  levels(row) {
    const { c, palette } = this, { levelStart, level, idle } = row.processor;
    const bottom = row.top + LEVEL_HEIGHT;
    c.fillStyle = palette.grid;
    c.fillRect(LEFT, bottom, this.view.width, 1);
    let n = Math.max(0, lastNotAfter(levelStart, this.from));
    while (n < level.length && levelStart[n] < this.to) {
      const left = Math.max(this.x(levelStart[n]), LEFT);
      const end = n + 1 < level.length ? levelStart[n + 1] : this.view.model.end;
      const right = Math.min(this.x(end), this.view.width);
      if (right - left >= 1) {
        this.level(left, right - left, bottom, level[n], idle[n]);
        n++;
      } else {
        n = this.crowdedPixel(row.processor, n, Math.floor(left), bottom);
      }
    }
  }

  level(x, width, bottom, irql, idle) {
    const height = this.levelHeight(irql);
    this.c.fillStyle = idle ? this.palette.idle : this.palette.levels[irql];
    this.c.fillRect(x, bottom - height, Math.max(width, 0.6), height);
  }

  // Draws all changes inside of pixel x and returns the first one behind it.
  crowdedPixel({ levelStart, level, idle }, n, x, bottom) {
    const end = this.from + (x + 1 - LEFT) / this.perMicrosecond;
    let highest = 0, longest = -1, most = n, right = this.view.model.end;
    for (; n < level.length && levelStart[n] < end; n++) {
      right = n + 1 < level.length ? levelStart[n + 1] : this.view.model.end;
      highest = Math.max(highest, level[n]);
      if (Math.min(right, end) - levelStart[n] > longest) {
        longest = Math.min(right, end) - levelStart[n];
        most = n;
      }
    }
    this.c.globalAlpha = 0.5;
    this.level(x, 1, bottom, highest, false);
    this.c.globalAlpha = 1;
    this.level(x, 1, bottom, level[most], idle[most]);
    const rest = Math.min(this.x(right), this.view.width) - x - 1;
    if (rest > 0) // the last one goes on behind the pixel
      this.level(x + 1, rest, bottom, level[n - 1], idle[n - 1]);
    return n;
  }

  // ---- bars ----

  lane(spans, top, height, named) {
    const { c, palette, view } = this;
    let filled = -1; // up to this pixel short spans have been drawn already
    for (let n = firstEndingAfter(spans, this.from); n < spans.length; n++) {
      const span = spans[n];
      if (span.start > this.to)
        break;
      const left = Math.max(this.x(span.start), LEFT - 2);
      const right = Math.min(this.x(span.end), view.width + 2);
      const isMatch = view.matches !== null && view.matches.has(span);
      if (right <= filled && !isMatch && span !== view.selected)
        continue;
      const width = Math.max(right - left, 1);
      filled = left + width;
      c.globalAlpha = view.matches !== null && !isMatch ? 0.3 : 1;
      c.fillStyle = palette.spans[span.kind];
      c.fillRect(left, top, Math.max(width - (width > 4 ? 0.5 : 0), 1), height);
      if (span.kind !== "idle" && span.kind !== "thread" && span.kind !== "lock" && width > 2) {
        c.fillStyle = palette.levels[span.irql]; // its IRQL, as an edge
        c.fillRect(left, top + height - 2, width, 2);
      }
      if (named && width > TEXT_PIXELS)
        this.barText(span, left, width, top + height / 2);
    }
    c.globalAlpha = 1;
  }

  textWidth(text) {
    let width = this.widths.get(text);
    if (width === undefined) {
      width = this.c.measureText(text).width;
      this.widths.set(text, width);
    }
    return width;
  }

  // As much of the name as there is room for: without the driver, then cut.
  barText(span, left, width, y) {
    const { c, palette } = this, room = width - 8;
    let text = span.name;
    if (this.textWidth(text) > room)
      text = text.replace(/^\w+!/, "");
    if (this.textWidth(text) > room) {
      const letters = Math.floor((text.length * room) / this.textWidth(text)) - 1;
      if (letters < 3)
        return;
      text = `${text.slice(0, letters)}…`;
    }
    this.texts.push({ text, x: left + 4, y, faded: c.globalAlpha,
      colour: span.kind === "idle" ? palette.muted : palette.onBar });
  }

  drawTexts() {
    for (const { text, x, y, colour, faded } of this.texts) {
      this.c.globalAlpha = faded;
      this.c.fillStyle = colour;
      this.c.fillText(text, x, y);
    }
    this.c.globalAlpha = 1;
  }

  // ---- arrows ----

  arrows() {
    const { view } = this, selected = view.selected, hovered = view.hovered;
    const related = new Set();
    for (const span of [selected, hovered])
      this.chain(span, related);
    const visible = [];
    for (const arrow of view.model.arrows) {
      if (arrow.kind === "request" || related.has(arrow))
        continue; // a request to oneself is half of every DPC: only for the bar that was chosen
      const from = Math.min(arrow.from.time, arrow.to.time), to = Math.max(arrow.from.time, arrow.to.time);
      if (to >= this.from && from <= this.to && visible.push(arrow) > MOST_ARROWS)
        break;
    }
    if (visible.length <= MOST_ARROWS && view.matches === null)
      visible.forEach((arrow) => this.arrow(arrow, related.size > 0 ? 0.18 : 0.6, 1));
    related.forEach((arrow) => this.arrow(arrow, 1, 2));
  }

  // The way that led to a span, back to the first cause that is known, and what it caused itself.
  chain(span, related) {
    for (let s = span, steps = 0; s && s.cause && steps < 8; s = s.cause.from.by, steps++) {
      related.add(s.cause);
      if (s.timer?.arrow)
        related.add(s.timer.arrow);
    }
    (span ? this.view.outgoing.get(span) ?? [] : []).slice(0, 200).forEach((a) => related.add(a));
  }

  arrow({ kind, from, to }, alpha, width) {
    const { c, view } = this;
    const x1 = this.x(from.time), x2 = this.x(to.time);
    const y1 = view.layout.middle(from.processor, from.by);
    const y2 = view.layout.middle(to.processor, to.span);
    if (Math.abs(x2 - x1) < 4 && Math.abs(y2 - y1) < 4)
      return;
    c.globalAlpha = alpha;
    c.strokeStyle = c.fillStyle = this.palette.arrows[kind];
    c.lineWidth = width;
    c.beginPath();
    c.moveTo(x1, y1);
    const bend = Math.min(Math.max(Math.abs(x2 - x1) / 2, 12), 90);
    c.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2 - 5, y2);
    c.stroke();
    c.beginPath();
    c.moveTo(x2, y2);
    c.lineTo(x2 - 7, y2 - 3.5);
    c.lineTo(x2 - 7, y2 + 3.5);
    c.fill();
    c.beginPath();
    c.arc(x1, y1, width + 0.8, 0, 7);
    c.fill();
    c.globalAlpha = 1;
  }

  // ---- what is chosen ----

  marks() {
    const { c, palette, view } = this;
    for (const [span, width] of [[view.hovered, 1], [view.selected, 2]]) {
      if (!span)
        continue;
      const left = this.x(span.start), right = this.x(span.end);
      const height = span.lockLane ? LOCK_BAR - 2 : BAR - 2;
      const middle = view.layout.middle(span.processor, span);
      c.strokeStyle = palette.selected;
      c.lineWidth = width;
      c.strokeRect(left - 0.5, middle - height / 2 - 1.5, Math.max(right - left, 1) + 1, height + 1);
    }
    const expiry = view.selected?.timer;
    if (expiry)
      this.dueMark(expiry, view.selected);
  }

  // When the timer was due: a dashed line in front of its expiry.
  dueMark(expiry, span) {
    const { c, palette, view } = this, x = this.x(expiry.due);
    const row = view.layout.rows[span.processor];
    c.save();
    c.setLineDash([4, 3]);
    c.strokeStyle = palette.arrows.timer;
    c.beginPath();
    c.moveTo(x, row.top);
    c.lineTo(x, row.bars + row.lanes * BAR);
    c.stroke();
    c.restore();
    c.fillStyle = palette.arrows.timer;
    c.textAlign = "right";
    c.fillText("due", x - 4, row.top + 6);
    c.textAlign = "left";
  }

  // ---- labels and axis ----

  label(row) {
    const { c, palette, view } = this, top = row.top + AXIS - view.scroll.scrollTop;
    c.fillStyle = palette.text;
    c.font = `600 12px ${FONT.slice(5)}`;
    c.fillText(`Processor ${row.processor.number}`, 12, top + 12);
    c.font = FONT;
    c.fillStyle = palette.muted;
    c.fillText("IRQL", 12, top + LEVEL_HEIGHT - 8);
    c.textAlign = "right";
    for (const irql of [0, 15])
      c.fillText(String(irql), LEFT - 8, top + LEVEL_HEIGHT - this.levelHeight(irql) + 3);
    c.textAlign = "left";
    c.fillText("thread", 12, row.bars - row.top + top + BAR / 2 - 1);
    if (row.lanes > 1)
      c.fillText("interrupts, DPCs", 12, row.bars - row.top + top + BAR * 1.5 - 1);
    if (row.lockLanes > 0)
      c.fillText("locks", 12, row.locks - row.top + top + LOCK_BAR / 2);
  }

  grid() {
    const { c, palette, view } = this;
    c.fillStyle = palette.grid;
    for (const time of view.scale.ticks(this.tickCount()))
      c.fillRect(Math.round(this.x(time)), AXIS, 1, view.height);
  }

  tickCount() {
    return Math.max(2, Math.floor((this.view.width - LEFT) / 110));
  }

  // The labels count from a round moment before the view, which stands at the left.
  axis() {
    const { c, palette, view } = this, ticks = view.scale.ticks(this.tickCount());
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
    const { base, text } = axisBase(this.from, step);
    c.fillStyle = palette.panel;
    c.fillRect(0, 0, view.width, AXIS);
    c.fillStyle = palette.line;
    c.fillRect(0, AXIS - 1, view.width, 1);
    c.fillRect(LEFT - 1, 0, 1, view.height);
    c.fillStyle = palette.text;
    c.fillText(text, 12, AXIS / 2);
    c.textAlign = "center";
    c.fillStyle = palette.muted;
    for (const time of ticks) {
      const x = this.x(time);
      if (x < LEFT + 24 || x > view.width - 24)
        continue;
      c.fillText(tickText(time - base, step, base), x, AXIS / 2);
      c.fillRect(Math.round(x), AXIS - 5, 1, 4);
    }
    c.textAlign = "left";
  }
}

const UNITS = [[1e6, "s"], [1e3, "ms"], [1, "µs"], [1e-3, "ns"]];

function unitOf(step) {
  return UNITS.find(([size]) => step >= size * 0.0999) ?? UNITS[3];
}

function axisBase(from, step) {
  const [size] = unitOf(step), coarse = size * 1000;
  const base = Math.max(0, Math.floor(from / coarse) * coarse);
  const digits = size >= 1e3 ? 0 : size >= 1 ? 3 : 6;
  return size >= 1e6 || base === 0 ? { base: 0, text: "since the start" }
    : { base, text: `${(base / 1e6).toFixed(digits)} s` };
}

function tickText(time, step, base) {
  const [size, unit] = unitOf(step);
  const digits = Math.max(0, Math.min(3, Math.ceil(-Math.log10(step / size) - 1e-9)));
  const text = (time / size).toFixed(digits);
  return base === 0 ? `${text} ${unit}` : `+${text} ${unit}`;
}

function lastNotAfter(times, time) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time)
      low = middle + 1;
    else
      high = middle;
  }
  return low - 1;
}
