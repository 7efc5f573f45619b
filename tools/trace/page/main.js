// The page: takes the trace out of itself, builds the model, connects view, search and tables.
import { date, duration } from "../lib/describe.mjs";
import { TraceError, readTrace } from "../lib/format.mjs";
import { buildModel } from "../lib/model.mjs";
import { showLegend } from "./legend.js";
import { Overview } from "./overview.js";
import { Panel } from "./panel.js";
import { Search } from "./search.js";
import { applyTheme, preferredTheme } from "./theme.js";
import { View } from "./view.js";

const element = (id) => document.getElementById(id);

// The trace stands in the page gzipped and in base64.
async function embeddedTrace() {
  const text = element("trace").textContent.trim();
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  element("trace").textContent = "";
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function showFacts(model) {
  const { header } = model;
  element("facts").textContent =
    `${date(header.startSystemTime)} · ${header.processors} processor` +
    `${header.processors === 1 ? "" : "s"} · ${duration(model.end - model.begin)} · ` +
    `${model.events.toLocaleString("en")} events · ${header.checked ? "checked" : "free"} build`;
  if (model.lost > 0) {
    element("lost").hidden = false;
    element("lost").textContent = `${model.lost.toLocaleString("en")} older events lost`;
    element("lost").title = "The rings were full: the oldest events have been overwritten. " +
      "The kernel option tracesize= makes the rings larger.";
  }
}

function connectKeys(view, search) {
  const actions = {
    w: () => view.zoomBy(2), s: () => view.zoomBy(1 / 2), a: () => view.panBy(-0.25),
    d: () => view.panBy(0.25), f: () => view.fit(), ArrowLeft: () => view.panBy(-0.25),
    ArrowRight: () => view.panBy(0.25), "+": () => view.zoomBy(2), "-": () => view.zoomBy(1 / 2),
    n: () => search.step(1), p: () => search.step(-1), "/": () => element("search").focus(),
    Escape: () => { search.clear(); view.select(null); },
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey)
      return;
    if (event.target.tagName === "INPUT" && event.key !== "Escape")
      return;
    const action = actions[event.key];
    if (action === undefined)
      return;
    event.preventDefault();
    action();
  });
}

function connectButtons(view, search) {
  const toggle = (id, option) => (element(id).onclick = () => {
    view.setOption(option, !view.options[option]);
    element(id).classList.toggle("on", view.options[option]);
  });
  element("in").onclick = () => view.zoomBy(2);
  element("out").onclick = () => view.zoomBy(1 / 2);
  element("fit").onclick = () => view.fit();
  element("next").onclick = () => search.step(1);
  element("previous").onclick = () => search.step(-1);
  toggle("arrows", "arrows");
  toggle("locks", "locks");
}

async function main() {
  const started = performance.now();
  const model = buildModel(readTrace(await embeddedTrace()));
  const theme = { name: preferredTheme() };
  showFacts(model);
  const view = new View(model, element("timeline"), element("scroll"), element("tall"));
  const panel = new Panel(model, view);
  const search = new Search(model, view);
  const overview = new Overview(model, view, element("overview"));
  const changeTheme = (name) => {
    theme.name = name;
    const palette = applyTheme(name);
    showLegend(element("legend"), palette);
    view.setPalette(palette);
    overview.setPalette(palette);
    panel.setPalette(palette);
  };
  element("theme").onclick = () => changeTheme(theme.name === "dark" ? "light" : "dark");
  connectKeys(view, search);
  connectButtons(view, search);
  changeTheme(theme.name);
  // For tests, and for the curious in the browser's console.
  globalThis.timeline = { model, view, search, panel, loadMs: performance.now() - started };
}

main().catch((problem) => {
  element("problem").hidden = false;
  element("problem").textContent = problem instanceof TraceError
    ? `This trace cannot be shown: ${problem.message}.` : `This page has failed: ${problem.message}`;
  console.error(problem);
});
