// Where everything stands from top to bottom: for each processor its IRQL, its bars by depth, and
// its locks.
export const LEFT = 118; // the labels
export const AXIS = 30; // the time axis, over the rows
export const LEVEL_HEIGHT = 42;
export const BAR = 17;
export const LOCK_BAR = 9;
const GAP = 16;
const MOST_LOCK_LANES = 3;

export class Layout {
  constructor(model, options) {
    this.rows = [];
    let top = 8;
    for (const processor of model.processors) {
      const lanes = processor.lanes.length;
      const lockLanes = options.locks ? Math.min(processor.lockLanes.length, MOST_LOCK_LANES) : 0;
      const bars = top + LEVEL_HEIGHT + 4;
      const locks = bars + lanes * BAR + (lockLanes > 0 ? 3 : 0);
      const height = locks + lockLanes * LOCK_BAR - top;
      this.rows.push({ processor, top, bars, locks, lanes, lockLanes, height });
      top += height + GAP;
    }
    this.height = top;
  }

  // The y of the middle of a span's bar; of the IRQL band for none.
  middle(processor, span) {
    const row = this.rows[processor];
    if (!span || span.processor !== processor)
      return row.top + LEVEL_HEIGHT;
    return span.lockLane ? row.locks + (span.depth + 0.5) * LOCK_BAR
      : row.bars + (span.depth + 0.5) * BAR;
  }

  spanAt(y, time, reach) {
    for (const row of this.rows) {
      if (y >= row.bars && y < row.bars + row.lanes * BAR)
        return nearest(row.processor.lanes[Math.floor((y - row.bars) / BAR)], time, reach);
      if (y >= row.locks && y < row.locks + row.lockLanes * LOCK_BAR)
        return nearest(row.processor.lockLanes[Math.floor((y - row.locks) / LOCK_BAR)], time, reach);
    }
    return null;
  }
}

// The index of the first span that ends after time.
export function firstEndingAfter(spans, time) {
  let low = 0, high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle].end <= time)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

function nearest(spans, time, reach) {
  const first = firstEndingAfter(spans, time - reach);
  let best = null, bestDistance = reach;
  for (let n = first; n < spans.length && spans[n].start <= time + reach; n++) {
    const { start, end } = spans[n];
    const distance = time < start ? start - time : time > end ? time - end : 0;
    if (distance < bestDistance || (distance === 0 && bestDistance > 0)) {
      best = spans[n];
      bestDistance = distance;
    }
  }
  return best;
}
