// Runs the tests of the built site in a headless browser: with WebGPU on a software adapter, and without WebGPU.
// Started by `cargo xtask test`, which sets CHROME (a browser's program) and SITE (the address that serves web/dist).
//
//   node tests/browser/run.mjs [word]     only tests whose name contains the word

import { mkdir } from "node:fs/promises";
import { Browsers, Skipped, screenshots, tests } from "./harness.mjs";

await import("./module.test.mjs");
await import("./package.test.mjs");
await import("./app.test.mjs");
await import("./genes.test.mjs");
await import("./atlas.test.mjs");
await import("./train.test.mjs");
await import("./hidden.test.mjs");
await import("./evaluate.test.mjs");
await import("./asked.test.mjs");
await import("./models.test.mjs");
await import("./bad_input.test.mjs");
await import("./looks.test.mjs");

const word = process.argv[2] ?? "";
const counts = { passed: 0, failed: 0, skipped: 0 };
const browsers = new Browsers();
await mkdir(screenshots, { recursive: true });
// A headless browser hangs now and then for reasons of its own: a test that fails is run once more, in a new browser,
// and says so. What fails twice is broken.
const queue = tests.filter((test) => test.name.includes(word)).map((test) => ({ ...test, is_retry: false }));
for (const { is_retry, ...asked } of queue) {
  const { name, gpu, limit_s, body } = asked;
  const started = performance.now();
  const said = (outcome) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${outcome} (${seconds} s)  ${name}${gpu ? " [webgpu]" : ""}`);
  };
  let session;
  let timer;
  try {
    session = await browsers.open(gpu);
    const limit = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${limit_s} s`)), limit_s * 1000);
    });
    await Promise.race([body(session), limit]);
    session.check();
    counts.passed += 1;
    said("passed");
  } catch (error) {
    if (error instanceof Skipped) {
      counts.skipped += 1;
      said(`skipped: ${error.message}`);
    } else {
      if (is_retry) counts.failed += 1;
      else queue.splice(queue.findIndex((test) => test.name === name && test.gpu === gpu) + 1, 0, { ...asked, is_retry: true });
      said(is_retry ? "FAILED" : "failed once, to be run again");
      console.log(String(error.stack ?? error).replace(/^/gm, "    "));
      for (const line of session?.problems ?? []) console.log(`    console: ${line}`);
      const picture = `${screenshots}/failed-${name.replace(/\W+/g, "-")}.png`;
      await session?.page.screenshot({ path: picture }).catch(() => {});
    }
  } finally {
    clearTimeout(timer);
    await session?.context.close().catch(() => {});
  }
  if (queue.some((test) => test.name === name && test.is_retry) && !is_retry) await browsers.close();
}
await browsers.close();
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
// A browser that hangs must not keep the process.
process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
