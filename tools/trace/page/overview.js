// All of the trace in one strip: how busy the processors are, and which part the timeline shows.
import { levelGroup } from "../lib/latencies.mjs";
import { LEFT } from "./layout.js";

export class Overview {
  constructor(model, view, canvas) {
    Object.assign(this, { model, view, canvas });
    view.on("change", () => this.draw());
    const move = (event) => {
      if (event.buttons !== 1)
        return;
      const [from, to] = view.range(), [begin, end] = view.base.domain();
      const middle = begin + ((event.offsetX - LEFT) / (view.width - LEFT)) * (end - begin);
      view.zoomTo(middle - (to - from) / 2, middle + (to - from) / 2, false);
    };
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); move(event); });
    canvas.addEventListener("pointermove", move);
  }

  setPalette(palette) { this.palette = palette; this.draw(); }

  // For each pixel: how many processors are busy, and at which level for how long.
  measure(width) {
    if (this.measured?.width === width)
      return this.measured;
    const [begin, end] = this.view.base.domain(), scale = width / (end - begin);
    const groups = Array.from({ length: 6 }, () => new Float64Array(width));
    for (const { level, levelStart, idle } of this.model.processors)
      for (let n = 0; n < level.length; n++) {
        const group = groups[levelGroup(level[n], idle[n])];
        const left = (levelStart[n] - begin) * scale;
        const right = ((n + 1 < level.length ? levelStart[n + 1] : this.model.end) - begin) * scale;
        for (let x = Math.floor(left); x < right && x < width; x++)
          group[x] += Math.min(right, x + 1) - Math.max(left, x);
      }
    this.measured = { width, groups };
    return this.measured;
  }

  draw() {
    const { view, canvas, palette } = this;
    if (!palette || !view.base)
      return;
    const ratio = devicePixelRatio || 1, height = canvas.clientHeight;
    const width = view.width - LEFT, all = this.model.processors.length;
    canvas.width = view.width * ratio;
    canvas.height = height * ratio;
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.fillStyle = palette.panel;
    c.fillRect(0, 0, view.width, height);
    const colours = [1, 2, 3, 4, 5].map((g) => palette.levels[[0, 0, 1, 2, 7, 13][g]]);
    const { groups } = this.measure(Math.max(1, Math.floor(width)));
    for (let x = 0; x < groups[0].length; x++) {
      let y = height - 3;
      for (let g = 5; g >= 1; g--) {
        const size = Math.sqrt(groups[g][x] / all) * (height - 8) * 0.6;
        c.fillStyle = colours[g - 1];
        c.fillRect(LEFT + x, y - size, 1, size);
        y -= size;
      }
    }
    c.fillStyle = palette.muted;
    c.font = '11px system-ui, "DejaVu Sans", sans-serif';
    c.fillText("all of it", 12, height / 2 + 4);
    this.window(c, height);
  }

  window(c, height) {
    const { view, palette } = this, [from, to] = view.range();
    const left = Math.max(view.base(from), LEFT), right = Math.min(view.base(to), view.width);
    c.globalAlpha = 0.55;
    c.fillStyle = palette.background;
    c.fillRect(LEFT, 0, left - LEFT, height);
    c.fillRect(right, 0, view.width - right, height);
    c.globalAlpha = 1;
    c.strokeStyle = palette.selected;
    c.lineWidth = 1.5;
    c.strokeRect(left + 0.75, 0.75, Math.max(right - left - 1.5, 2), height - 1.5);
  }
}
