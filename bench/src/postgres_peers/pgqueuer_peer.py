"""pgqueuer: pgqueuer_peer.py JOBS, in batches of 100."""
import asyncio
import json
import logging
import os
import sys
import time

import asyncpg
from pgqueuer import Queries, QueueManager
from pgqueuer.db import AsyncpgDriver
from pgqueuer.types import QueueExecutionMode

JOBS = int(sys.argv[1])
BATCH = 100
logging.disable(logging.CRITICAL)


async def queries():
    return Queries(AsyncpgDriver(await asyncpg.connect(os.environ["URL"])))


async def main():
    out = {}
    consumer, producer = await queries(), await queries()
    await consumer.install()
    start = time.perf_counter()
    for _ in range(0, JOBS, 1000):
        await producer.enqueue(["noop"] * 1000, [b"x"] * 1000, [0] * 1000)
    out["bulk"] = JOBS / (time.perf_counter() - start)

    manager = QueueManager(consumer)

    @manager.entrypoint("noop")
    async def noop(job):
        pass

    start = time.perf_counter()
    await manager.run(batch_size=BATCH, mode=QueueExecutionMode.drain)
    out["drain"] = JOBS / (time.perf_counter() - start)

    times = []
    waiting = QueueManager(await queries())

    @waiting.entrypoint("lat")
    async def lat(job):
        times.append(time.perf_counter() - float(job.payload))

    running = asyncio.create_task(waiting.run(batch_size=BATCH))
    await asyncio.sleep(1)
    for k in range(1, 201):
        await producer.enqueue("lat", repr(time.perf_counter()).encode())
        while len(times) < k:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
    running.cancel()
    times.sort()
    out["p50"], out["p99"] = times[99] * 1e3, times[197] * 1e3
    print(json.dumps(out))
    sys.stdout.flush()
    os._exit(0)


asyncio.run(main())
