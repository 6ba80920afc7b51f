// Peak memory of opening and preparing a 1 GB h5ad in the browser: `cargo xtask bench --only memory` runs it.
//
// The page's process is measured by the system (VmHWM of /proc, Linux only), before the file is dropped and after its
// counts are read.

import { join } from "node:path";
import { Browsers, root, site } from "../tests/browser/harness.mjs";
import { memory } from "./peak.mjs";

const MIB = 1024 * 1024;
const target = join(root, process.env.CARGO_TARGET_DIR ?? "target");

const browsers = new Browsers();
const { page } = await browsers.open(false);
await page.goto(new URL("pkg/worker.js", site).href);
await page.evaluate(async () => {
  const { Waddington } = await import("/pkg/index.js");
  globalThis.engine = await Waddington.start({ backend: "cpu" });
  const input = document.createElement("input");
  input.type = "file";
  document.body.append(input);
});
await page.locator("input").setInputFiles(join(target, "browser-files", "large.h5ad"));
const before = memory().peak;
const file = await page.evaluate(async () => {
  globalThis.opened = await globalThis.engine.open(document.querySelector("input").files[0]);
  return { kept: globalThis.opened.bytes_needed, size: document.querySelector("input").files[0].size };
});
const opened = memory().peak;
const started = performance.now();
await page.evaluate(async () => {
  await globalThis.engine.prepare(globalThis.opened.suggested);
});
const seconds = ((performance.now() - started) / 1000).toFixed(1);
const mib = (bytes) => `${(bytes / MIB).toFixed(0)} MiB`;
const { peak } = memory();
console.log(`file ${mib(file.size)}; engine before ${mib(before)}; after planning ${mib(opened)}; peak ${mib(peak)}`);
console.log(`read and prepared in ${seconds} s; peak beyond the engine ${mib(peak - before)}`);
console.log(`of that the plan said ${mib(file.kept)} would be kept (an estimate; the aim is under 300 MiB beyond what is kept)`);
await browsers.close();
