// The timeline: a canvas as large as its place, on which the visible part of all processors' rows
// is drawn. Time goes from left to right (d3-zoom), processors from top to bottom (scrolling).
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { zoom, zoomIdentity } from "d3-zoom";
import { AXIS, LEFT, Layout } from "./layout.js";
import { Painter } from "./painter.js";
import { showTooltip } from "./tooltip.js";

const FINEST = 0.002; // microseconds a pixel: nothing happens faster than this

export class View {
  constructor(model, canvas, scroll, tall) {
    Object.assign(this, { model, canvas, scroll, tall });
    this.options = { arrows: true, locks: false };
    this.selected = null;
    this.hovered = null;
    this.matches = null; // a set of spans, or null: all are shown alike
    this.listeners = { select: [], change: [] };
    this.outgoing = new Map();
    for (const arrow of model.arrows)
      if (arrow.from.by !== null)
        this.outgoing.set(arrow.from.by, [...(this.outgoing.get(arrow.from.by) ?? []), arrow]);
    this.layout = new Layout(model, this.options);
    this.painter = new Painter(this);
    this.connect();
  }

  on(event, listener) { this.listeners[event].push(listener); }
  tell(event, value) { this.listeners[event].forEach((listener) => listener(value)); }

  connect() {
    this.zoom = zoom().on("zoom", (event) => this.zoomed(event.transform))
      .filter((event) => !event.button && !(event.type === "wheel" && this.scrolls(event)));
    this.node = select(this.canvas).call(this.zoom).on("dblclick.zoom", null);
    new ResizeObserver(() => { // it comes after a frame's drawing, and what it resizes is blank
      this.resize();
      this.paint();
    }).observe(this.scroll);
    this.scroll.addEventListener("scroll", () => this.draw());
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.canvas.addEventListener("click", (event) => this.select(this.at(event)));
    this.canvas.addEventListener("dblclick", (event) => this.zoomToSpan(this.at(event)));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  // Over the labels the wheel scrolls; with Shift, or sideways, it pans.
  scrolls(event) {
    return event.offsetX < LEFT || event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
  }

  wheel(event) {
    if (event.offsetX < LEFT || !this.scrolls(event))
      return;
    event.preventDefault();
    const delta = event.deltaX || event.deltaY;
    this.node.call(this.zoom.translateBy, -delta / this.transform.k, 0);
  }

  resize() {
    const centre = this.transform && this.scale ? this.range() : null;
    this.width = this.scroll.clientWidth;
    this.height = this.scroll.clientHeight;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = this.width * ratio;
    this.canvas.height = this.height * ratio;
    this.canvas.style.height = `${this.height}px`;
    this.tall.style.height = `${Math.max(this.layout.height + AXIS, this.height)}px`;
    const margin = (this.model.end - this.model.begin) * 0.004 || 1;
    this.base = scaleLinear([this.model.begin - margin, this.model.end + margin], [LEFT, this.width]);
    const finest = (this.model.end - this.model.begin) / FINEST / (this.width - LEFT);
    this.zoom.scaleExtent([1, Math.max(1, finest)])
      .extent([[LEFT, 0], [this.width, this.height]])
      .translateExtent([[LEFT, -Infinity], [this.width, Infinity]]);
    if (centre === null)
      this.zoomed(zoomIdentity);
    else
      this.zoomTo(centre[0], centre[1], false);
  }

  zoomed(transform) {
    this.transform = transform;
    this.scale = transform.rescaleX(this.base);
    this.draw();
    this.tell("change");
  }

  range() { return this.scale.domain(); }

  // Shows the time between two moments.
  zoomTo(from, to, animate = true) {
    if (!this.base)
      return;
    const span = Math.max(to - from, FINEST * 40);
    const middle = (from + to) / 2;
    const k = (this.base(middle + span / 2) - this.base(middle - span / 2)) || 1;
    const factor = (this.width - LEFT) / k;
    const x = (LEFT + this.width) / 2 - factor * this.base(middle);
    const target = zoomIdentity.translate(x, 0).scale(factor);
    const node = animate && this.node.transition ? this.node.transition().duration(250) : this.node;
    node.call(this.zoom.transform, target);
  }

  fit(animate) { this.zoomTo(...this.base.domain(), animate); }
  zoomBy(factor) { this.node.call(this.zoom.scaleBy, factor); }
  panBy(part) {
    this.node.call(this.zoom.translateBy, (-part * (this.width - LEFT)) / this.transform.k, 0);
  }

  zoomToSpan(span) {
    if (!span)
      return;
    const room = Math.max((span.end - span.start) * 0.6, 0.5);
    this.zoomTo(span.start - room, span.end + room);
  }

  // Makes a span visible without changing the zoom more than necessary.
  reveal(span) {
    const [from, to] = this.range(), length = to - from;
    const cause = span.cause ? Math.min(span.cause.from.time, span.start) : span.start;
    const wanted = Math.max((span.end - cause) * 1.5, 1);
    if (length > wanted * 400 || length < wanted)
      this.zoomTo(cause - wanted * 1.5, span.end + wanted * 1.5);
    else if (span.start < from || span.end > to)
      this.zoomTo(span.start - length / 2, span.start + length / 2);
    const row = this.layout.rows[span.processor];
    if (row.top < this.scroll.scrollTop || row.top + row.height > this.scroll.scrollTop + this.height)
      this.scroll.scrollTop = row.top - AXIS;
  }

  select(span, show = false) {
    this.selected = span;
    if (span && show)
      this.reveal(span);
    this.draw();
    this.tell("select", span);
  }

  setMatches(matches) { this.matches = matches; this.draw(); }

  setOption(name, value) {
    this.options[name] = value;
    this.layout = new Layout(this.model, this.options);
    this.resize();
  }

  setPalette(palette) { this.palette = palette; this.draw(); }

  // What is under the pointer.
  at(event) {
    const time = this.scale.invert(event.offsetX), reach = 3 / this.pixelsPerMicrosecond();
    return event.offsetX < LEFT ? null
      : this.layout.spanAt(event.offsetY - AXIS + this.scroll.scrollTop, time, reach);
  }

  pixelsPerMicrosecond() {
    const [from, to] = this.range();
    return (this.width - LEFT) / (to - from);
  }

  hover(event) {
    const span = event && event.buttons === 0 ? this.at(event) : null;
    this.canvas.classList.toggle("pointing", span !== null);
    if (span !== this.hovered) {
      this.hovered = span;
      this.draw();
    }
    showTooltip(this, span, event);
  }

  // One drawing a frame, however often it is asked for.
  draw() {
    if (this.drawing)
      return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.paint();
    });
  }

  paint() {
    if (!this.scale || !this.palette)
      return;
    const started = performance.now();
    this.painter.paint();
    this.drawMs = performance.now() - started;
    this.frames = (this.frames ?? 0) + 1;
  }
}
