// Light or dark: as the system says, or as the button did.
import { PALETTES } from "../lib/colors.mjs";

const SHARED = ["background", "panel", "text", "muted", "line", "grid", "selected"];

export function preferredTheme() {
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function applyTheme(name) {
  const palette = PALETTES[name], root = document.documentElement;
  root.classList.toggle("dark", name === "dark");
  for (const colour of SHARED)
    root.style.setProperty(`--${colour}`, palette[colour]);
  return palette;
}
