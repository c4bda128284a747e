// The worker's side of the runner's lines, for node: see benchmarks/worker.py.
import { createInterface } from "node:readline";
import { readFileSync, readdirSync } from "node:fs";

const MOST_SAMPLES = 20000;
export const HUNDRED = 100;
const now = () => process.hrtime.bigint();
const write = (facts) => process.stdout.write(JSON.stringify(facts) + "\n");

export async function work(measures, facts = {}) {
  write({ hello: facts });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    if (!(order.measure in measures)) {
      write({ missing: true });
      continue;
    }
    try {
      write(await measures[order.measure](order));
    } catch (error) {
      console.error(error);
      write({ error: `${error}`.slice(0, 300) });
    }
  }
  process.exit(0);
}

// CPU of the processes below this one, in seconds.
function below() {
  let total = 0;
  const todo = [process.pid];
  while (todo.length) {
    const pid = todo.pop();
    try {
      for (const task of readdirSync(`/proc/${pid}/task`)) {
        if (pid !== process.pid) total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]) / 1e9;
        const children = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim();
        if (children) todo.push(...children.split(" ").map(Number));
      }
    } catch {
      // it ended meanwhile, or this system does not tell
    }
  }
  return total;
}

export class Watch {
  constructor() {
    this.samples = [];
    this.below = below();
    this.cpu = process.cpuUsage();
    this.start = now();
  }
  stop() {
    const wall = Number(now() - this.start) / 1e9;
    const cpu = process.cpuUsage(this.cpu);
    const step = Math.floor(this.samples.length / MOST_SAMPLES) + 1;
    return {
      samples: this.samples.filter((_, place) => place % step === 0).map((sample) => Math.round(sample / 10) / 100),
      wall,
      cpu: (cpu.user + cpu.system) / 1e6,
      children: Math.max(0, below() - this.below),
      count: this.samples.length,
    };
  }
}

async function repeated(call, seconds, samples, width) {
  const end = now() + BigInt(Math.round(seconds * 1e9));
  const caller = async () => {
    for (;;) {
      const start = now();
      await call();
      const stop = now();
      samples.push(Number(stop - start));
      if (stop >= end) return;
    }
  };
  await Promise.all(Array.from({ length: width }, caller));
}

// V8 compiles what runs often: it is warmed up for longer than Python, which does not.
const WARMER = 4;

export function manyAtOnce(call, width = HUNDRED) {
  return async (order) => {
    await repeated(call, order.warm * WARMER, [], width);
    const watch = new Watch();
    await repeated(call, order.seconds, watch.samples, width);
    return watch.stop();
  };
}

export const oneAfterAnother = (call) => manyAtOnce(call, 1);
