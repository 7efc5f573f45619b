// Tests as small as they can be: each prints `PASS name` or `FAIL name: why`.
import assert from "node:assert/strict";

let failed = 0;

export async function test(name, body) {
  try {
    await body();
    console.log(`PASS ${name}`);
  } catch (problem) {
    failed++;
    console.log(`FAIL ${name}: ${problem.message.split("\n").slice(0, 6).join(" ")}`);
  }
}

export function skip(name, why) {
  console.log(`SKIP ${name}: ${why}`);
}

export function finish() {
  process.exitCode = failed ? 1 : 0;
}

export { assert };
