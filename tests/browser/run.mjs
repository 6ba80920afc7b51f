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
await import("./combined.test.mjs");
await import("./models.test.mjs");
await import("./cell_jepa.test.mjs");
await import("./bad_input.test.mjs");
await import("./looks.test.mjs");

const word = process.argv[2] ?? "";
const counts = { passed: 0, failed: 0, skipped: 0 };
const again = [];
await mkdir(screenshots, { recursive: true });

// A software GPU computes on one core, and so does most of the rest: one lane for each.
const asked = tests.filter((test) => test.name.includes(word));
await Promise.all([true, false].map((gpu) => lane(asked.filter((test) => test.gpu === gpu))));
if (again.length > 0) console.log(`passed at the second try alone: ${again.join("; ")}`);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
// A browser that hangs must not keep the process.
process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);

// Runs tests one after another. A headless browser hangs now and then for reasons of its own: a test that fails is run once
// more, in a new browser, and says so. What fails twice is broken, and so is what must never fail (`once`).
async function lane(tests) {
  const browsers = new Browsers();
  for (const test of tests) {
    if (await passes(browsers, test, test.once ? "FAILED" : "failed once, to be run again")) continue;
    await browsers.close();
    if (!test.once && (await passes(browsers, test, "FAILED"))) again.push(test.name);
    else counts.failed += 1;
  }
  await browsers.close();
}

async function passes(browsers, { name, gpu, limit_s, body }, failure) {
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
    return true;
  } catch (error) {
    if (error instanceof Skipped) {
      counts.skipped += 1;
      said(`skipped: ${error.message}`);
      return true;
    }
    said(failure);
    console.log(String(error.stack ?? error).replace(/^/gm, "    "));
    for (const line of session?.problems ?? []) console.log(`    console: ${line}`);
    const picture = `${screenshots}/failed-${name.replace(/\W+/g, "-")}.png`;
    await session?.page.screenshot({ path: picture }).catch(() => {});
    return false;
  } finally {
    clearTimeout(timer);
    await session?.context.close().catch(() => {});
  }
}
