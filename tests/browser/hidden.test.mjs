// A run behind another tab, in a page that the browser freezes, and on a machine that sleeps: it goes on, says what
// happened, does not count the standstill as work, and ends as one that nobody disturbed.

import { readFileSync } from "node:fs";
import { equal, holds, made, site, skip, test } from "./harness.mjs";
import { DesktopBrowser, wait } from "./tabs.mjs";

const STEPS = 100;
const FROZEN_MS = 3500;
const ASLEEP_MS = 4000;

/** A page of the example's, with a run under way on the tests' screen. */
async function train(tab) {
  const isReady = () => document.querySelector('[data-testid="progress"]')?.classList.contains("idle")
    && Boolean(document.querySelector('[data-testid="device-chip"]'));
  await tab.until("the page", isReady);
  await tab.click("nav-load");
  await tab.choose("file-input", made("screen.h5ad"));
  await tab.text("opened-summary");
  await tab.click("prepare");
  // Until then the example is in use.
  const isInUse = () => document.querySelector('[data-testid="prepared-summary"]')?.innerText.includes("screen.h5ad");
  await tab.until("the cells", isInUse);
  await tab.until("the page", isReady);
  await tab.click("nav-train");
  await tab.click("preset-tiny");
  for (const stage of ["pretraining", "action", "decoder"]) {
    await tab.fill(`${stage}-steps`, String(STEPS));
    await tab.fill(`${stage}-batch`, "8");
  }
  // A stretch between two reports is short beside a standstill, however busy the machine is.
  await tab.fill("report-every", "1");
  await tab.fill("run-name", "disturbed");
  await tab.click("train-start");
  await stepOf(tab);
}

/** Steps that the screen says are done, once they are more than so many. */
function stepOf(tab, least = 0) {
  return tab.until(`more steps than ${least}`, (least) => {
    const said = document.querySelector(".standing")?.innerText;
    const step = Number(/; ([\d,]+) of/.exec(said)?.[1].replaceAll(",", "") ?? 0);
    return step > least && step;
  }, least);
}

function seconds(words, which) {
  const [, n, unit] = which.exec(words) ?? [];
  return n ? Number(n.replaceAll(",", "")) * { ms: 1e-3, s: 1, min: 60, h: 3600 }[unit] : null;
}

/** Seconds left, and seconds that it stood still, as the screen says them. */
async function saidBy(tab) {
  const [standing, hidden] = await tab.evaluate(() =>
    [".standing", '[data-testid="train-hidden"]'].map((found) => document.querySelector(found)?.innerText));
  const left = seconds(standing, /about ([\d.,]+) (ms|s|min|h)\b/);
  return { left, still: seconds(hidden, /stood still for about ([\d.,]+) (ms|s|min|h)\b/) ?? 0, hidden };
}

/** In another page of the site: does the run that was disturbed once more, undisturbed, and compares what came of both. */
async function repeat(screen) {
  const { Waddington } = await import("/pkg/index.js");
  const engine = await Waddington.start({ backend: "cpu" });
  const { runs: [disturbed] } = await engine.runs();
  await engine.loadDemo(new URL("/demo/", location.href));
  const bytes = Uint8Array.from(atob(screen), (letter) => letter.charCodeAt(0));
  const opened = await engine.open(new File([bytes], "screen.h5ad"));
  await engine.prepare(opened.suggested);
  const run = await engine.train({ name: "undisturbed", config: disturbed.config });
  const weights = async ({ id }) => (await engine.exportRun(id)).bytes.join();
  const same = (await weights(disturbed)) === (await weights(run));
  const { status, n_steps, trained_secs } = disturbed;
  return { same, status: status.is, n_steps, trained_secs };
}

test("a run goes on while its page is hidden, frozen or asleep, and says so", { limit_s: 120 }, async () => {
  if (process.platform === "win32") skip("processes cannot be stopped here");
  const browser = new DesktopBrowser();
  try {
    const tab = await browser.open(site);
    const started = performance.now();
    await train(tab);
    holds(/may slow the run down/.test(await tab.text("train-hidden")), await tab.text("train-hidden"));

    // Behind another tab.
    const front = await browser.open(new URL("pkg/worker.js", site).href);
    await tab.until("to be hidden", () => document.hidden);
    const hidden = await stepOf(tab);
    const behind = await stepOf(tab, hidden);
    holds(/This page was hidden/.test(await tab.text("train-hidden")), await tab.text("train-hidden"));

    // Frozen, as tabs are that were hidden for long.
    await tab.lifecycle("frozen");
    await wait(FROZEN_MS);
    const frozen = await stepOf(tab);
    await tab.lifecycle("active");
    await tab.toFront();
    await tab.until("to be seen", () => !document.hidden);
    // Some steps more: a standstill right after another would be taken for a new pace.
    await stepOf(tab, frozen + 5);
    const before = await saidBy(tab);

    // Asleep.
    await browser.sleep(ASLEEP_MS);
    let after = await saidBy(tab);
    for (const n of Array(200).keys()) {
      if (after.still >= before.still + ASLEEP_MS / 1000 - 1) break;
      holds(n < 199, `it does not say that it slept: ${after.hidden}`);
      await wait(100);
      after = await saidBy(tab);
    }
    console.log(`         steps: ${hidden} when hidden, then ${behind}; ${frozen} when frozen; ${after.hidden}`);
    console.log(`         ${before.left} s left before the sleep, ${after.left} s after it`);
    holds(after.left < before.left + 2, `${after.left} s left after the sleep, ${before.left} s before: it was counted as work`);

    await tab.until("the end", () => document.querySelector('[data-testid="run-status"]')?.innerText.includes("done"));
    await front.toFront();
    const took_secs = (performance.now() - started) / 1000;
    await front.toFront();
    const ends = await front.evaluate(repeat, readFileSync(made("screen.h5ad")).toString("base64"));
    equal([ends.status, ends.n_steps], ["done", 3 * STEPS], "the disturbed run");
    holds(ends.same, "the weights of the disturbed run are not those of the same run undisturbed");
    const most_secs = took_secs - ASLEEP_MS / 1000;
    holds(ends.trained_secs < most_secs, `it says ${ends.trained_secs} s of training; awake were ${most_secs} s`);
  } finally {
    await browser.close();
  }
});
