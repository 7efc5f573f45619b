// The colours of the pictures, light and dark: the page's and the SVG's.

// IRQL from 0 to 15: cool where threads run, amber at DISPATCH_LEVEL, from orange to red where
// devices interrupt, violet and red above.
const LIGHT_LEVELS = [
  "#9cc4ea", "#4fb0a5", "#f5c542", "#f7b267", "#f7a35c", "#f79256", "#f48350", "#f0744a", "#eb6544",
  "#e5563e", "#dd4738", "#d43a34", "#c2335a", "#8e5bd6", "#c44fb0", "#7d1d3f",
];
const DARK_LEVELS = [
  "#3f6fa3", "#2f8f86", "#d9a520", "#cf8f45", "#d4843f", "#d97a3a", "#de6f37", "#e16434", "#e35a33",
  "#e45032", "#e44733", "#e33f37", "#d9457a", "#9a72ea", "#d765c4", "#ff5d7d",
];

export const PALETTES = {
  light: {
    levels: LIGHT_LEVELS, idle: "#edf0f4",
    background: "#ffffff", panel: "#f7f8fa", text: "#1c2430", muted: "#68717e", line: "#dde2e8",
    grid: "#eef1f4", onBar: "#1c2430", selected: "#0b57d0",
    spans: {
      thread: "#b9d2ee", idle: "#f1f3f6", interrupt: "#cfc3ec", isr: "#f7a072", dpc: "#f6d673",
      threaded: "#8fd3c8", lock: "#c9cfd8", spin: "#e76f6f",
    },
    arrows: { dpc: "#b07a00", timer: "#7446c9", wake: "#1f7a70", irp: "#b3365f", request: "#8a93a0" },
  },
  dark: {
    levels: DARK_LEVELS, idle: "#1b2028",
    background: "#12161c", panel: "#181d25", text: "#e4e8ee", muted: "#96a0ae", line: "#2b323d",
    grid: "#1e242d", onBar: "#f4f6f9", selected: "#8ab4ff",
    spans: {
      thread: "#2c4560", idle: "#1a1f27", interrupt: "#40365f", isr: "#b0562a", dpc: "#8f6d12",
      threaded: "#1f6f66", lock: "#3b4450", spin: "#a83a3a",
    },
    arrows: { dpc: "#f0c04c", timer: "#b794ff", wake: "#4fd1c0", irp: "#ff86a8", request: "#7a8494" },
  },
};

export const SPAN_NAMES = {
  thread: "thread", idle: "idle", interrupt: "interrupt", isr: "service routine (ISR)",
  dpc: "DPC", threaded: "threaded DPC", lock: "lock held", spin: "waits for a lock",
};

export const ARROW_NAMES = {
  dpc: "DPC queued, then run", timer: "timer set, then expired", wake: "thread woken, then run", irp: "request (IRP) sent, then completed",
  request: "interrupt requested by software, then taken",
};
