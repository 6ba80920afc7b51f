// The engine's module itself: how it is built, and its model against the reference's own numbers.

import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { equal, holds, root, site, test } from "./harness.mjs";

test("no export of the module re-runs its constructors", {}, async () => {
  const module = await WebAssembly.compile(readFileSync(join(root, "pkg/wasm/engine_bg.wasm")));
  const wrapped = WebAssembly.Module.exports(module).filter(({ name }) => name.endsWith(".command_export"));
  equal(wrapped, [], "exports that the linker wrapped");
});

test("the module is served compressed, and its size is told", {}, async () => {
  const response = await fetch(new URL("pkg/wasm/engine_bg.wasm.gz", site));
  const bytes = new Uint8Array(await response.arrayBuffer());
  equal([bytes[0], bytes[1]], [0x1f, 0x8b], "first bytes");
  equal(Number(response.headers.get("content-length")), bytes.length, "content-length");
  holds(bytes.length < 8e6, `${bytes.length} bytes are too many to wait for`);
});

test("kernels equal the plain path on webgpu", { gpu: true, limit_s: 600 }, async ({ page }) => {
  await page.goto(new URL("pkg/worker.js", site).href);
  const report = await page.evaluate(async () => {
    const { default: initialise, runKernels } = await import("/pkg/wasm/engine.js");
    await initialise();
    const { failures, worst, n_compared } = await runKernels("webgpu");
    return { failures, worst, n_compared };
  });
  console.log(report.worst.map((line) => `    ${line}`).join("\n"));
  equal(report.failures, [], "too far from the plain path");
  equal(report.n_compared, 24, "comparisons");
});

/** Whether a file of reference tensors is one of a hundred training steps. */
function isTraining(path) {
  const bytes = readFileSync(path);
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
  return !Object.keys(header).some((name) => name.startsWith("model."));
}

/**
 * Backend, whether attention is fused, and of a file of training steps how many of each stage: a GPU that is rendered by the
 * processor takes two minutes for twenty of each. Cell-JEPA has nothing to fuse.
 */
function runsOf(name, trains) {
  if (trains) return [["cpu", false, 100], ["webgpu", false, 20]];
  const plain = [["cpu", false, 0], ["webgpu", false, 0]];
  return name.startsWith("cell_jepa") ? plain : [...plain, ["webgpu", true, 0]];
}

const named = process.env.WADDINGTON_GOLDEN;
const folders = [join(root, "tests/golden"), ...(named ? [resolve(root, named)] : [])];
for (const folder of folders) {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));
  for (const name of files.sort()) {
    const trains = isTraining(join(folder, name));
    for (const [backend, fused, n_steps] of runsOf(name, trains)) {
      const what = `parity of ${name} on ${backend}${fused ? ", attention fused" : ""}`;
      test(trains ? `${what}, ${n_steps} steps of each stage` : what, { gpu: backend === "webgpu", limit_s: 900 }, async ({ page }) => {
        await page.route("**/golden/file", (route) => route.fulfill({ path: join(folder, name) }));
        // A page of the site without the app, so that the check has the device to itself.
        await page.goto(new URL("pkg/worker.js", site).href);
        const report = await page.evaluate(async (how) => {
          const { default: initialise, runParity } = await import("/pkg/wasm/engine.js");
          await initialise();
          const bytes = new Uint8Array(await (await fetch("/golden/file")).arrayBuffer());
          const { failures, worst, n_compared } = await runParity(bytes, ...how);
          return { failures, worst, n_compared };
        }, [backend, fused, n_steps]);
        console.log(report.worst.map((line) => `    ${line}`).join("\n"));
        equal(report.failures, [], "too far from the reference");
        // Of training, each stage's losses; the tensors that it made where all its steps were done.
        const least = trains ? 4 : 20;
        holds(report.n_compared >= least, `only ${report.n_compared} tensors were compared`);
      });
    }
  }
}
