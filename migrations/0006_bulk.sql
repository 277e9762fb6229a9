-- Bulk pushes that are not over.
--
-- Their jobs are written to `jobs` a few thousand at a time, in transactions of their own, and are nowhere else: whoever
-- reads takes a job in one of these ranges for absent before its bulk push is committed, and for waiting after that, until
-- it was opened, which moves it to `ready` or `scheduled` like any other job. All three tables are empty as a rule.

-- One row per bulk push, with the process that pushes it: what was begun by one that is gone is dropped. AUTOINCREMENT: who
-- goes on with a bulk push that was dropped meanwhile must not find another under its number.
-- committed: 0 while jobs are added, 1 once all of them are there. dropped: 1 once the first of its jobs was removed: it can
-- neither grow nor be committed any more. keyed, expiring, scheduled: whether any of its jobs has
-- a unique key, can lapse, is due later.
CREATE TABLE bulks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pid INTEGER NOT NULL,
    pid_start INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    committed INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0,
    keyed INTEGER NOT NULL DEFAULT 0,
    expiring INTEGER NOT NULL DEFAULT 0,
    scheduled INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Which jobs are those of a bulk push and not opened yet: ids from the first to the last. Ranges do not overlap; the key
-- serves the look-up of the range of a job.
CREATE TABLE bulk_ranges (
    first_id INTEGER PRIMARY KEY,
    last_id INTEGER NOT NULL,
    bulk INTEGER NOT NULL
) STRICT;

-- What a bulk push adds to the totals of its queues when it is committed.
CREATE TABLE bulk_counts (
    bulk INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    ready INTEGER NOT NULL,
    scheduled INTEGER NOT NULL,
    PRIMARY KEY (bulk, queue)
) STRICT, WITHOUT ROWID;
