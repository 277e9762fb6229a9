"""procrastinate: procrastinate_peer.py JOBS, 20 of them at a time."""
import asyncio
import json
import logging
import os
import sys
import time

import procrastinate

JOBS = int(sys.argv[1])
logging.disable(logging.CRITICAL)
connector = procrastinate.PsycopgConnector(conninfo=os.environ["URL"], max_size=30, min_size=4)
app = procrastinate.App(connector=connector)
TIMES = []


@app.task(queue="q")
async def noop(i):
    pass


@app.task(queue="lat")
async def lat(begun):
    TIMES.append(time.perf_counter() - begun)


async def main():
    out = {}
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        start = time.perf_counter()
        for _ in range(0, JOBS, 500):
            await noop.batch_defer_async(*[{"i": i} for i in range(500)])
        out["bulk"] = JOBS / (time.perf_counter() - start)
        start = time.perf_counter()
        settings = {"install_signal_handlers": False, "delete_jobs": "never"}
        await app.run_worker_async(queues=["q"], concurrency=20, wait=False, **settings)
        out["drain"] = JOBS / (time.perf_counter() - start)
        asyncio.create_task(app.run_worker_async(queues=["lat"], concurrency=4, install_signal_handlers=False))
        await asyncio.sleep(1)
        for k in range(1, 201):
            await lat.defer_async(begun=time.perf_counter())
            while len(TIMES) < k:
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
        TIMES.sort()
        out["p50"], out["p99"] = TIMES[99] * 1e3, TIMES[197] * 1e3
        print(json.dumps(out))
        sys.stdout.flush()
        os._exit(0)


asyncio.run(main())
