// Searching: which bars have a name that contains the text, and going from one to the next.
const input = document.getElementById("search");
const output = document.getElementById("found");

export class Search {
  constructor(model, view) {
    this.view = view;
    this.byName = new Map();
    for (const processor of model.processors)
      for (const lane of processor.lanes)
        for (const span of lane) {
          if (!this.byName.has(span.name))
            this.byName.set(span.name, []);
          this.byName.get(span.name).push(span);
        }
    this.found = [];
    this.current = -1;
    input.addEventListener("input", () => this.find(input.value));
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter")
        return;
      event.preventDefault();
      this.step(event.shiftKey ? -1 : 1);
    });
  }

  find(text) {
    const wanted = text.trim().toLowerCase();
    this.current = -1;
    if (wanted === "") {
      this.found = [];
      output.textContent = "";
      this.view.setMatches(null);
      return;
    }
    this.found = [...this.byName].filter(([name]) => name.toLowerCase().includes(wanted))
      .flatMap(([, spans]) => spans).sort((a, b) => a.start - b.start);
    this.show();
    this.view.setMatches(new Set(this.found));
  }

  // As if typed.
  look(text) {
    input.value = text;
    this.find(text);
  }

  show() {
    const count = this.found.length.toLocaleString("en");
    output.textContent = this.current < 0 ? count : `${(this.current + 1).toLocaleString("en")}/${count}`;
  }

  step(direction) {
    if (this.found.length === 0)
      return;
    this.current = (this.current + direction + this.found.length) % this.found.length;
    if (this.current < 0)
      this.current = this.found.length - 1;
    this.show();
    this.view.select(this.found[this.current], true);
  }

  clear() {
    input.value = "";
    input.blur();
    this.find("");
  }
}
