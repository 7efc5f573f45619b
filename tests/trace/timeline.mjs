#!/usr/bin/env node
// From the kernel to the picture: boots with --trace, converts, and looks at the page in headless
// Chromium as a person would: hover, click, search, zoom. Without Chromium only the first part.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { PALETTES } from "../../tools/trace/lib/colors.mjs";
import { T, readTrace } from "../../tools/trace/lib/format.mjs";
import { buildModel } from "../../tools/trace/lib/model.mjs";
import { assert, finish, skip, test } from "./check.mjs";
import { many, scenario } from "./synthetic.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BUILD_ROOT = process.env.BUILD_ROOT ?? "build";
const TEMPLATE = join(BUILD_ROOT, "trace/template.html");
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);
process.chdir(ROOT);

const folder = mkdtempSync(join(tmpdir(), "metronome-timeline."));
const file = (name) => join(folder, name);
process.on("exit", () => rmSync(folder, { recursive: true }));

function run(command, ...options) {
  const result = spawnSync(command, options, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  return { status: result.status, output: result.stdout + result.stderr };
}

function makePage(name, trace) {
  const page = file(`${name}.html`);
  const { status, output } = run("tools/trace/convert.mjs", "--template", TEMPLATE, "--html", page, trace);
  assert.equal(status, 0, output);
  return page;
}

// ---- from the kernel ----

// What has been built is booted; otherwise run-qemu.sh builds it.
function use(build) {
  const esp = join(BUILD_ROOT, build, "esp");
  if (existsSync(esp))
    process.env.METRONOME_ESP = esp;
  else
    delete process.env.METRONOME_ESP;
}

let model;
await test("kernel_to_file", () => {
  use("checked");
  const { status, output } = run("./run-qemu.sh", "--smp", "2", "--timeout", "120", "--trace",
    file("demo.trace"), "--", "demo=1");
  assert.equal(status, 0, output.slice(-2000));
  assert.match(output, /^trace: \d+ events of 2 processors, none lost$/m);
  assert.match(output, /^Time at each IRQL/m); // stats at the end
  assert.match(output, /^ +\d+ +rtc!CustomDpc( +\d+\.\d){4}\r?$/m);
  model = buildModel(readTrace(new Uint8Array(readFileSync(file("demo.trace")))));
});

await test("kernel_trace_makes_sense", () => {
  const spans = model.processors.flatMap((p) => p.lanes.flat());
  const named = (kind, name) => spans.filter((s) => s.kind === kind && s.name === name);
  const dpcs = named("dpc", "rtc!CustomDpc");
  assert.ok(dpcs.length >= 30, `${dpcs.length} runs of rtc!CustomDpc`);
  for (const dpc of dpcs) {
    assert.equal(dpc.irql, 2);
    assert.equal(dpc.cause.from.by.name, "rtc!InterruptService");
    assert.ok(dpc.start >= dpc.cause.from.time);
  }
  const periodic = named("dpc", "customtimer!PeriodicDpc");
  assert.ok(periodic.length >= 5 && periodic.every((s) => s.timer.late >= 0 && s.start >= s.timer.due));
  assert.ok(named("isr", "rtc!InterruptService").every((s) => s.irql === 11));
  assert.ok(named("threaded", "threadeddpc!ThreadedDpc").length >= 2);
  assert.ok(spans.some((s) => s.kind === "idle") && spans.some((s) => s.name === "waitabletimer!ThreadRoutine"));
  assert.ok(model.processors.every((p) => p.lockLanes.length > 0)); // a checked build
});

await test("a_bug_check_keeps_its_trace", () => {
  use("test");
  const { status, output } = run("./run-qemu.sh", "--build", "test", "--smp", "2", "--timeout", "120",
    "--trace", file("crash.trace"), "--", "bugcheck=manual");
  assert.equal(status, 3, output.slice(-2000));
  assert.match(output, /^Trace +the last events/m);
  const { processors } = readTrace(new Uint8Array(readFileSync(file("crash.trace"))));
  const last = processors.map(({ events }) => events.type[events.count - 1]);
  assert.ok(last.includes(T.BugCheck));
});

// ---- the page ----

let browser, page;
const errors = [];

async function open(path, options = {}) {
  page = await browser.newPage({ viewport: { width: 1400, height: 900 }, ...options });
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (problem) => errors.push(problem.message));
  page.on("request", (request) => request.url().startsWith("http") && errors.push(request.url()));
  await page.goto(`file://${path}`);
  await page.waitForFunction(() => globalThis.timeline || !document.getElementById("problem").hidden);
  await drawn();
}

