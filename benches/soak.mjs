// Does training in the tab hold its memory? 2,000 steps on the CPU backend, `cargo xtask bench --only soak`, or with `--gpu`
// on WebGPU, with a model of one layer and batches of 4, since the GPU here is a software adapter. The second argument is
// a limit in minutes: what was done by then is judged.
//
// Looked at every 100 steps, on WebGPU every 20: the engine's WebAssembly memory, the heap of the page, and what the
// processes of the page and of the GPU hold by the system's count (Linux only). The software adapter's buffers lie in the
// GPU process. The first quarter is warm-up; after it nothing may grow by more than 5 % and 8 MiB.

import { readFileSync } from "node:fs";
import { Browsers, made, site } from "../tests/browser/harness.mjs";
import { memory } from "./peak.mjs";

const MIB = 1024 * 1024;
const STEPS = { pretrain: 1200, action: 600, decoder: 200 };
const [backend = "cpu", limit_min = "600"] = process.argv.slice(2);
const size = backend === "cpu" ? { layers: 2, batch: 8, look_every: 100 } : { layers: 1, batch: 4, look_every: 20 };
const stage = (n_steps) => ({ n_steps, batch_size: size.batch, max_lr: 0.002 });
const config = {
  model: {
    d_model: 8, n_heads: 2, n_layers: size.layers, n_pretrain_layers: size.layers,
    composer: { n_protein: 320, n_chemical: 4, n_dna: 4, n_latent: 8, n_mode: 4 },
  },
  report_every: 10, validate_every: 50, validation_batches: 1, validation_share: 0.2, hold_back: "cells",
  pretrain: stage(STEPS.pretrain), action: stage(STEPS.action), decoder: stage(STEPS.decoder),
};

// The module keeps its memory to itself: what it is made with is remembered before the worker's own code runs.
const REMEMBER = `
for (const name of ["instantiate", "instantiateStreaming"]) {
  const made = WebAssembly[name];
  WebAssembly[name] = async (...given) => {
    const result = await made.apply(WebAssembly, given);
    globalThis.wasm = (result.instance ?? result).exports.memory;
    return result;
  };
}
`;

async function soak(browsers) {
  const { page } = await browsers.open(backend === "webgpu");
  await page.route("**/pkg/worker.js", async (route) => {
    const response = await route.fetch();
    const body = REMEMBER + (await response.text());
    await route.fulfill({ response, body });
  });
  await page.route("**/dropped/screen.h5ad", (route) => route.fulfill({ body: readFileSync(made("screen.h5ad")) }));
  await page.goto(new URL("pkg/index.js", site).href);
  await page.evaluate(async ({ backend, config }) => {
    const { Waddington } = await import("/pkg/index.js");
    const engine = await Waddington.start({ backend });
    await engine.loadDemo(new URL("/demo/", location.href));
    const opened = await engine.open(new File([await (await fetch("/dropped/screen.h5ad")).blob()], "screen.h5ad"));
    await engine.prepare(opened.suggested);
    globalThis.steps = 0;
    const onEvent = (event) => event.type === "step" && (globalThis.steps = event.steps_done);
    engine.train({ name: "soak", config, saveEverySecs: 5 }, { onEvent }).then(
      (run) => (globalThis.ended = run.status.is),
      (error) => (globalThis.ended = error.message),
    );
  }, { backend, config });
  const rows = [];
  const total = STEPS.pretrain + STEPS.action + STEPS.decoder;
  const started = performance.now();
  const limit_ms = 60_000 * Number(limit_min);
  const left_ms = () => Math.max(1, limit_ms - (performance.now() - started));
  const isThere = (mark) => globalThis.steps >= mark || globalThis.ended;
  let mark = size.look_every;
  for (; mark <= total; mark += size.look_every) {
    const reached = await page.waitForFunction(isThere, mark, { timeout: left_ms(), polling: 50 }).catch(() => null);
    if (!reached) break;
    rows.push(await sample(page, mark));
  }
  const secs = (performance.now() - started) / 1000;
  const n_steps = await page.evaluate(() => globalThis.steps);
  if (mark > total) await page.waitForFunction(() => globalThis.ended, null, { timeout: 600_000 });
  const ended = (await page.evaluate(() => globalThis.ended)) ?? "not over";
  if (mark > total && ended !== "done") throw new Error(`the run on ${backend} ended so: ${ended}`);
  print(rows, secs / n_steps);
  if (mark <= total) console.log(`\n${n_steps} of ${total} steps within ${limit_min} minutes; the run is ${ended}`);
  return rows.length < 4 ? [`only ${rows.length} looks at the memory`] : grown(rows);
}

async function sample(page, mark) {
  const [worker] = page.workers();
  const wasm = await worker.evaluate(() => globalThis.wasm.buffer.byteLength);
  const heap = await page.evaluate(() => performance.memory.usedJSHeapSize);
  const { held, gpu } = memory();
  return { step: mark, wasm, heap, page: held, gpu };
}

function print(rows, step_secs) {
  const mib = (bytes) => (bytes / MIB).toFixed(1);
  console.log(`\n${backend}: ${(step_secs * 1000).toFixed(0)} ms a step; MiB`);
  console.log("| step | engine's memory | page's heap | page's process | GPU's process |\n|---|---|---|---|---|");
  const n_apart = Math.ceil(rows.length / 5);
  for (const row of rows.filter((_, at) => at === 0 || (at + 1) % n_apart === 0)) {
    console.log(`| ${row.step} | ${[row.wasm, row.heap, row.page, row.gpu].map(mib).join(" | ")} |`);
  }
}

/** What grew after the first quarter: the smallest of a quarter with the smallest of the last, so that garbage is not counted. */
function grown(rows) {
  const quarter = Math.floor(rows.length / 4);
  const least = (rows, field) => Math.min(...rows.map((row) => row[field]));
  return ["wasm", "heap", "page", "gpu"].flatMap((field) => {
    const [early, late] = [least(rows.slice(quarter, 2 * quarter), field), least(rows.slice(-quarter), field)];
    return late > early * 1.05 && late > early + 8 * MIB ? [`${field} grew from ${early} to ${late} bytes`] : [];
  });
}

const browsers = new Browsers();
const problems = await soak(browsers);
await browsers.close();
console.log(problems.length ? `\nNOT FLAT: ${problems.join("; ")}` : "\nflat");
process.exit(problems.length ? 1 : 0);
