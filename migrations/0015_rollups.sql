-- Numbers of periods, so that a chart reads some hundred rows whatever the number of runs.
--
-- res: 0 minutes (kept for 26 hours), 1 ten minutes (8 days), 2 hours (100 days), 3 days (3 years). at: the start of the
-- period, divided by its length. A row is added to, never counted anew: whoever counts something adds it once to its period
-- of each length.

-- Series that are counted apart. Empty names stand for all: of a queue all types, of the store all queues. Names and not ids, as a
-- queue may be forgotten before its numbers are. used_on: the last day with a number. The key on (queue, type) serves the
-- look-up of a series.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    type TEXT NOT NULL,
    used_on INTEGER NOT NULL,
    UNIQUE (queue, type)
) STRICT;

-- Runs that ended. run_hist, wait_hist: sketches, see src/model/sketch.rs. The key serves a chart: the periods of one series.
CREATE TABLE rollups (
    res INTEGER NOT NULL,
    series INTEGER NOT NULL,
    at INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    timed_out INTEGER NOT NULL,
    crashed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    released INTEGER NOT NULL,
    died INTEGER NOT NULL,
    run_us INTEGER NOT NULL,
    run_max_us INTEGER NOT NULL,
    wait_us INTEGER NOT NULL,
    wait_max_us INTEGER NOT NULL,
    memory_max INTEGER,
    run_hist BLOB NOT NULL,
    wait_hist BLOB NOT NULL,
    PRIMARY KEY (res, series, at)
) STRICT, WITHOUT ROWID;

-- How queues stood; series: that of all types of the queue.
CREATE TABLE queue_gauges (
    res INTEGER NOT NULL,
    series INTEGER NOT NULL,
    at INTEGER NOT NULL,
    pushed INTEGER NOT NULL,
    ready INTEGER NOT NULL,
    ready_max INTEGER NOT NULL,
    scheduled INTEGER NOT NULL,
    running INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    oldest_us_max INTEGER NOT NULL,
    PRIMARY KEY (res, series, at)
) STRICT, WITHOUT ROWID;

-- How pools stood. The key serves a chart of all pools, which are few, and retention.
CREATE TABLE pool_gauges (
    res INTEGER NOT NULL,
    at INTEGER NOT NULL,
    pool TEXT NOT NULL,
    wanted INTEGER NOT NULL,
    ready_min INTEGER NOT NULL,
    busy_us INTEGER NOT NULL,
    capacity_us INTEGER NOT NULL,
    cpu_us INTEGER NOT NULL,
    memory_max INTEGER NOT NULL,
    worker_memory_max INTEGER NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    crashed INTEGER NOT NULL,
    recycled INTEGER NOT NULL,
    oom INTEGER NOT NULL,
    PRIMARY KEY (res, at, pool)
) STRICT, WITHOUT ROWID;

-- Acts of operators and masters, drawn as lines through the charts. kind: see MarkKind in src/model/gauge.rs.
CREATE TABLE marks (
    at INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;

-- Which runs of a generation are counted: all that are on record, but for those above run_high and those in open, which had
-- not ended when it counted last. open: ids, in JSON. No row: all of them.
CREATE TABLE counted (
    generation INTEGER PRIMARY KEY,
    run_high INTEGER NOT NULL,
    open TEXT NOT NULL
) STRICT;

-- pushed_total: jobs that were ever pushed to the queue. pushed_counted: those of them that are in queue_gauges.
ALTER TABLE queues ADD COLUMN pushed_total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN pushed_counted INTEGER NOT NULL DEFAULT 0;

-- The series up to which retention has walked.
ALTER TABLE pruned ADD COLUMN series_seen INTEGER NOT NULL DEFAULT 0;
