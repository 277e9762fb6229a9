#!/usr/bin/env node
// A worker in Node: queue-work --queue default -- node examples/worker.js
// Every member of `jobs` is a job type; its args are a list (positional) or one value. It may be async.
"use strict";

const jobs = {
  add: (a, b) => a + b,
  echo: (...args) => (args.length === 1 ? args[0] : args),
  sleep: (seconds) => new Promise((done) => setTimeout(() => done(null), seconds * 1000)),
  fail: (message = "it was asked to fail") => {
    throw new Error(message);
  },
  async progress(steps = 4, seconds = 0.1) {
    for (let step = 1; step <= steps; step += 1) {
      await jobs.sleep(seconds);
      send({ jsonrpc: "2.0", method: "progress", params: { id: this.id, percent: (100 * step) / steps } });
    }
    return steps;
  },
};

const send = (message) => process.stdout.write(JSON.stringify(message) + "\n");

async function run(id, { type, args }) {
  if (!Object.hasOwn(jobs, type)) return { error: { code: -32601, message: `no such job type \`${type}\`` } };
  const list = Array.isArray(args) ? args : args == null ? [] : [args];
  try {
    return { result: (await jobs[type].apply({ id }, list)) ?? null };
  } catch (e) {
    return { error: { code: 1, message: e.message, data: { type: e.name, backtrace: e.stack.split("\n") } } };
  }
}

// One job after the other; the loop ends by itself when the master closes our input.
(async () => {
  for await (const line of require("readline").createInterface({ input: process.stdin })) {
    const { id, method, params } = JSON.parse(line);
    if (method === "job") send({ id, ...(await run(id, params)) });
  }
})();
