// Training in the tab: a run goes on whatever dies under it, and ends as one that nobody disturbed.

import { readFileSync } from "node:fs";
import { equal, holds, made, site, test } from "./harness.mjs";

// How often a run is killed: enough to meet every stage; by hand 20 (WADDINGTON_KILLS=20).
const KILLS = Number(process.env.WADDINGTON_KILLS ?? 6);

const stage = (n_steps) => ({ n_steps, batch_size: 4, max_lr: 0.002 });
const config = (steps) => ({
  model: {
    d_model: 8, n_heads: 2, n_layers: 1, n_pretrain_layers: 1,
    composer: { n_protein: 320, n_chemical: 4, n_dna: 4, n_latent: 8, n_mode: 4 },
  },
  report_every: 1, validate_every: 10, validation_batches: 1, validation_share: 0.2, hold_back: "cells",
  pretrain: stage(steps), action: stage(steps), decoder: stage(steps),
});

/** A page with the package, and `window.engine(backend)` that starts an engine in the place of the one before. */
async function withPackage(page) {
  await page.route("**/dropped/screen.h5ad", (route) => route.fulfill({ body: readFileSync(made("screen.h5ad")) }));
  await page.goto(new URL("pkg/worker.js", site).href);
  await page.evaluate(async () => {
    const { Waddington } = await import("/pkg/index.js");
    globalThis.engine = async (backend) => {
      globalThis.current?.close();
      return (globalThis.current = await Waddington.start({ backend }));
    };
    globalThis.withCells = async (backend) => {
      const engine = await globalThis.engine(backend);
      await engine.loadDemo(new URL("/demo/", location.href));
      const opened = await engine.open(new File([await (await fetch("/dropped/screen.h5ad")).blob()], "screen.h5ad"));
      await engine.prepare(opened.suggested);
      return engine;
    };
  });
}

test("a run whose worker is killed again and again ends as one that nobody disturbed", {}, async ({ page }) => {
  await withPackage(page);
  const found = await page.evaluate(async ({ config, kills }) => {
    const undisturbed = await (await withCells("cpu")).train({ name: "undisturbed", config });
    let engine = await withCells("cpu");
    let [id, done] = [null, null];
    const reached = [];
    // The same moments in every run of this test, far from each other in no pattern.
    const moment = (n) => 120 + ((n * 7919) % 23) * 25;
    for (let kill = 0; kill <= kills && !done; kill += 1) {
      const dies = kill < kills;
      const outcome = new Promise((resolve) => {
        const onEvent = (event) => {
          if (event.type !== "training_started") return;
          id = event.run.id;
          reached.push(event.run.steps_done);
          if (dies) setTimeout(() => resolve(null), moment(kill));
        };
        const options = { onEvent, saveEverySecs: 0.05 };
        const run = id ? engine.resumeRun(id, options) : engine.train({ name: "killed", config, saveEverySecs: 0.05 }, options);
        run.then(resolve, (error) => resolve({ error: `${error.message} ${error.hint}` }));
      });
      done = await outcome;
      // Closing ends the worker at once, whatever it is doing.
      if (!done) engine = await globalThis.engine("cpu");
    }
    const { runs, storage } = await engine.runs();
    const bytes = async (run) => (await engine.exportRun(run)).bytes.join();
    const same = !done?.error && (await bytes(undisturbed.id)) === (await bytes(id));
    for (const run of runs) await engine.deleteRun(run.id);
    const left = (await engine.runs()).runs.length;
    engine.close();
    return { done, reached, same, losses: [undisturbed, done].map((run) => run.history?.losses.points.length), storage, left };
  }, { config: config(30), kills: KILLS });
  equal(found.done.status, { is: "done" }, `the run that was killed (${JSON.stringify(found.done.error)})`);
  holds(found.same, `the weights differ after kills at steps ${found.reached}`);
  equal(found.losses, [90, 90], "losses on the curves");
  holds(found.reached.length > KILLS / 2 && found.reached.at(-1) > 0, `it was resumed at steps ${found.reached}`);
  equal([found.storage.problem, found.left], [null, 0], "storage, and runs left after deleting");
});

test("a run goes on after its GPU is lost", { gpu: true, limit_s: 600 }, async ({ page, problems }) => {
  // The worker's device is remembered, so that it can be taken away.
  page.on("worker", (worker) => {
    const remember = () => {
      const request = GPUAdapter.prototype.requestDevice;
      GPUAdapter.prototype.requestDevice = async function (...wanted) {
        return (globalThis.taken = await request.apply(this, wanted));
      };
    };
    worker.evaluate(remember).catch(() => {});
  });
  await withPackage(page);
  await page.evaluate(async (config) => {
    const engine = await withCells("webgpu");
    globalThis.reached = 0;
    globalThis.outcome = new Promise((resolve) => {
      const onEvent = (event) => {
        if (event.type === "training_started") globalThis.id = event.run.id;
        if (event.type === "run_saved") globalThis.reached = event.steps_done;
      };
      engine.train({ name: "lost", config, saveEverySecs: 0 }, { onEvent }).then(resolve, (error) => resolve({ error: error.message }));
    });
  }, config(3));
  await page.waitForFunction(() => globalThis.reached >= 2, null, { timeout: 240_000 });
  await page.workers()[0].evaluate(() => globalThis.taken.destroy());
  const found = await page.evaluate(async () => {
    const outcome = await globalThis.outcome;
    const engine = await globalThis.engine("webgpu");
    const run = await engine.resumeRun(globalThis.id);
    await engine.deleteRun(run.id);
    engine.close();
    return { outcome, status: run.status, steps: [run.steps_done, run.history.losses.points.length] };
  });
  holds(found.outcome.error, `the run did not notice: ${JSON.stringify(found.outcome)}`);
  equal([found.status, found.steps], [{ is: "done" }, [9, 9]], "after the loss");
  // What the device and the worker said as they went.
  problems.length = 0;
});
