#!/usr/bin/env python3
"""Users in a database: `init` with configuration, which can be refused, answers that are kept (`report`), a limit of
calls (`search`), and a last word at the end. Arguments are named: `{"id": 1}`."""
import json
import sqlite3
import sys

database = None
queries = 0


def say(**message):
    print(json.dumps(message, ensure_ascii=False), flush=True)


def query(sql, *values):
    global queries
    queries += 1
    return database.execute(sql, values).fetchall()


def users(rows):
    return [{"id": id, "name": name, "email": email} for id, name, email in rows]


def one(rows):
    if not rows:
        raise LookupError("there is no such user")
    return users(rows)[0]


def create(name, email):
    return one(query("INSERT INTO users (name, email) VALUES (?, ?) RETURNING *", name, email))


def read(id):
    return one(query("SELECT * FROM users WHERE id = ?", id))


def update(id, name=None, email=None):
    sql = "UPDATE users SET name = coalesce(?, name), email = coalesce(?, email) WHERE id = ? RETURNING *"
    return one(query(sql, name, email, id))


def delete(id):
    return one(query("DELETE FROM users WHERE id = ? RETURNING *", id))


def search(text):
    sql = "SELECT * FROM users WHERE instr(lower(name || ' ' || email), lower(?)) ORDER BY id LIMIT 100"
    return users(query(sql, text))


def report():
    return dict(query("SELECT substr(email, instr(email, '@') + 1), count(*) FROM users GROUP BY 1 ORDER BY 1"))


def statistics():
    return {"queries": queries}


def takes(*required, **properties):
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


ID = {"type": "integer", "minimum": 1}
NAME = {"type": "string", "minLength": 1, "maxLength": 200}
METHODS = {
    "create": {"params": takes("name", "email", name=NAME, email=NAME)},
    "read": {"params": takes("id", id=ID), "idempotent": True},
    "update": {"params": takes("id", id=ID, name=NAME, email=NAME)},
    "delete": {"params": takes("id", id=ID)},
    "search": {"params": takes("text", text=NAME), "rate_limit": {"limit": 10, "per_s": 1}},
    "report": {"description": "Users of each domain, up to a minute old", "cache": {"ttl_s": 60}},
    "statistics": {},
}
DECLARED = {"name": "database", "version": "1.0.0", "health": True, "shutdown": True, "methods": METHODS}


def init(config, services):
    global database
    database = sqlite3.connect(config["file"], isolation_level=None)  # each query is a transaction
    query("CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE)")
    return DECLARED


def health():
    query("SELECT 1 FROM users LIMIT 1")
    return {"status": "healthy", "checks": [{"name": "connection", "status": "healthy"}]}


def call(name, args, **_):
    # Only methods that are declared come this far, with arguments of the declared types.
    return globals()[name](**(args or {}))


for line in sys.stdin:
    message = json.loads(line)
    method, params = message.get("method"), message.get("params", {})
    if method == "shutdown":
        database.close()
        print(f"closed the database after {queries} queries: {params['reason']}", file=sys.stderr)
    elif method in ("init", "call", "health"):
        try:
            say(id=message["id"], result=globals()[method](**params))
        except Exception as error:
            say(id=message["id"], error={"code": -32000, "message": str(error), "data": {"type": type(error).__name__}})