// Until all that was asked for has been drawn.
async function drawn() {
  await page.evaluate(() => new Promise((done) => setTimeout(() =>
    requestAnimationFrame(() => requestAnimationFrame(done)), 350)));
}

// Where the middle of the n-th bar with this name is on the screen.
function placeOf(name, n) {
  return page.evaluate(([wanted, number]) => {
    const { view, search } = globalThis.timeline, span = search.byName.get(wanted)[number];
    const box = view.canvas.getBoundingClientRect();
    const y = view.layout.middle(span.processor, span) + 30 - view.scroll.scrollTop;
    return { x: box.left + view.scale((span.start + span.end) / 2), y: box.top + y };
  }, [name, n]);
}

async function colours() {
  const picture = await page.locator("#timeline").screenshot();
  return page.evaluate(async (data) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height), c = canvas.getContext("2d");
    c.drawImage(image, 0, 0);
    const pixels = new Uint32Array(c.getImageData(0, 0, image.width, image.height).data.buffer);
    const counts = new Map();
    pixels.forEach((p) => counts.set(p, (counts.get(p) ?? 0) + 1));
    return [...counts].map(([p, count]) => [`#${[p & 255, (p >> 8) & 255, (p >> 16) & 255]
      .map((v) => v.toString(16).padStart(2, "0")).join("")}`, count]);
  }, picture.toString("base64")).then((pairs) => new Map(pairs));
}

