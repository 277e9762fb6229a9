#!/usr/bin/env python3
"""Steps of a nightly pipeline: each gets what the jobs before it have made in `parents`, by their refs.

Run it with:  queue-work --workers=2 --queue=default --drain -- python3 pipeline.py
"""
import json
import sys


def extract(args, parents):
    return {"rows": list(range(1, 13))}


def transform(args, parents):
    rows = parents["extract"]["rows"]
    mine = rows[args["part"] - 1 :: args["of"]]
    return {"sum": sum(mine), "rows": len(mine)}


def merge(args, parents):
    return {"sum": sum(part["sum"] for part in parents.values())}


def publish(args, parents):
    if args and args.get("fail"):
        raise RuntimeError("the server does not answer")
    return f"published {parents['merge']['sum']}"


def report(args, parents):
    # It comes also after a step that failed, of which there is no result.
    return parents["publish"] or "nothing was published"


STEPS = {step.__name__: step for step in (extract, transform, merge, publish, report)}

for line in sys.stdin:
    job = json.loads(line)
    if job.get("method") != "job":
        continue
    params = job["params"]
    try:
        answer = {"result": STEPS[params["type"]](params["args"], params.get("parents", {}))}
    except Exception as e:
        answer = {"error": {"message": str(e), "data": {"type": type(e).__name__}}}
    print(json.dumps({"id": job["id"], **answer}), flush=True)
