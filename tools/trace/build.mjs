// Bundles the page's scripts into one file and puts script and style into the page: what is left
// open is the trace. Prints the template or writes it to a file.
//
//     node build.mjs FILE
import { build } from "esbuild";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const bundle = await build({
  entryPoints: [here("page/main.js")], bundle: true, minify: true, write: false, format: "iife",
  target: ["chrome90", "firefox113", "safari16.4"], legalComments: "eof", charset: "utf8",
});
const script = bundle.outputFiles[0].text.replaceAll("</script", "<\\/script");
const template = readFileSync(here("page/index.html"), "utf8")
  .replace("/*STYLE*/", () => readFileSync(here("page/style.css"), "utf8"))
  .replace("/*SCRIPT*/", () => script);
writeFileSync(process.argv[2], template);
