-- Batches: jobs that were pushed together, or have joined these.
--
-- then_job, then_failed: jobs that come after it. In `waits` they do under its id with a minus, as no job has a number below one.
-- watched: a job of the batch that has not ended, at whose end another is looked for; 0 while one is looked for, from the first
-- after `seen` on, before which all have ended; NULL where nothing comes after the batch, or it has ended.
-- ended_at: of a batch that something comes after. jobs, dead, cancelled, gone: as they were then, for what comes after it.
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT,
    pushed_at INTEGER NOT NULL,
    then_job INTEGER,
    then_failed INTEGER,
    watched INTEGER,
    seen INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER,
    jobs INTEGER,
    dead INTEGER,
    cancelled INTEGER,
    gone INTEGER
) STRICT;
-- Serves the end of a job, and the search that goes on. Holds the few batches that something comes after.
CREATE INDEX batches_watching ON batches (watched) WHERE watched IS NOT NULL;
-- Serves the newest batch of a name.
CREATE INDEX batches_by_name ON batches (name) WHERE name IS NOT NULL;

-- The jobs of a batch: ids from the first to the last. Ranges do not overlap; the key serves the batch of a job.
CREATE TABLE batch_ranges (
    first_id INTEGER PRIMARY KEY,
    last_id INTEGER NOT NULL,
    batch INTEGER NOT NULL
) STRICT;
-- Serves the jobs of a batch, in the order of their ids.
CREATE INDEX batch_ranges_by_batch ON batch_ranges (batch);