async function pageTests() {
  writeFileSync(file("scenario.trace"), scenario().lose(1, 12).bytes());
  const small = makePage("scenario", file("scenario.trace"));

  await test("page_shows_the_trace", async () => {
    await open(small);
    assert.match(await page.textContent("#facts"), /2 processors · 5\d\d\.\d µs · 28 events/);
    assert.equal(await page.textContent("#lost"), "12 older events lost");
    const seen = await colours(), { light } = PALETTES;
    for (const colour of [light.levels[2], light.levels[5], light.levels[15], light.spans.dpc,
      light.spans.isr, light.spans.interrupt, light.spans.thread])
      assert.ok((seen.get(colour) ?? 0) > 10, `${colour} is on the page`);
    assert.match(await page.textContent("#table"), /disk!CustomDpc2/);
  });

  await test("page_hover", async () => {
    const { x, y } = await placeOf("disk!Isr", 0);
    await page.mouse.move(x, y);
    await drawn();
    assert.match(await page.textContent("#tooltip"), /disk!Isr.*IRQL 5, 13\.0 µs/);
  });

  await test("page_click_tells_the_cause", async () => {
    const { x, y } = await placeOf("disk!CustomDpc", 0);
    await page.mouse.click(x, y);
    const details = await page.textContent("#details");
    assert.match(details, /Timer due0\.000300 sexpired 5\.00 µs late, ran 10\.0 µs late/);
    await page.click("#details a >> text=worker");
    assert.match(await page.textContent("#details h2"), /worker/);
  });

  await test("page_search", async () => {
    await page.fill("#search", "custom");
    assert.equal(await page.textContent("#found"), "2");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await drawn();
    assert.equal(await page.textContent("#found"), "2/2");
    assert.match(await page.textContent("#details"), /Queued bydisk!Isr, processor 0/);
    await page.keyboard.press("Escape");
    assert.equal(await page.textContent("#found"), "");
  });

  await test("page_zoom_and_pan", async () => {
    const range = () => page.evaluate(() => globalThis.timeline.view.range());
    await page.click("#fit");
    await drawn();
    const all = await range(), { x, y } = await placeOf("disk!Isr", 0);
    await page.mouse.move(x, y);
    for (let n = 0; n < 8; n++)
      await page.mouse.wheel(0, -240);
    await drawn();
    const near = await range();
    assert.ok(near[1] - near[0] < (all[1] - all[0]) / 8);
    assert.ok(near[0] < 402 && near[1] > 415, `the ISR stays in view: ${near}`);
    await page.mouse.down();
    await page.mouse.move(x + 100, y, { steps: 4 });
    await page.mouse.up();
    assert.ok((await range())[0] < near[0]);
    await page.keyboard.press("f");
    await drawn();
    assert.deepEqual((await range()).map(Math.round), all.map(Math.round));
  });

  await test("page_tables", async () => {
    for (const [tab, content] of [["Interrupts", /interrupt 0x501/], ["Timers", /disk!CustomDpc1/],
      ["Threads", /worker1/], ["IRQL", /processor 1/]]) {
      await page.click(`#tabs >> text=${tab}`);
      assert.match(await page.textContent("#table"), content);
    }
    await page.click("#tabs >> text=DPC routines");
    await page.click("#table a >> nth=0");
    assert.match(await page.textContent("#details h2"), /disk!CustomDpc/);
  });

  await test("page_dark", async () => {
    await open(small, { colorScheme: "dark" });
    const seen = await colours();
    assert.ok(seen.get(PALETTES.dark.background) > 10000 && !seen.has("#ffffff"));
  });

  await test("page_of_the_kernel", async () => {
    await open(makePage("demo", file("demo.trace")));
    await page.fill("#search", "rtc!CustomDpc");
    await page.keyboard.press("Enter");
    await drawn();
    assert.match(await page.textContent("#details"), /Queued byrtc!InterruptService/);
  });

  await test("page_of_a_damaged_trace", async () => {
    const bad = file("bad.html"), text = readFileSync(small, "utf8");
    const none = gzipSync(Buffer.from("no trace")).toString("base64");
    writeFileSync(bad, text.replace(/(octet-stream">)[^<]*/, `$1${none}`));
    errors.length = 0;
    await open(bad);
    assert.match(await page.textContent("#problem"), /^This trace cannot be shown: this is no trace/);
    errors.length = 0; // it tells the console, too
  });

  await test("page_of_a_million_events", async () => {
    writeFileSync(file("many.trace"), many(1_000_000).bytes());
    const path = makePage("many", file("many.trace"));
    const size = readFileSync(path).length;
    assert.ok(size < 40e6, `${size} bytes`);
    await open(path);
    const loadMs = await page.evaluate(() => globalThis.timeline.loadMs);
    const drawMs = await page.evaluate(async () => {
      const { view, model } = globalThis.timeline, slowest = { ms: 0 };
      for (let zoom = 1; zoom < 1e6; zoom *= 10) {
        const middle = model.end / 3, half = model.end / zoom / 2;
        view.zoomTo(middle - half, middle + half, false);
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        if (view.drawMs > slowest.ms)
          Object.assign(slowest, { ms: view.drawMs, zoom });
      }
      return slowest.ms;
    });
    console.log(`a million events: ${(size / 1e6).toFixed(1)} MB, loaded in ${Math.round(loadMs)} ms, ` +
      `slowest frame ${Math.round(drawMs)} ms`);
    assert.ok(loadMs < 30000, `loaded in ${loadMs} ms`);
    assert.ok(drawMs < 1500, `a frame took ${drawMs} ms`);
  });

  await test("page_needs_no_network_and_makes_no_errors", () => assert.deepEqual(errors, []));
}

const NAMES = "the tests of the page";
if (CHROMIUM === undefined) {
  skip(NAMES, "Chromium is not installed");
} else {
  const built = run("make", "--silent", "--no-print-directory", "trace-page");
  await test("page_is_built", () => assert.equal(built.status, 0, built.output));
  const { chromium } = await import("../../tools/trace/node_modules/playwright-core/index.mjs");
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  await pageTests();
  await browser.close();
}
finish();
