-- Changes of many jobs that go on by themselves. `params` is the request as JSON, of which the jobs that are left are found again;
-- `state` is a number of `OperationState::ALL`.
CREATE TABLE operations (
    id INTEGER PRIMARY KEY,
    verb TEXT NOT NULL,
    params TEXT NOT NULL,
    by TEXT,
    spread_until INTEGER,
    expected INTEGER NOT NULL,
    done INTEGER NOT NULL,
    passed_over INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    state INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
