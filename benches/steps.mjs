// A pretraining step of each preset in the browser's CPU backend: what `benches/compare.py` sets beside the same step
// natively and in PyTorch. `cargo xtask bench --only speed` runs both; the seconds go into target/benches/steps.json.
//
// It is timed as the app times it for a person: ten steps after one that is not counted, on the cells of the example;
// `webgpu` as argument times that backend.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Browsers, root, site } from "../tests/browser/harness.mjs";

const backend = process.argv[2] ?? "cpu";
const sizes = JSON.parse(readFileSync(join(root, "benches/sizes.json"), "utf8"));
const browsers = new Browsers();
const { page } = await browsers.open(backend === "webgpu");
page.setDefaultTimeout(3_600_000);
await page.goto(new URL("pkg/worker.js", site).href);
await page.evaluate(() => {
  const input = document.createElement("input");
  input.type = "file";
  document.body.append(input);
});
await page.locator("input").setInputFiles(join(root, "web/demo/metacells.h5ad"));
await page.evaluate(async (backend) => {
  const { Waddington } = await import("/pkg/index.js");
  globalThis.engine = await Waddington.start({ backend });
  await engine.loadDemo(new URL("/demo/", location.href));
  const opened = await engine.open(document.querySelector("input").files[0]);
  await engine.prepare(opened.suggested);
}, backend);
const seconds = {};
for (const { name, repeats: _, batch, n_genes, ...model } of sizes) {
  const config = {
    model, action: { n_steps: 0 }, decoder: { n_steps: 0 },
    pretrain: { n_steps: 100, batch_size: batch, max_lr: 1e-3, clip_norm: 1 },
  };
  const plan = await page.evaluate((config) => engine.planTraining(config), config);
  // The example has the genes that it has; a size with others is left to the native side.
  if (plan.config.model.n_genes === n_genes && plan.probe) seconds[name] = plan.probe.stages[0].step_secs;
}
await browsers.close();
const folder = join(root, process.env.CARGO_TARGET_DIR ?? "target", "benches");
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "steps.json"), JSON.stringify(seconds));
console.log(`seconds of a step in the browser (${backend}): ${JSON.stringify(seconds)}`);
