// The npm package: open, prepare, embed and predict through promises, and a request that is stopped.

import { readFileSync } from "node:fs";
import { equal, holds, made, site, test } from "./harness.mjs";

test("the package opens, prepares, embeds and predicts", {}, async ({ page }) => {
  await page.route("**/dropped/screen.h5ad", (route) => route.fulfill({ body: readFileSync(made("screen.h5ad")) }));
  await page.goto(new URL("pkg/worker.js", site).href);
  const found = await page.evaluate(async () => {
    const { Waddington, WaddingtonError } = await import("/pkg/index.js");
    const tasks = new Set();
    const onProgress = ({ task }) => tasks.add(task);
    const engine = await Waddington.start({ backend: "cpu", onProgress });
    const { checkpoint } = await engine.loadDemo(new URL("/demo/", location.href), { onProgress });
    const file = new File([await (await fetch("/dropped/screen.h5ad")).blob()], "screen.h5ad");
    const opened = await engine.open(file);
    const prepared = await engine.prepare(opened.suggested, { onProgress });
    const { maps } = await engine.embed({ onProgress });
    const target = checkpoint.header.held_out[0] ?? checkpoint.targets[0].symbol;
    const answer = await engine.predict({ target, mode: checkpoint.header.modes[0] }, { onProgress });
    const refused = await engine.predict({ target: "NOSUCHGENE", mode: "knockout" }).catch((error) => error);
    const stop = new AbortController();
    stop.abort(new Error("stopped by the test"));
    const stopped = await engine.embed({ signal: stop.signal }).catch((error) => error.message);
    const halt = new AbortController();
    // Another map than the one that is there already.
    const halted = await engine
      .embed({ config: { genes: null }, signal: halt.signal, onProgress: () => halt.abort(new Error("stopped on the way")) })
      .catch((error) => error.message);
    const again = await engine.predict({ target, mode: checkpoint.header.modes[0] });
    engine.close();
    const closed = await engine.embed().catch((error) => error.message);
    return {
      backend: engine.device.backend,
      tasks: [...tasks],
      suggested: opened.suggested,
      shape: [prepared.n_cells, prepared.quality.total_counts.length, prepared.perturbation_of_cell.length],
      labels: prepared.perturbation_of_cell instanceof Uint32Array,
      maps: maps.map(({ x, y }) => [x.length, y.length, x.every(Number.isFinite)]),
      genes: [answer.genes.length, answer.delta.length, checkpoint.header.genes.length],
      finite: answer.delta instanceof Float32Array && answer.delta.every(Number.isFinite),
      refused: refused instanceof WaddingtonError && refused.message.includes("NOSUCHGENE") && refused.hint.length > 0,
      stopped,
      halted,
      same: again.delta.every((change, gene) => change === answer.delta[gene]),
      closed,
    };
  });
  equal(found.backend, "cpu", "backend");
  for (const task of ["Downloading the engine", "Downloading the built-in example", "Trying the model"]) {
    holds(found.tasks.includes(task), `${task} was not reported: ${found.tasks}`);
  }
  equal([found.suggested.perturbation_column, found.suggested.control_label], ["gene", "NT"], "suggested labels");
  equal(found.shape, [240, 240, 240], "cells, library sizes and labels");
  holds(found.labels, "labels are no whole numbers");
  equal(found.maps, [[240, 240, true], [240, 240, true]], "maps");
  holds(found.genes[0] > 0 && found.genes.every((n) => n === found.genes[0]), `genes: ${found.genes}`);
  holds(found.finite, "the predicted change is not finite everywhere");
  holds(found.refused, "an unknown gene was not refused by name");
  equal([found.stopped, found.closed], ["stopped by the test", "the engine was closed"], "stopped and closed");
  equal(found.halted, "stopped on the way", "a request stopped between two of its steps");
  holds(found.same, "after a request was stopped the same question got another answer");
});

test("the package's example page predicts, for the example and for a chosen file", {}, async ({ page }) => {
  await page.goto(new URL("pkg/example.html", site).href);
  const status = page.locator("#status");
  await status.filter({ hasText: /^STAT1 knockout in 60 control metacells of metacells\.h5ad/ }).waitFor();
  equal(await page.locator("#result tbody tr").count(), 20, "genes");
  await page.locator("#file").setInputFiles(made("screen.h5ad"));
  await status.filter({ hasText: /^STAT1 knockout in \d+ control cells of screen\.h5ad/ }).waitFor();
});
