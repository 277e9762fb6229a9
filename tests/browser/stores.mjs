// What is in the store, and the addresses of each page: of a store with nothing in it, of one with what is ordinary, of one
// with a million jobs, and of one in which everything that others can write is hostile.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bench, python, waitFor } from "./bench.mjs";

const routes = readFileSync(new URL("../../src/web/routes.rs", import.meta.url), "utf8");
const paths = (table) => [...routes.split(`const ${table}:`)[1].split("];")[0].matchAll(/^\s*\("(\/[^"]*)"/gm)].map((found) => found[1]);
/** The paths of the two tables of routes. */
export const PAGES = paths("PAGES");
export const ACTIONS = paths("ACTIONS");

/** What would act, hide or break out if it were not text. */
export const EVIL = `<script>alert(1)</script><img src=x onerror=alert(2)>"'><a href="javascript:alert(3)">x</a></title>\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\u{200b}\0`;
const printable = (text) => text.replace(/\p{C}/gu, "");
const LONG = "w".repeat(3000);

/** For each page whose path has a name in it, which names are looked at; a new page is added here. */
const NAMES = {
  "/queues/{name}": (store) => store.queues,
  "/jobs/{name}": (store) => store.jobs,
  "/jobs/{name}/why": (store) => store.jobs.slice(0, 1),
  "/batches/{name}": (store) => store.batches,
  "/failures/{name}": (store) => store.errors,
  "/workers/{name}": (store) => store.workers,
  "/pools/{name}": (store) => store.pools,
  "/processors/{name}": (store) => store.processors,
  "/services/{name}": (store) => store.services,
};

/** What is asked for beside the path. */
const QUERIES = {
  "/": ["range=7d", "refresh=60"],
  "/jobs": ["q=a.png", "state=dead", "state=ready&oldest=1", "since=1h"],
  "/runs": ["outcome=failed"],
  "/jobs/change/retry": ["state=dead"],
  "/jobs/change/delete": ["state=dead"],
};

/** Every address that is looked at. */
export function addresses(store) {
  const named = (path) => {
    if (!NAMES[path]) throw new Error(`say in NAMES of tests/browser/stores.mjs which names of ${path} to look at`);
    return NAMES[path](store).map((name) => path.replace("{name}", encodeURIComponent(name)));
  };
  const all = PAGES.flatMap((path) => (path.includes("{") ? named(path) : [path]));
  return [...all, ...Object.entries(QUERIES).flatMap(([path, queries]) => queries.map((query) => `${path}?${query}`)), ...store.more];
}

/** Nothing: no database, no master, and so nothing of any name. */
export async function empty() {
  const nobody = ["nope"];
  const names = { queues: nobody, jobs: ["7"], batches: ["7"], errors: nobody, workers: nobody, pools: nobody, processors: nobody, services: nobody };
  return { bench: new Bench(), ...names, more: ["/nope"] };
}

const CONFIG = `
[pools.default]
workers = 2
[pools.calculator]
kind = "service"
command = ["${python}", "service.py"]
workers = 1
listen = "unix:calculator.sock"
[processors.nightly]
cron = "0 3 * * *"
command = ["true"]
`;

/** A service whose one method has this name and this description. */
const service = (name) => `import json, sys
print(json.dumps({"method": "ready", "params": {"version": ${JSON.stringify(name)}, "methods": {${JSON.stringify(name)}: {"description": ${JSON.stringify(name)}}}}}), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "call": print(json.dumps({"id": m["id"], "result": ${JSON.stringify(name)}}), flush=True)
`;

async function begun(config, method, prepare = () => {}) {
  const bench = new Bench(config);
  await prepare(bench);
  writeFileSync(join(bench.folder, "service.py"), service(method));
  const master = await bench.start();
  await waitFor("the service", () => bench.json(["services"])[0]?.state === "healthy");
  return { bench, master };
}

/** Waits until these jobs have ended; the fingerprints of their errors. */
async function ended(bench, ids) {
  const found = (id) => bench.json(["jobs", "show", `${id}`]);
  await waitFor("jobs to end", () => ids.every((id) => ["dead", "succeeded"].includes(found(id).state)));
  return ids.map((id) => found(id).fingerprint).filter(Boolean);
}

/** Jobs in each state, runs that went well and not, a processor that has run, a service that was called. */
export async function ordinary(prepare) {
  const { bench, master } = await begun(CONFIG, "add", prepare);
  const good = bench.push("--label", "night", "--", "echo", "all is well");
  const bad = bench.push("--max-attempts", "1", "--", "sh", "-c", "echo the disk is full >&2; exit 3");
  const runs = bench.push("--", "sleep", "600");
  const later = bench.push("--delay", "1h", "--", "true");
  const waits = bench.push("resize", '{"file": "a.png", "width": 200}', "--queue", "images");
  const files = ["a.png", "b.png"].map((file) => JSON.stringify({ type: "resize", args: { file }, queue: "images" }));
  const { batch } = bench.json(["push", "--jsonl", "--batch", "night", "--then", '{"type": "report"}'], files.join("\n"));
  bench.run(["call", "calculator", "add", "[5, 3]"]);
  bench.run(["processors", "run", "nightly"]);
  bench.run(["jobs", "retry", "--state", "dead", "--type", "nosuch", "--background"]);
  const errors = await ended(bench, [good, bad]);
  const jobs = [bad, good, runs, later, waits].map(String);
  const names = { queues: ["default", "images"], workers: ["default-1", "calculator-1"], pools: ["default", "calculator"] };
  return { bench, master, jobs, batches: [`${batch}`], errors, ...names, processors: ["nightly"], services: ["calculator"], more: [] };
}

/** The same among a million. */
export async function million() {
  const store = await ordinary(async (bench) => {
    const first = (name, type) => JSON.stringify({ queue: name, type });
    bench.run(["push", "--jsonl"], `${first("images", "resize")}\n${first("mail", "mail")}`);
    await bench.fill(readFileSync(new URL("million.sql", import.meta.url), "utf8"));
  });
  const dead = store.bench.json(["jobs", "list", "--state", "dead", "--type", "mail", "--limit", "1"])[0];
  const lists = ["state=dead&type=mail", "state=cancelled&queue=mail", "state=succeeded&type=mail", "q=nowhere", "q=args.customer:7"];
  const more = [...lists.map((query) => `/jobs?${query}`), "/runs?outcome=failed&queue=mail", "/metrics-view?range=24h&queue=mail"];
  return { ...store, queues: ["images", "mail"], jobs: [...store.jobs, `${dead.id}`], errors: [...store.errors, dead.fingerprint], more };
}

/** The same kinds of things, all of them hostile. */
export async function hostile() {
  const queue = "א".repeat(30) + ".json";
  const { bench, master } = await begun(CONFIG.replace("[processors.nightly]", `[processors.nightly]\ndescription = ${JSON.stringify(printable(EVIL))}`), EVIL);
  const args = { [EVIL]: [EVIL, { [LONG]: LONG }], link: "javascript:alert(4)", huge: 12345678901234567890n.toString() };
  const job = { type: `<mark>${LONG.slice(0, 100)}</mark>`, args, queue, label: `<em>${EVIL.slice(0, 60)}`, unique: "<s>k</s>" };
  const large = { type: "large", args: { text: `${EVIL}${"x".repeat(1 << 20)}` }, queue };
  const pushed = [job, large].map((each) => bench.json(["push", "--jsonl"], JSON.stringify(each)).first_id);
  const { batch } = bench.json(["push", "--jsonl", "--batch", printable(EVIL)], JSON.stringify({ type: "named", queue }));
  writeFileSync(join(bench.folder, "evil"), Buffer.concat([Buffer.from(EVIL), Buffer.from([0xff, 0xfe, 0xc3, 0x28, 0x0a]), Buffer.from(LONG)]));
  const fails = bench.push("--max-attempts", "1", "--", "sh", "-c", "cat evil; cat evil >&2; exit 1");
  const says = bench.push("--max-attempts", "1", "--", "cat", "evil");
  bench.run(["processors", "disable", "nightly", "--reason", printable(EVIL)]);
  bench.run(["jobs", "cancel", "--type", `<mark>${EVIL.slice(0, 50)}`, "--background"]);
  const errors = await ended(bench, [fails, says]);
  const evil = encodeURIComponent(EVIL);
  const names = { queues: [queue, EVIL], jobs: [...pushed, fails, says].map(String).concat(EVIL), batches: [`${batch}`, EVIL], errors: [...errors, EVIL] };
  const others = { workers: ["default-1", EVIL], pools: [EVIL], processors: ["nightly", EVIL], services: ["calculator", EVIL] };
  const fields = ["q", "type", "label", "error", "queue", "since", "state", "after", "id"].map((key) => `/jobs?${key}=${evil}`);
  const more = [`/${evil}`, "/%ff%fe", "/jobs/%ff", "/jobs?type=%ff%fe", `/?range=${evil}&${evil}=${evil}`, `/jobs?type=${"x".repeat(6000)}`, `/runs?outcome=${evil}`];
  return { bench, master, ...names, ...others, more: [...fields, ...more, `/jobs/change/cancel?type=${evil}`] };
}
