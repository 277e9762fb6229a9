// graphile-worker: graphile.mjs MODE JOBS, with MODE `default` or `batched` (a local queue, completions together).
import pg from "pg";
import { Logger, run, runMigrations } from "graphile-worker";

const [, , mode, count] = process.argv;
const jobs = Number(count);
const connectionString = process.env.URL;
const logger = new Logger(() => () => {});
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const percentile = (all, p) => all.sort((a, b) => a - b)[Math.floor((all.length - 1) * p)];
const out = {};

await runMigrations({ connectionString, logger });
const pool = new pg.Pool({ connectionString, max: 12 });
const MANY = `SELECT graphile_worker.add_jobs(array(SELECT json_populate_record(null::graphile_worker.job_spec,
  json_build_object('identifier', 'noop', 'payload', json_build_object('i', g))) FROM generate_series(1, 1000) g))`;
let start = seconds();
for (let k = 0; k < jobs; k += 1000) await pool.query(MANY);
out.bulk = jobs / (seconds() - start);
await pool.query("VACUUM ANALYZE");

let done = 0;
let finished;
const all = new Promise((resolve) => (finished = resolve));
const batched = {
  concurrentJobs: 24,
  maxPoolSize: 10,
  preset: {
    worker: {
      concurrentJobs: 24, maxPoolSize: 10, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0,
    },
  },
};
const plain = { concurrency: 24, maxPoolSize: 25 };
const taskList = { noop: async () => void (++done === jobs && finished()), lat: async () => {} };
start = seconds();
const options = { connectionString, logger, noHandleSignals: true, pollInterval: 2000, taskList };
const runner = await run({ ...options, ...(mode === "batched" ? batched : plain) });
await all;
for (;;) {
  const { rows } = await pool.query("SELECT count(*)::int n FROM graphile_worker._private_jobs");
  if (rows[0].n === 0) break;
  await new Promise((resolve) => setTimeout(resolve, 5));
}
out.drain = jobs / (seconds() - start);

await new Promise((resolve) => setTimeout(resolve, 1000));
const started = [];
runner.events.on("job:start", ({ job }) => {
  if (job.task_identifier === "lat") started.push(performance.now());
});
const times = [];
for (let k = 1; k <= 200; k++) {
  const begun = performance.now();
  await pool.query("SELECT graphile_worker.add_job('lat', '{}')");
  while (started.length < k) await new Promise((resolve) => setImmediate(resolve));
  times.push(started[k - 1] - begun);
  await new Promise((resolve) => setTimeout(resolve, 10));
}
out.p50 = percentile(times, 0.5);
out.p99 = percentile(times, 0.99);
console.log(JSON.stringify(out));
await runner.stop();
process.exit(0);
