// What is asked of an answer: the gene sets that it falls into, and the question the other way round.

import { readFileSync } from "node:fs";
import { equal, holds, screenshots, test } from "./harness.mjs";

test("an answer is looked up in gene sets, and asked backwards", {}, async ({ app, page }) => {
  await app.openExample();
  await app.at("nav-perturb").click();
  await app.at("predict").click();
  await app.at("prediction-headline").waitFor();
  await app.at("pathways-table").waitFor();
  await app.idle();
  holds(/\d+ sets in pathways\.gmt/.test(await app.text("pathways-source")), await app.text("pathways-source"));
  const rows = await page.getByTestId("pathway-row").count();
  equal(rows, 12, "sets that are shown at first");
  const predicted = await app.text("pathways-table");
  await app.at("pathways-side").selectOption({ label: "measured response" });
  await app.idle();
  holds((await app.text("pathways-table")) !== predicted, "the measured response falls into the same sets to the digit");
  const [download] = await Promise.all([page.waitForEvent("download"), app.at("pathways-csv").click()]);
  const lines = readFileSync(await download.path(), "utf8").split("\n");
  holds(lines[0].startsWith("# measured response to ") && lines[2].startsWith("set,n_genes,score"), lines.slice(0, 3).join("\n"));

  await app.at("backwards").locator("summary").click();
  await app.at("backwards-measured").click();
  await app.at("backwards-summary").waitFor();
  await app.noError();
  holds(/chance: 50 %/.test(await app.text("backwards-accuracy")), await app.text("backwards-accuracy"));
  equal(await page.getByTestId("backwards-match").count(), 20, "matches on both sides");
  // What else the same sweep says: measured responses like it, the optimised vector, what to measure next.
  holds(/Of \d+ responses measured in .*, \d+ are more like it/.test(await app.text("backwards-mechanism")), "the mechanism");
  holds(/chance: 50 %/.test(await app.text("backwards-optimised-accuracy")), "accuracy of the optimised vector");
  equal(await page.getByTestId("backwards-nearest").count(), 10, "genes near the optimised vector");
  equal(await page.getByTestId("backwards-priority").count(), 10, "candidates to measure next");
  for (const [width, height] of [[1280, 720], [1920, 1080]]) {
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: `${screenshots}/asked-${width}x${height}-light.png`, fullPage: true });
  }
  // Genes that the model does not know are named, and too few of them are refused.
  await app.at("backwards-rise").fill("STAT1 JAK2 UBE2L6 PSMB9 NOSUCHGENE");
  await app.at("backwards-ask").click();
  await app.at("backwards-unknown").waitFor();
  holds((await app.text("backwards-unknown")).includes("NOSUCHGENE"), await app.text("backwards-unknown"));
  await app.at("backwards-rise").fill("NOSUCHGENE");
  await app.at("backwards-ask").click();
  await app.at("error").waitFor();
  holds(/The model knows 0 of the 1 genes/i.test(await app.text("error")), await app.text("error"));
  await app.at("error-dismiss").click();
});
