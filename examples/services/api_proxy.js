#!/usr/bin/env node
// A proxy: one address for several services and for a server elsewhere, many calls at a time. Its `init` says which.
"use strict";

const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");
const asked = new Map();
let config = {};
let forwarded = 0;

// Asks queue-work to call a service. The answer comes as a line with the same id.
function callService(service, method, args) {
  const id = ++forwarded;
  say({ id, method: "call", params: { service, method, args, timeout_s: 5 } });
  return new Promise((resolve, reject) => asked.set(id, { resolve, reject }));
}

const methods = {
  async forward({ service, method, args = null }) {
    if (!config.services.includes(service)) throw new Error(`the proxy does not lead to \`${service}\``);
    return callService(service, method, args);
  },
  // All at once; an error stands in the place of its answer.
  all: ({ calls }) => Promise.all(calls.map((call) => methods.forward(call).catch(({ message }) => ({ error: message })))),
  // A server elsewhere, by HTTP.
  async fetch({ path, body = null }) {
    const post = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await fetch(new URL(path, config.upstream), { ...post, signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`${config.upstream} answered ${response.status}`);
    return response.json();
  },
  statistics: () => ({ forwarded }),
};

const text = { type: "string", minLength: 1 };
const call = { type: "object", properties: { service: text, method: text }, required: ["service", "method"] };
const declared = {
  name: "api_proxy",
  version: "1.0.0",
  concurrency: 16,
  methods: {
    forward: { params: call },
    all: { params: { type: "object", properties: { calls: { type: "array", items: call, maxItems: 100 } }, required: ["calls"] } },
    fetch: { params: { type: "object", properties: { path: { ...text, maxLength: 200 } }, required: ["path"] } },
    statistics: {},
  },
};

async function answer({ id, method, params, result, error }) {
  if (method === "init") {
    config = params.config;
    say({ id, result: declared });
  } else if (method === "call") {
    try {
      say({ id, result: await methods[params.name](params.args ?? {}) });
    } catch ({ message, code = -32000 }) {
      say({ id, error: { message, code } });
    }
  } else if (method === undefined) {
    const waiting = asked.get(id);
    asked.delete(id);
    if (error) waiting?.reject(error);
    else waiting?.resolve(result);
  }
}

require("readline").createInterface({ input: process.stdin }).on("line", (line) => answer(JSON.parse(line)));
