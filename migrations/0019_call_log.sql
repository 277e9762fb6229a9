-- Calls of services that were slow or failed: a sample, kept for a day. Times are in microseconds; `waited_us` is null where no
-- worker had the call, `code` where it was only slow.
CREATE TABLE call_log (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    service TEXT NOT NULL,
    method TEXT,
    peer TEXT NOT NULL,
    worker TEXT,
    waited_us INTEGER,
    took_us INTEGER NOT NULL,
    code INTEGER,
    message TEXT,
    traceparent TEXT
) STRICT;
