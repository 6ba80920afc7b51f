// Frame times of the map with a million cells: `cargo xtask bench --only map` builds the site and runs it, once
// `benches/million_map.py target/browser-files/million.h5ad` has made the file.
//
// What is timed is the page as a person has it: the pointer pans, the wheel zooms, the lasso chooses; frames are counted by
// requestAnimationFrame. The browser is headless and without a GPU, so that the CPU paints everything.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { Browsers, root, screenshots } from "../tests/browser/harness.mjs";

const file = process.argv[2] ?? join(root, process.env.CARGO_TARGET_DIR ?? "target", "browser-files", "million.h5ad");
if (!existsSync(file)) {
  console.error(`error: ${file} is not there: python3 benches/million_map.py ${file}`);
  process.exit(1);
}
const browsers = new Browsers();
const { page, app } = await browsers.open(false);
await app.openExample();
const since = performance.now();
await app.prepare(file);
await app.at("nav-look").click();
await app.at("map-expression").waitFor();
await app.idle();
console.log(`read, prepared and mapped in ${((performance.now() - since) / 1000).toFixed(1)} s`);
await app.at("map-expression").evaluate((canvas) => canvas.scrollIntoView({ block: "center" }));
const box = await page.locator('canvas[data-testid="map-expression"]').boundingBox();
const middle = [box.x + box.width / 2, box.y + box.height / 2];

// How long the page's own work of a frame takes: sorting out what is seen, painting, putting the picture.
await page.evaluate(() => {
  const ask = window.requestAnimationFrame.bind(window);
  globalThis.painting = [];
  window.requestAnimationFrame = (work) =>
    ask((now) => {
      const started = performance.now();
      work(now);
      const took = performance.now() - started;
      // The counter of frames below takes microseconds.
      if (took > 0.5) globalThis.painting.push(took);
    });
});

/** Frames while something is done: how many, their median and 95th percentile, and the longest (ms). */
async function frames(name, work) {
  await page.evaluate(() => {
    globalThis.frames = [];
    globalThis.painting = [];
    globalThis.counting = true;
    let last = performance.now();
    const count = (now) => {
      globalThis.frames.push(now - last);
      last = now;
      if (globalThis.counting) requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
  });
  await work();
  const times = await page.evaluate(() => {
    globalThis.counting = false;
    const sorted = (list) => list.sort((a, b) => a - b);
    return { all: sorted(globalThis.frames.slice(1)), painted: sorted(globalThis.painting) };
  });
  const said = (list) => {
    const at = (share) => (list[Math.min(list.length - 1, Math.floor(share * list.length))] ?? NaN).toFixed(1);
    return `${list.length}, median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(1)} ms`;
  };
  console.log(`${name}: frames ${said(times.all)}; painting ${said(times.painted)}`);
}

/** Milliseconds until the page has painted again after something. */
async function settled(name, work) {
  const started = performance.now();
  await work();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  console.log(`${name}: ${(performance.now() - started).toFixed(0)} ms`);
}

const pan = async () => {
  await page.mouse.move(...middle);
  await page.mouse.down();
  for (let at = 0; at < 120; at++) await page.mouse.move(middle[0] + 60 * Math.sin(at / 8), middle[1] + 40 * Math.cos(at / 8));
  await page.mouse.up();
};
await frames("pan", pan);
await frames("zoom", async () => {
  await page.mouse.move(...middle);
  for (let at = 0; at < 60; at++) await page.mouse.wheel(0, at < 30 ? -60 : 60);
});
await page.waitForTimeout(1000);
await frames("hover", async () => {
  for (let at = 0; at < 80; at++) await page.mouse.move(middle[0] + at, middle[1] + (at % 9));
});
await settled("colour by a label column", () => app.at("colour-by").selectOption("column kind").then(() => app.idle()));
await settled("hide a label", () => app.at("legend-entry").click());
await app.at("tool-lasso").click();
await settled("lasso of half the map", async () => {
  await page.mouse.move(box.x + 5, box.y + 5);
  await page.mouse.down();
  for (const [x, y] of [[0.5, 0.02], [0.5, 0.98], [0.02, 0.98]]) {
    await page.mouse.move(box.x + x * box.width, box.y + y * box.height, { steps: 5 });
  }
  await page.mouse.up();
});
console.log(await app.text("selection"));
await app.at("tool-pan").click();
await frames("pan with a selection", pan);
await page.waitForTimeout(800);
await page.screenshot({ path: `${screenshots}/million.png` });
await browsers.close();
