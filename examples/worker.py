#!/usr/bin/env python3
"""A worker in Python: queue-work --queue default -- python3 examples/worker.py

Every function in JOBS is a job type; its args are a list (positional), an object (named) or one value.
Answers are one JSON object a line, flushed at once. A stray print would be a log line, not an error.
"""
import json
import sys
import time
import traceback


def send(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def add(a, b):
    return a + b


def echo(*args, **named):
    return named or (args[0] if len(args) == 1 else list(args))


def sleep(seconds):
    time.sleep(seconds)


def fail(message="it was asked to fail"):
    raise RuntimeError(message)


def progress(steps=4, seconds=0.1):
    for step in range(1, steps + 1):
        time.sleep(seconds)
        note = {"id": current, "percent": 100 * step / steps, "message": f"step {step} of {steps}"}
        send({"jsonrpc": "2.0", "method": "progress", "params": note})
    return steps


JOBS = {"add": add, "echo": echo, "sleep": sleep, "fail": fail, "progress": progress}


def run(job):
    function = JOBS.get(job["type"])
    if function is None:
        return {"error": {"code": -32601, "message": f"no such job type `{job['type']}`"}}
    args = job.get("args")
    try:
        if isinstance(args, dict):
            return {"result": function(**args)}
        if isinstance(args, list):
            return {"result": function(*args)}
        return {"result": function() if args is None else function(args)}
    except Exception as e:  # a failed job must not end the worker
        data = {"type": type(e).__name__, "backtrace": traceback.format_exc()}
        return {"error": {"code": 1, "message": str(e), "data": data}}


current = None
for line in sys.stdin:  # ends by itself when the master closes it
    message = json.loads(line)
    if message.get("method") == "job":
        current = message["id"]
        send({"id": current, **run(message["params"])})
