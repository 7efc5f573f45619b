// What the colours mean.
import { ARROW_NAMES, SPAN_NAMES } from "../lib/colors.mjs";

function entry(colour, text, kind = "") {
  const item = document.createElement("span"), mark = document.createElement("i");
  mark.className = kind;
  mark.style.background = colour;
  item.append(mark, text);
  return item;
}

function heading(text) {
  const item = document.createElement("b");
  item.textContent = text;
  return item;
}

export function showLegend(place, palette) {
  const levels = [
    [palette.idle, "idle"], [palette.levels[0], "0 PASSIVE"], [palette.levels[1], "1 APC"],
    [palette.levels[2], "2 DISPATCH"],
    [`linear-gradient(90deg, ${palette.levels[3]}, ${palette.levels[11]})`, "3 to 11 devices"],
    [palette.levels[13], "13 clock"],
    [palette.levels[14], "14 IPI"], [palette.levels[15], "15 HIGH"],
  ];
  place.replaceChildren(
    heading("IRQL"), ...levels.map(([colour, text]) => entry(colour, text)),
    heading("Bars"), ...Object.keys(SPAN_NAMES).filter((kind) => kind !== "idle")
      .map((kind) => entry(palette.spans[kind], SPAN_NAMES[kind])),
    heading("Arrows"), ...Object.keys(ARROW_NAMES)
      .map((kind) => entry(palette.arrows[kind], ARROW_NAMES[kind].split(",")[0], "arrow")),
  );
}
