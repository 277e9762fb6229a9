// pg-boss: boss.mjs JOBS. Four loops of fetch(500) and complete, the fastest it can do; its workers poll at most twice a second.
import PgBoss from "pg-boss";

const [, , count] = process.argv;
const jobs = Number(count);
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const percentile = (all, p) => all.sort((a, b) => a - b)[Math.floor((all.length - 1) * p)];
const out = {};

const boss = new PgBoss({ connectionString: process.env.URL, max: 10 });
boss.on("error", (error) => console.error(String(error)));
await boss.start();
await boss.createQueue("q");
let start = seconds();
for (let k = 0; k < jobs; k += 1000) {
  await boss.insert(Array.from({ length: 1000 }, (_, i) => ({ name: "q", data: { i } })));
}
out.bulk = jobs / (seconds() - start);

start = seconds();
const loop = async () => {
  for (;;) {
    const fetched = await boss.fetch("q", { batchSize: 500 });
    if (!fetched.length) return;
    await boss.complete("q", fetched.map((job) => job.id));
  }
};
await Promise.all(Array.from({ length: 4 }, loop));
out.drain = jobs / (seconds() - start);

await boss.createQueue("lat");
const started = [];
await boss.work("lat", { batchSize: 1, pollingIntervalSeconds: 0.5 }, async () => void started.push(performance.now()));
const times = [];
for (let k = 1; k <= 20; k++) {
  const begun = performance.now();
  await boss.send("lat", {});
  while (started.length < k) await new Promise((resolve) => setTimeout(resolve, 1));
  times.push(started[k - 1] - begun);
}
out.p50 = percentile(times, 0.5);
out.p99 = percentile(times, 0.99);
console.log(JSON.stringify(out));
process.exit(0);
