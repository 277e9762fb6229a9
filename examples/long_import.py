#!/usr/bin/env python3
"""A long import that goes on where it was: after each line it says how far it is, and its next attempt is told that.

A job is {"file": …, "into": …, "seconds": pause after each line}. What was written after the last word is cut off again,
so each line is there once, whatever was killed in between.
"""
import json
import sys
import time


def send(message):
    print(json.dumps(message), flush=True)


def bring_in(job, params):
    args = params["args"]
    at = params.get("state") or {"read": 0, "written": 0}
    with open(args["file"], "rb") as source, open(args["into"], "ab") as target:
        source.seek(at["read"])
        target.truncate(at["written"])
        print(f"goes on after {at['written']} bytes", file=sys.stderr, flush=True)
        for line in iter(source.readline, b""):
            target.write(line.upper())
            target.flush()
            at = {"read": source.tell(), "written": target.tell()}
            send({"method": "progress", "params": {"id": job, "message": f"{at['read']} bytes read", "state": at}})
            time.sleep(args.get("seconds", 0))
    return at["written"]


for line in sys.stdin:  # ends by itself when the master closes it
    message = json.loads(line)
    if message.get("method") != "job":
        continue
    try:
        answer = {"result": bring_in(message["id"], message["params"])}
    except Exception as e:  # a failed job must not end the worker
        answer = {"error": {"message": str(e), "data": {"type": type(e).__name__}}}
    send({"id": message["id"], **answer})
