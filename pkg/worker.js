// The module worker that runs the engine: `new Worker(url, { type: "module" })`.
//
// Messages in are `{ id, body, files, names }`, messages out `{ id, body, fatal }`; bodies are the requests and events of
// index.d.ts. Messages that come before the engine is there wait. Its download is reported as progress with id 0.
// Beside them `{ requests }` says how many requests the browser counted here since the last such message.

const waiting = [];
let receive = (data) => waiting.push(data);
self.onmessage = ({ data }) => receive(data);

// Out of memory and the like end in a trap that no panic message announces. The engine cannot go on after one.
self.addEventListener("error", (event) => {
  event.preventDefault();
  fail(`the engine stopped: ${event.message}`, "It starts again. If the file was large, read fewer of its cells.");
});
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  fail(`the engine stopped: ${event.reason?.message ?? event.reason}`, "It starts again; if this stays, reload the page.");
});

// A page shows that nothing is sent by counting requests, and sees its own alone.
if (typeof PerformanceObserver === "function") {
  const observer = new PerformanceObserver((list) => {
    const names = list.getEntries().map(({ name }) => name);
    const here = names.filter((name) => new URL(name).origin === self.origin).length;
    self.postMessage({ requests: { here, elsewhere: names.length - here } });
  });
  observer.observe({ type: "resource", buffered: true });
}

try {
  const { default: initialise, begin, receive: take } = await import("./wasm/engine.js");
  await initialise({ module_or_path: await download("engine_bg.wasm") });
  begin(post);
  receive = take;
  waiting.splice(0).forEach(take);
} catch (error) {
  fail(`the engine could not be loaded: ${error?.message ?? error}`, "Reload the page; the browser must know WebAssembly.");
}

function post(message) {
  self.postMessage(message, buffers(message.body, new Set()));
}

function fail(message, hint) {
  self.postMessage({ id: 0, body: { type: "failed", message, hint }, fatal: true });
}

// Columns of numbers are moved, not copied.
function buffers(value, found) {
  if (value instanceof Uint8Array) {
    if (value.byteLength > 0) found.add(value.buffer);
  } else if (value !== null && typeof value === "object") {
    for (const part of Object.values(value)) buffers(part, found);
  }
  return [...found];
}

// The compressed module, so that any static host will do; the plain one where the host has no other or the browser
// cannot unpack. Compiled while it arrives.
async function download(name) {
  const url = (file) => new URL(`./wasm/${file}`, import.meta.url);
  let response = typeof DecompressionStream === "function" ? await fetch(url(`${name}.gz`)) : null;
  if (!response?.ok) response = await fetch(url(name));
  if (!response.ok) throw new Error(`the site answered ${response.status} for ${name}`);
  const total = Number(response.headers.get("content-length")) || null;
  let body = response.body.pipeThrough(counted(total));
  // Some hosts unpack on the way: the first bytes tell.
  const [packed, rest] = await isPacked(body);
  body = packed ? rest.pipeThrough(new DecompressionStream("gzip")) : rest;
  return new Response(body, { headers: { "content-type": "application/wasm" } });
}

async function isPacked(stream) {
  const reader = stream.getReader();
  const { value: first } = await reader.read();
  const rest = new ReadableStream({
    start(controller) {
      if (first) controller.enqueue(first);
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return [first?.[0] === 0x1f && first?.[1] === 0x8b, rest];
}

// Passes bytes on and says how many there were, at most ten times a second.
function counted(total) {
  const started = performance.now();
  let done = 0;
  let reported = started;
  const report = (now) => {
    // A host that unpacks on the way names the packed size: then the total is unknown.
    const known = total !== null && done <= total ? total : null;
    const seconds = (now - started) / 1000;
    const remaining_secs = known !== null && seconds > 0.5 ? (seconds / done) * (known - done) : null;
    const body = { type: "progress", task: "Downloading the engine", done, total: known, unit: "bytes", remaining_secs };
    self.postMessage({ id: 0, body });
  };
  return new TransformStream({
    transform(chunk, controller) {
      done += chunk.byteLength;
      const now = performance.now();
      if (now - reported > 100) {
        reported = now;
        report(now);
      }
      controller.enqueue(chunk);
    },
    flush: () => report(performance.now()),
  });
}
