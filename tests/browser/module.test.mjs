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

/** Whether a file of reference tensors is one of a hundred training steps, which only the native tests run. */
function isTraining(path) {
  const bytes = readFileSync(path);
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
  return !Object.keys(header).some((name) => name.startsWith("model."));
}

const named = process.env.WADDINGTON_GOLDEN;
const folders = [join(root, "tests/golden"), ...(named ? [resolve(root, named)] : [])];
for (const folder of folders) {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));
  const names = files.filter((name) => !isTraining(join(folder, name)));
  for (const name of names.sort()) {
    for (const [backend, fused] of [["cpu", false], ["webgpu", false], ["webgpu", true]]) {
      const what = `parity of ${name} on ${backend}${fused ? ", attention fused" : ""}`;
      test(what, { gpu: backend === "webgpu", limit_s: 900 }, async ({ page }) => {
        await page.route("**/golden/file", (route) => route.fulfill({ path: join(folder, name) }));
        // A page of the site without the app, so that the check has the device to itself.
        await page.goto(new URL("pkg/worker.js", site).href);
        const report = await page.evaluate(async ([backend, fused]) => {
          const { default: initialise, runParity } = await import("/pkg/wasm/engine.js");
          await initialise();
          const bytes = new Uint8Array(await (await fetch("/golden/file")).arrayBuffer());
          const { failures, worst, n_compared } = await runParity(bytes, backend, fused);
          return { failures, worst, n_compared };
        }, [backend, fused]);
        console.log(report.worst.map((line) => `    ${line}`).join("\n"));
        equal(report.failures, [], "too far from the reference");
        holds(report.n_compared > 20, `only ${report.n_compared} tensors were compared`);
      });
    }
  }
}
