// Opening and preparing 100,000 cells in the browser against kana's engine, scran.js, on the same file, in the same
// browser, in turns: `cargo xtask bench --only kana` runs it. `--only-make` of prepare.py made the file.
//
// Each turn is a browser of its own. Both open the file, read all counts, compute the quality of the cells, drop those
// out of the same bounds, normalise, take logs and choose 2,000 variable genes. The time of each step and the peak of
// the memory of the page's process are reported. ROUNDS and CELLS name another number of turns and another file.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { loadavg } from "node:os";
import { join } from "node:path";
import { Browsers, root, site } from "../tests/browser/harness.mjs";
import { memory } from "./peak.mjs";

const N_ROUNDS = Number(process.env.ROUNDS ?? 3);
const N_TOP_GENES = 2000;
const BOUNDS = { min_counts: 700, min_genes: 500, max_pct_mitochondrial: 0.2 };
const WASMARRAYS = "/node_modules/wasmarrays.js/src/index.js";
const MIB = 1024 * 1024;
const path = process.env.CELLS ?? join(root, process.env.CARGO_TARGET_DIR ?? "target", "benches", "cells_100000.h5ad");

/** The two builds of scran.js: 4.1 counts memory in 64 bits and holds up to 16 GB, 4.0 in 32 bits and up to 4. */
const SIDES = { ours, "scran.js 4.1.0": scran("scran-64"), "scran.js 4.0.9": scran("scran-32"), floor };

