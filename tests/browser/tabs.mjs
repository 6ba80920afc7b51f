// A browser whose tabs can be hidden: Playwright keeps every page visible and focused, whatever is in front of it. So this
// one is driven by the browser's own protocol, with the flags of a browser on a desk: hidden pages are slowed down.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QUIET } from "./harness.mjs";

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class DesktopBrowser {
  #folder = mkdtempSync(join(tmpdir(), "waddington-tabs-"));
  #waiting = new Map();
  #n_sent = 0;
  #process;

  constructor() {
    const flags = [...QUIET, "--remote-debugging-pipe", `--user-data-dir=${this.#folder}`, "about:blank"];
    this.#process = spawn(process.env.CHROME, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    let rest = "";
    this.#process.stdio[4].on("data", (bytes) => {
      const messages = (rest + bytes).split("\0");
      rest = messages.pop();
      for (const message of messages.map((text) => JSON.parse(text))) this.#take(message);
    });
  }

  #take({ id, result, error }) {
    const answer = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = (this.#n_sent += 1);
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** A new tab, in front of all others. */
  async open(url) {
    const { targetId } = await this.send("Target.createTarget", { url });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    return new Tab(this, targetId, sessionId);
  }

  /** What a machine does to a page when it falls asleep: its process stands still in the middle of what it does. */
  async sleep(ms) {
    const { processInfo } = await this.send("SystemInfo.getProcessInfo");
    const pages = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
    for (const id of pages) process.kill(id, "SIGSTOP");
    await wait(ms);
    for (const id of pages) process.kill(id, "SIGCONT");
  }

  async close() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const isGone = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill();
      await isGone;
    }
    try {
      rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    } catch {
      // Its children write on for a moment; on a busy machine a folder is left behind, which tells nothing of the app.
    }
  }
}

class Tab {
  constructor(browser, targetId, sessionId) {
    Object.assign(this, { browser, targetId, sessionId });
  }

  send(method, params = {}) {
    return this.browser.send(method, params, this.sessionId);
  }

  /** In the page: the function with what it is given, as JSON. */
  async evaluate(body, ...given) {
    const expression = `(${body})(${given.map((value) => JSON.stringify(value)).join()})`;
    const how = { expression, returnByValue: true, awaitPromise: true, userGesture: true };
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", how);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Asks the page until it answers with something; the answer. */
  async until(what, body, ...given) {
    for (const started = performance.now(); performance.now() - started < 60_000; await wait(100)) {
      const found = await this.evaluate(body, ...given).catch(() => null);
      if (found) return found;
    }
    throw new Error(`${what}: not within a minute`);
  }

  async text(id) {
    const find = (id) => document.querySelector(`[data-testid="${id}"]`)?.innerText.replace(/\s+/g, " ");
    return this.until(id, find, id);
  }

  async click(id) {
    await this.until(id, (id) => {
      const found = document.querySelector(`[data-testid="${id}"]:not(:disabled)`);
      found?.click();
      return Boolean(found);
    }, id);
  }

  async fill(id, value) {
    await this.until(id, (id, value) => {
      const found = document.querySelector(`[data-testid="${id}"]`);
      if (!found) return false;
      found.value = value;
      for (const type of ["input", "change"]) found.dispatchEvent(new Event(type, { bubbles: true }));
      return true;
    }, id, value);
  }

  /** Hands files over to an input. */
  async choose(id, ...files) {
    const expression = `document.querySelector('[data-testid="${id}"]')`;
    await this.until(id, (id) => Boolean(document.querySelector(`[data-testid="${id}"]`)), id);
    const { result } = await this.send("Runtime.evaluate", { expression });
    await this.send("DOM.setFileInputFiles", { files, objectId: result.objectId });
  }

  toFront() {
    return this.browser.send("Target.activateTarget", { targetId: this.targetId });
  }

  /** `frozen` is what the browser does to a page that was hidden for long; `active` ends it. */
  lifecycle(state) {
    return this.send("Page.setWebLifecycleState", { state });
  }
}
