#!/usr/bin/env node
// A calculator: methods with types, errors with their text, health and statistics. One worker is one process, so the
// statistics are those of the worker that answers.
"use strict";

const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");
const numbers = (count) => ({ type: "array", prefixItems: Array(count).fill({ type: "number" }), minItems: count, maxItems: count });

let done = 0;
let failed = 0;

const methods = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide(a, b) {
    if (b === 0) throw new Error("division by zero");
    return a / b;
  },
  power: (a, b) => a ** b,
  factorial(n) {
    if (n < 0) throw new Error(`there is no factorial of ${n}: it is negative`);
    if (n > 170) throw new Error(`the factorial of ${n} is too large for a number`);
    let product = 1;
    for (let factor = 2; factor <= n; factor += 1) product *= factor;
    return product;
  },
  statistics: () => ({ done, failed, pid: process.pid, uptime_s: Math.round(process.uptime()) }),
};

const declared = { statistics: { description: "What this worker has done" } };
for (const name of ["add", "subtract", "multiply", "divide", "power"]) {
  declared[name] = { params: numbers(2), result: { type: "number" }, idempotent: true };
}
declared.factorial = {
  params: { type: "array", prefixItems: [{ type: "integer" }], minItems: 1, maxItems: 1 },
  result: { type: "number" },
  cache: { ttl_s: 3600, max: 171 },
};

function answer({ name, args }) {
  try {
    const result = methods[name](...(args ?? []));
    if (typeof result === "number" && !Number.isFinite(result)) throw new Error("the result is no number");
    done += 1;
    return { result };
  } catch (error) {
    failed += 1;
    return { error: { code: -32000, message: error.message } };
  }
}

function health() {
  const mib = process.memoryUsage().rss / 2 ** 20;
  const status = mib < 500 ? "healthy" : "degraded";
  return { status, checks: [{ name: "memory", status, message: `${mib.toFixed()} MiB` }] };
}

say({ method: "ready", params: { name: "calculator", version: "1.0.0", health: true, methods: declared } });
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === "call") say({ id, ...answer(params) });
  if (method === "health") say({ id, result: health() });
});
