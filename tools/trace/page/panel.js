// Below the timeline: what has been chosen, and the tables of latencies.
import { duration } from "../lib/describe.mjs";
import { LEVEL_GROUPS } from "../lib/latencies.mjs";
import { facts, title } from "./words.js";

const details = document.getElementById("details");
const tabs = document.getElementById("tabs");
const table = document.getElementById("table");

function make(tag, text = "", children = []) {
  const element = document.createElement(tag);
  element.append(text, ...children);
  return element;
}

const TIMES = ["average", "median", "99 %", "longest"];

// The tables that have the same form: a name, then one or two groups of durations.
const DURATION_TABLES = {
  "DPC routines": ["routine", "dpcs", "waited", "ran"],
  Interrupts: ["interrupt", "interrupts", "took, with all that came between"],
  Timers: ["DPC routine of the timer", "timers", "expired late by", "its DPC began late by"],
  Requests: ["request", "irps", "from being sent until completed"],
  Threads: ["thread", "threads", "from being made ready until it ran"],
};

export class Panel {
  constructor(model, view) {
    Object.assign(this, { model, view });
    view.on("select", (span) => this.showDetails(span));
    for (const name of [...Object.keys(DURATION_TABLES), "IRQL"]) {
      const button = make("button", name);
      button.onclick = () => this.showTable(name);
      tabs.append(button);
    }
    this.showDetails(null);
  }

  setPalette(palette) {
    this.palette = palette;
    this.showTable(this.shown ?? "DPC routines");
  }

  showTable(name) {
    this.shown = name;
    for (const button of tabs.children)
      button.classList.toggle("on", button.textContent === name);
    table.replaceChildren(name === "IRQL" ? this.levelTable() : this.durationTable(name));
  }

  durationTable(name) {
    const [first, source, ...groups] = DURATION_TABLES[name];
    const heads = groups.flatMap((group) => [`${group}:`, ...TIMES.slice(1)])
      .map((text, n) => (n % 4 === 0 ? make("th", `${text} ${TIMES[0]}`) : make("th", text)));
    const rows = this.model.latencies[source].map((row) => {
      const { span } = row.first ?? row.second, link = make(span ? "a" : "span", row.name);
      if (span) {
        link.onclick = () => this.view.select(span, true);
        link.title = "shows the longest";
      }
      return make("tr", "", [
        make("td", "", [link]), make("td", (row.first ?? row.second).count.toLocaleString("en")),
        ...this.durations(row.first), ...(groups.length > 1 ? this.durations(row.second) : []),
      ]);
    });
    return make("table", "", [
      make("thead", "", [make("tr", "", [make("th", first), make("th", "times"), ...heads])]),
      make("tbody", "", rows.length > 0 ? rows : [make("tr", "", [make("td", "none")])]),
    ]);
  }

  durations(summary) {
    if (!summary)
      return [1, 2, 3, 4].map(() => make("td", "–"));
    const longest = make(summary.span ? "a" : "span", duration(summary.longest));
    if (summary.span) {
      longest.onclick = () => this.view.select(summary.span, true);
      longest.title = "shows it";
    }
    return [make("td", duration(summary.average)), make("td", duration(summary.median)),
      make("td", duration(summary.p99)), make("td", "", [longest])];
  }

  levelTable() {
    const colours = [this.palette.line, ...[0, 1, 2, 7, 13].map((irql) => this.palette.levels[irql])];
    const rows = this.model.latencies.levelTimes.map((times, n) => {
      const all = times.reduce((sum, time) => sum + time, 0) || 1;
      const bars = times.map((time, group) => {
        const bar = make("span");
        bar.className = "bar";
        bar.style.width = `${(time / all) * 240}px`;
        bar.style.background = colours[group];
        return bar;
      });
      return make("tr", "", [
        make("td", `processor ${n}`),
        ...times.map((time) => make("td", `${((time / all) * 100).toFixed(2)} %`)),
        make("td", "", bars), make("td", duration(all)),
      ]);
    });
    const heads = ["", ...LEVEL_GROUPS.map((name) => (name === "idle" ? name : `IRQL ${name}`)), "", "all"];
    return make("table", "", [
      make("thead", "", [make("tr", "", heads.map((text) => make("th", text)))]),
      make("tbody", "", rows),
    ]);
  }

  showDetails(span) {
    if (span === null) {
      details.replaceChildren(
        make("h2", "Nothing is chosen"),
        make("p", "Click a bar: it shows who queued it, set its timer or woke it, and what it caused. " +
          "Double-click zooms to it."),
        make("p", "Wheel or W and S: zoom. Drag, Shift+wheel, A and D: move. F: all of it. " +
          "/ searches, N and P go through what was found."),
        make("p", "A name in the tables leads to its longest case."));
      return;
    }
    const list = make("dl");
    for (const [what, text, target] of facts(span, this.model.names)) {
      const value = make("dd");
      if (target) {
        const link = make("a", text);
        link.onclick = () => this.view.select(target, true);
        value.append(link);
      } else {
        value.append(text);
      }
      list.append(make("dt", what), value);
    }
    for (const arrow of (this.view.outgoing.get(span) ?? []).slice(0, 12)) {
      if (!arrow.to.span)
        continue;
      const link = make("a", `${title(arrow.to.span)}, processor ${arrow.to.processor}`);
      link.onclick = () => this.view.select(arrow.to.span, true);
      list.append(make("dt", "Caused"), make("dd", "", [link]));
    }
    details.replaceChildren(make("h2", title(span)), list);
  }
}
