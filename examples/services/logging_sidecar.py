#!/usr/bin/env python3
"""A sidecar that logs: what the workers of its pool print, and when they come and go, as JSON lines in POOL.log."""
import datetime, json, os, subprocess, sys, threading

pool = os.environ["QUEUE_WORK_SIDECAR_OF"]
log = open(f"{pool}.log", "a", buffering=1)


def write(**entry):
    at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    log.write(json.dumps({"at": at, "pool": pool, **entry}) + "\n")


def follow():
    """The output of all workers as it comes; those of other pools are left out."""
    lines = subprocess.Popen(["queue-work", "logs", "-f", "-n", "0", "--jsonl"], stdout=subprocess.PIPE, text=True)
    for line in lines.stdout:
        entry = json.loads(line)
        if entry["worker"].rpartition("-")[0] == pool:
            write(worker=entry["worker"], text=entry["text"])


threading.Thread(target=follow, daemon=True).start()
known = set()
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "main":
        pids = set(message["params"]["pids"])
        for pid in sorted(pids - known):
            write(pid=pid, event="started")
        for pid in sorted(known - pids):
            write(pid=pid, event="gone")
        known = pids
