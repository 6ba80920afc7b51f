// Memory and processor time of a page's process as the system counts them (/proc, Linux only).

import { readFileSync, readdirSync } from "node:fs";

/** Linux counts processor time in hundredths of a second. */
const TICKS = 100;

/**
 * Of the pages of the browsers that this process started: what the largest one's process holds and its peak so far, in
 * bytes, and the seconds of all cores that they took, all threads together. `gpu`: what the largest GPU process holds.
 */
export function memory() {
  const renderers = processes("renderer");
  const largest = (of, field) => Math.max(0, ...of.map(({ status }) => number(status, field) * 1024));
  const cpu = renderers.reduce((sum, { cpu }) => sum + cpu, 0);
  const gpu = largest(processes("gpu-process"), "VmRSS");
  return { held: largest(renderers, "VmRSS"), peak: largest(renderers, "VmHWM"), cpu, gpu };
}

function processes(type) {
  const pids = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid));
  return pids.map((pid) => read(pid, type)).filter(Boolean);
}

// The figures of a browser's process that descends from this one. Processes come and go while they are looked at.
function read(pid, type) {
  try {
    if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`--type=${type}`)) return null;
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    let parent = number(status, "PPid");
    while (parent > 1 && parent !== process.pid) {
      parent = number(readFileSync(`/proc/${parent}/status`, "utf8"), "PPid");
    }
    if (parent !== process.pid) return null;
    // After the program's name, which is in brackets: user and system time are the 12th and 13th field.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").pop().split(" ");
    return { status, cpu: (Number(fields[11]) + Number(fields[12])) / TICKS };
  } catch {
    return null;
  }
}

function number(status, field) {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
}
