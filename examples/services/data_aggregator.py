#!/usr/bin/env python3
"""Counts what happens, in several workers: the numbers are in a table that all of them share."""
import json
import sys
from collections import deque

asked = 0
waiting = deque()


def say(**message):
    print(json.dumps(message, ensure_ascii=False), flush=True)


def messages():
    while True:
        if waiting:
            yield waiting.popleft()
        elif line := sys.stdin.readline():
            yield json.loads(line)
        else:
            return


def ask(method, **params):
    """Asks queue-work for something. What comes before the answer is kept for later."""
    global asked
    asked += 1
    say(id=asked, method=method, params={"table": "events", **params})
    for line in sys.stdin:
        message = json.loads(line)
        if "method" in message:
            waiting.append(message)
        elif "error" in message:
            raise RuntimeError(message["error"]["message"])
        else:
            return message["result"]
    sys.exit()


def record(name, value=1):
    # No addition is lost, whichever workers add at the same time.
    ask("table.incr", key=name, column="sum", by=value)
    return ask("table.incr", key=name, column="count")


def summary(name):
    row = ask("table.get", key=name)
    if row is None:
        raise LookupError(f"nothing was recorded of `{name}`")
    return {**row, "mean": row["sum"] / row.get("count", 1)}


def names():
    return sorted(ask("table.list"))


def forget(name):
    return ask("table.del", key=name)


def takes(*kinds, least):
    return {"params": {"type": "array", "prefixItems": list(kinds), "minItems": least, "maxItems": len(kinds)}}


NAME = {"type": "string", "minLength": 1, "maxLength": 100}
METHODS = {
    "record": takes(NAME, {"type": "number"}, least=1),
    "summary": takes(NAME, least=1),
    "names": {},
    # For `queue-work call` and other services; not over the sockets.
    "forget": {**takes(NAME, least=1), "public": False},
}
say(method="ready", params={"name": "data_aggregator", "version": "1.0.0", "methods": METHODS})
for message in messages():
    if message.get("method") != "call":
        continue
    params = message["params"]
    try:
        say(id=message["id"], result=globals()[params["name"]](*(params["args"] or [])))
    except Exception as error:
        say(id=message["id"], error={"code": -32000, "message": str(error)})
