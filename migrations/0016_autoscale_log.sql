-- Changes of pools that scale themselves: written when the number of workers changes, or an operator says something about it.
--
-- The id serves the newest first, and retention by age and by number. cause: the reason, in JSON, see Why in
-- src/model/autoscale.rs. lambda: jobs per second. start_us: from the spawn of a worker until it is ready. cpu: a share.
-- NULL: not known.
CREATE TABLE autoscale_log (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    pool TEXT NOT NULL,
    was INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    cause TEXT NOT NULL,
    lambda REAL NOT NULL,
    service_us INTEGER,
    ready INTEGER NOT NULL,
    oldest_us INTEGER,
    busy INTEGER NOT NULL,
    start_us INTEGER,
    cpu REAL,
    memory INTEGER
) STRICT;