// Serves this folder's page, worker and packages. Threads that share memory need a page that is isolated from others.
async function serve() {
  const types = { js: "text/javascript", wasm: "application/wasm" };
  const server = createServer(({ url }, response) => {
    const headers = {
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
      "Content-Type": types[url.split(".").pop()] ?? "text/html",
    };
    if (url === "/") return response.writeHead(200, headers).end("<!doctype html><title>bench</title>");
    try {
      let bytes = readFileSync(join(root, "benches", new URL(url, "http://localhost").pathname));
      // A bundler would resolve the name of the other package; a worker has no import map.
      if (url.endsWith(".js")) bytes = bytes.toString().replaceAll('"wasmarrays.js"', `"${WASMARRAYS}"`);
      response.writeHead(200, headers).end(bytes);
    } catch {
      response.writeHead(404, headers).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** A page with an input that holds the file, and where it tells what it holds. */
async function start(browsers, url) {
  const { page } = await browsers.open(false);
  page.setDefaultTimeout(600_000);
  await page.goto(url);
  await page.evaluate(() => {
    const input = document.createElement("input");
    input.type = "file";
    document.body.append(input);
  });
  await page.locator("input").setInputFiles(path);
  return page;
}

async function ours(browsers, isLast) {
  const page = await start(browsers, new URL("pkg/worker.js", site).href);
  await page.exposeFunction("memory", memory);
  await page.evaluate(startEngine);
  const before = memory();
  const found = await page.evaluate(prepareWithEngine, { bounds: BOUNDS, n_top_genes: N_TOP_GENES, isLast });
  return { ...found, before };
}

/** In the page: a worker with our engine, `ask` and `cancelLast`. */
async function startEngine() {
  const worker = new Worker("/pkg/worker.js", { type: "module" });
  const waiting = new Map();
  let lastId = 0;
  worker.onmessage = ({ data: { id, body } }) => {
    const request = waiting.get(id);
    if (body?.type === "progress") return request?.onProgress(body);
    if (body?.type === "failed") return request?.reject(new Error(body.message));
    request?.resolve(body);
  };
  globalThis.ask = (body, { files = [], onProgress = () => {} } = {}) => new Promise((resolve, reject) => {
    const id = ++lastId;
    waiting.set(id, { resolve, reject, onProgress });
    worker.postMessage({ id, body, files, names: files.map(({ name }) => name) });
  });
  globalThis.cancelLast = () => {
    const request = lastId;
    lastId += 1;
    worker.postMessage({ id: lastId, body: { type: "cancel", request }, files: [] });
  };
  await globalThis.ask({ type: "start", backend: "cpu", attention: "plain" });
}

/** In the page: all steps, timed. */
async function prepareWithEngine({ bounds, n_top_genes, isLast }) {
  const file = document.querySelector("input").files[0];
  const seconds = {};
  let last = performance.now();
  const lap = (name) => {
    const now = performance.now();
    seconds[name] = (seconds[name] ?? 0) + (now - last) / 1000;
    last = now;
  };
  const { opened } = await globalThis.ask({ type: "open", join: "union" }, { files: [file] });
  lap("open");
  const isRead = ({ task, done, total }) => task === "Reading the counts" && done === total && lap("read");
  const options = { ...opened.suggested, filter: bounds };
  const { prepared } = await globalThis.ask({ type: "prepare", options }, { onProgress: isRead });
  lap("quality");
  let memory;
  const config = { genes: { flavor: "seurat", n_top_genes } };
  const isChosen = ({ task, done, total }) => {
    if (task !== "Choosing the variable genes" || done !== total) return;
    lap("variable_genes");
    memory = globalThis.memory();
    // The last time the map is made too, for the answer says which genes were chosen.
    if (!isLast) globalThis.cancelLast();
  };
  const { genes } = await globalThis.ask({ type: "embed", config }, { onProgress: isChosen });
  const { total_counts, n_genes_by_counts } = prepared.quality;
  const numbers = (bytes, Numbers) => [...new Numbers(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
  return {
    seconds,
    after: await memory,
    n_kept: prepared.n_cells,
    totals: numbers(total_counts, Float32Array),
    n_genes: numbers(n_genes_by_counts, Float32Array),
    chosen: genes && numbers(genes.chosen, Uint32Array).map((gene) => genes.symbols[gene]),
  };
}

function scran(version) {
  return async (browsers) => {
    const { page, steps } = await startWorker(browsers);
    const { threads } = await steps("start", { version });
    const before = memory();
    await steps("open", { needsFile: true });
    await steps("read");
    await steps("quality");
    const { n_kept } = await steps("filter", { bounds: BOUNDS });
    await steps("normalise");
    const { chosen } = await steps("variable_genes", { n_top_genes: N_TOP_GENES });
    const after = memory();
    const seconds = await page.evaluate(() => globalThis.seconds);
    const { totals, n_genes, heap } = await steps("totals");
    delete seconds.start;
    return { seconds, before, after, n_kept, chosen, totals, n_genes, heap, threads };
  };
}

async function floor(browsers) {
  const { page, steps } = await startWorker(browsers);
  const before = memory();
  const chunks = JSON.parse(readFileSync(`${path}.chunks.json`, "utf8"));
  await steps("read_file", { needsFile: true });
  const inflated = await steps("inflate", { chunks });
  return { seconds: await page.evaluate(() => globalThis.seconds), before, after: memory(), inflated };
}

/** A page with `kana.worker.js`; `steps` asks it for one step, and notes how long it took in the page. */
async function startWorker(browsers) {
  const page = await start(browsers, `http://localhost:${server.address().port}/`);
  await page.evaluate(() => {
    globalThis.seconds = {};
    const worker = new Worker("/kana.worker.js", { type: "module" });
    worker.onerror = (event) => globalThis.failed?.(event.message);
    globalThis.step = ({ step, needsFile, ...rest }) => new Promise((resolve, reject) => {
      const file = needsFile ? document.querySelector("input").files[0] : null;
      const started = performance.now();
      globalThis.failed = (message) => reject(new Error(message));
      worker.onmessage = ({ data: { answer, error } }) => {
        if (error) return reject(new Error(error));
        globalThis.seconds[step] = (performance.now() - started) / 1000;
        // Columns of numbers travel to the script as lists.
        for (const [name, value] of Object.entries(answer)) if (ArrayBuffer.isView(value)) answer[name] = [...value];
        resolve(answer);
      };
      worker.postMessage({ step, file, ...rest });
    });
  });
  const steps = (step, rest) => page.evaluate((body) => globalThis.step(body), { step, ...rest });
  return { page, steps };
}

function line({ seconds, total = sum(seconds), before, after }) {
  const parts = Object.entries(seconds).map(([step, seconds]) => `${step} ${seconds.toFixed(2)}`).join(", ");
  const cpu = `${(after.cpu - before.cpu).toFixed(2)} s of all cores`;
  return `${total.toFixed(2)} s (${parts}), ${cpu}; peak ${mib(after.peak)}, loaded engine ${mib(before.held)}`;
}

function sum(seconds) {
  return Object.values(seconds).reduce((sum, seconds) => sum + seconds, 0);
}

function mib(bytes) {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** The medians of a side's turns, each number by itself. */
function medians(turns) {
  const of = (number) => median(turns.map(number));
  const steps = Object.keys(turns[0].seconds);
  return {
    seconds: Object.fromEntries(steps.map((step) => [step, of(({ seconds }) => seconds[step])])),
    total: of(({ seconds }) => sum(seconds)),
    before: { held: of(({ before }) => before.held), cpu: 0 },
    after: { peak: of(({ after }) => after.peak), cpu: of(({ before, after }) => after.cpu - before.cpu) },
    beyond: of(({ before, after }) => after.peak - before.held),
  };
}

/** Whether two sides did the same work. */
function compare(ours, theirs) {
  const furthest = (name) => Math.max(...ours[name].map((value, cell) => Math.abs(value - theirs[name][cell])));
  const chosen = new Set(theirs.chosen);
  const shared = ours.chosen.filter((gene) => chosen.has(gene)).length;
  return `cells kept: ours ${ours.n_kept}, theirs ${theirs.n_kept}; largest difference of a cell's total `
    + `${furthest("totals")}, of its number of genes ${furthest("n_genes")}; `
    + `variable genes: ours ${ours.chosen.length}, theirs ${chosen.size}, in common ${shared}`;
}

function report(rounds) {
  const [ourTurns, ...others] = Object.entries(rounds);
  const ours = medians(ourTurns[1]);
  for (const [name, turns] of [ourTurns, ...others].filter(([, turns]) => turns.length > 0)) {
    const side = medians(turns);
    console.log(`\n${name}, medians of ${turns.length}: ${line(side)}`);
    if (name === ourTurns[0]) continue;
    const [time, peak] = [ours.total / side.total, ours.after.peak / side.after.peak];
    const [cpu, beyond] = [ours.after.cpu / side.after.cpu, ours.beyond / side.beyond];
    console.log(`  ours / ${name}: time ${time.toFixed(2)}, of all cores ${cpu.toFixed(2)}, peak ${peak.toFixed(2)}, `
      + `peak beyond the loaded engine ${beyond.toFixed(2)}`);
    const { threads, heap, inflated } = turns.at(-1);
    if (threads) console.log(`  ${threads} threads, heap ${mib(heap)}; ${compare(ourTurns[1].at(-1), turns.at(-1))}`);
    if (inflated) console.log(`  ${mib(inflated.read)} inflated to ${mib(inflated.bytes)}`);
  }
}

const server = await serve();
const rounds = Object.fromEntries(Object.keys(SIDES).map((name) => [name, []]));
let isComplete = true;
for (let round = 1; round <= N_ROUNDS; round += 1) {
  for (const [name, side] of Object.entries(SIDES)) {
    const browsers = new Browsers();
    const load = loadavg()[0].toFixed(1);
    try {
      const found = await side(browsers, round === N_ROUNDS);
      rounds[name].push(found);
      console.log(`round ${round}, ${name}: ${line(found)}; load average before ${load}`);
    } catch (error) {
      isComplete = false;
      console.log(`round ${round}, ${name}: failed: ${error.message}`);
    }
    await browsers.close();
  }
}
server.close();
report(rounds);
process.exit(isComplete ? 0 : 1);
