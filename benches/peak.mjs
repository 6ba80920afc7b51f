// Memory of a page's process as the system counts it (/proc, Linux only).

import { readFileSync, readdirSync } from "node:fs";

/** Of the browsers that this process started: what the largest page's process holds, and its peak so far, in bytes. */
export function memory() {
  const renderers = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).map(read).filter(Boolean);
  const largest = (field) => Math.max(0, ...renderers.map((status) => number(status, field) * 1024));
  return { held: largest("VmRSS"), peak: largest("VmHWM") };
}

// The status of a page's process that descends from this one. Processes come and go while they are looked at.
function read(pid) {
  try {
    if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=renderer")) return null;
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    let parent = number(status, "PPid");
    while (parent > 1 && parent !== process.pid) {
      parent = number(readFileSync(`/proc/${parent}/status`, "utf8"), "PPid");
    }
    return parent === process.pid ? status : null;
  } catch {
    return null;
  }
}

function number(status, field) {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
}
