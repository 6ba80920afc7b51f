// Pictures of every step at two sizes, light and dark, and an audit of how well the page can be used without a mouse
// or without sight. The pictures are for people: target/screenshots.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { equal, screenshots, test } from "./harness.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

for (const scheme of ["light", "dark"]) {
  test(`the steps look right in ${scheme}`, {}, async ({ app, page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    await app.openExample();
    await app.predict("STAT1");
    const found = [];
    for (const [width, height] of [[1280, 720], [1920, 1080]]) {
      await page.setViewportSize({ width, height });
      for (const step of ["load", "look", "perturb", "train"]) {
        await app.at(`nav-${step}`).click();
        await app.idle();
        await page.screenshot({ path: `${screenshots}/${step}-${width}x${height}-${scheme}.png` });
        if (width !== 1280) continue;
        // Evaluated by the browser's own debugger: the page's policy allows no foreign script.
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa"] }));
        found.push(...violations.map(({ id, nodes }) => `${step}: ${id}: ${nodes[0].html.slice(0, 120)}`));
      }
    }
    equal(found, [], "accessibility");
  });
}
