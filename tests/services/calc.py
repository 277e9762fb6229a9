"""A service for the tests: adds, divides, sleeps, says who it is, dies."""
import json
import os
import sys
import time


def say(**message):
    print(json.dumps(message, ensure_ascii=False, separators=(",", ":")), flush=True)


def divide(a, b):
    if b == 0:
        raise ValueError("division by zero")
    return a / b


def die(code=7):
    print("dying, as I was told", file=sys.stderr, flush=True)
    os._exit(code)


def sleep(seconds):
    time.sleep(seconds)
    return "slept"


def count(value):
    say(method="metric", params={"name": "things.seen", "kind": "counter", "value": value, "labels": {"in": "calc"}})


def ill(status):
    global HEALTH
    HEALTH = status


METHODS = {
    "count": count,
    "ill": ill,
    "add": lambda a, b: a + b,
    "divide": divide,
    "sleep": sleep,
    "die": die,
    "pid": os.getpid,
    "size": len,
    "init": lambda: CONFIG,
    "hello": lambda: "grüß dich",
}
CONFIG = None
HEALTH = "healthy"

if os.environ.get("CALC_BROKEN"):
    sys.exit("the database is not there")
number = {"type": "number"}
declared = {
    "name": "calculator",
    "version": os.environ.get("CALC_VERSION", "1.0.0"),
    "health": True,
    "methods": {name: {} for name in METHODS},
}
declared["methods"]["add"] = {"description": "Adds two numbers", "params": {"type": "array", "prefixItems": [number, number]}}
if os.environ.get("CALC_SCHEMA"):
    declared["methods"]["size"] = {"params": json.loads(os.environ["CALC_SCHEMA"])}
if not os.environ.get("CALC_INIT"):
    say(method="ready", params=declared)
for line in sys.stdin:
    request = json.loads(line)
    if request.get("method") == "init":
        CONFIG = request["params"]["config"]
        if CONFIG.get("refuse"):
            say(id=request["id"], error={"code": -32000, "message": "no connection to the database"})
        else:
            say(id=request["id"], result=declared)
    if request.get("method") == "health":
        say(id=request["id"], result={"status": HEALTH, "checks": [{"name": "disk", "status": HEALTH}]})
    if request.get("method") != "call":
        continue
    params = request["params"]
    try:
        args = params["args"]
        answer = METHODS[params["name"]](**args) if isinstance(args, dict) else METHODS[params["name"]](*args)
        say(id=request["id"], result=answer)
    except Exception as error:
        say(id=request["id"], error={"code": -32000, "message": str(error)})
