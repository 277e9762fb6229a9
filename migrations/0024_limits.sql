-- key: what jobs of a queue are told apart by, for example a customer. A text of its own in each job: most have none, which
-- costs a byte.
ALTER TABLE jobs ADD COLUMN key TEXT;

-- Serves "the jobs of this key", in the order of their ids.
CREATE INDEX jobs_by_key ON jobs (key) WHERE key IS NOT NULL;

-- Limits of queues, by name, as one that was never used has none on record. Few rows.
-- configured: what the configuration of the last master says, JSON (see src/model/queue_limits.rs). set_limits: what an operator
-- has set over it, JSON, and until when that holds (NULL: until it is taken back). tokens, filled_at: the bucket of a rate.
CREATE TABLE queue_limits (
    queue TEXT PRIMARY KEY,
    configured TEXT NOT NULL,
    set_limits TEXT,
    set_until INTEGER,
    tokens REAL,
    filled_at INTEGER
) STRICT, WITHOUT ROWID;

-- Serves the first time at which something that was set ends.
CREATE INDEX queue_limits_until ON queue_limits (set_until) WHERE set_until IS NOT NULL;
