-- Lanes: a pool takes all or nothing of the ready jobs in one lane of a queue, so a claim is a look-up of the first rows of
-- a lane, whatever waits in the others (see src/model/takes.rs).
--
-- 0: commands, jobs of the type `exec`. 1: all other types. Above that: 1 + types.id, the jobs of a type that a worker has
-- named.
ALTER TABLE types ADD COLUMN lane INTEGER NOT NULL DEFAULT 1;
UPDATE types SET lane = 0 WHERE name = 'exec';

-- The order of every lane of a queue. The key serves the claim: the first rows of one lane.
-- tried: 1 if `tries` has a row for the job, so that a fresh job costs no look-up.
ALTER TABLE ready RENAME TO ready_without_lanes;
CREATE TABLE ready (
    queue INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    nprio INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    id INTEGER NOT NULL,
    tried INTEGER NOT NULL,
    PRIMARY KEY (queue, lane, nprio, due_at, id)
) STRICT, WITHOUT ROWID;
-- Where all jobs are of one kind, no job has to be looked up.
INSERT INTO ready (queue, lane, nprio, due_at, id, tried)
    SELECT queue, (SELECT max(lane) FROM types), nprio, due_at, id, tried FROM ready_without_lanes
    WHERE (SELECT count(DISTINCT lane) FROM types) = 1 ORDER BY queue, nprio, due_at, id;
INSERT INTO ready (queue, lane, nprio, due_at, id, tried)
    SELECT r.queue, t.lane, r.nprio, r.due_at, r.id, r.tried
    FROM ready_without_lanes r CROSS JOIN jobs j ON j.id = r.id CROSS JOIN types t ON t.id = j.type
    WHERE (SELECT count(DISTINCT lane) FROM types) > 1;
DROP TABLE ready_without_lanes;

-- Of `ready` and of `retrying`, how many are commands.
ALTER TABLE queues ADD COLUMN commands INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN retrying_commands INTEGER NOT NULL DEFAULT 0;
-- Of `ready`, what is a command.
ALTER TABLE bulk_counts ADD COLUMN commands INTEGER NOT NULL DEFAULT 0;

-- Of `ready`, how many are in the lanes of types; a row is kept when it has come to nothing.
CREATE TABLE lanes (
    queue INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    ready INTEGER NOT NULL,
    PRIMARY KEY (queue, lane)
) STRICT, WITHOUT ROWID;

-- How far ready jobs of types that were named have been moved to their lanes: the place of the last one looked at in the
-- lane of all other types. No row: all are where they belong.
CREATE TABLE sorting (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    queue INTEGER NOT NULL,
    nprio INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    id INTEGER NOT NULL
) STRICT;

UPDATE queues SET commands = counted.jobs
    FROM (SELECT queue, count(*) AS jobs FROM ready WHERE lane = 0 GROUP BY queue) AS counted
    WHERE counted.queue = queues.id;
-- What was pushed in bulk is counted when that is committed.
UPDATE queues SET commands = commands + counted.jobs
    FROM (SELECT j.queue, count(*) AS jobs FROM bulks b CROSS JOIN bulk_ranges g ON g.bulk = b.id
        CROSS JOIN jobs j ON j.id BETWEEN g.first_id AND g.last_id CROSS JOIN types t ON t.id = j.type
        WHERE b.committed AND t.lane = 0 AND j.due_at <= j.pushed_at GROUP BY j.queue) AS counted
    WHERE counted.queue = queues.id;
UPDATE bulk_counts SET commands = counted.jobs
    FROM (SELECT b.id AS bulk, j.queue, count(*) AS jobs FROM bulks b CROSS JOIN bulk_ranges g ON g.bulk = b.id
        CROSS JOIN jobs j ON j.id BETWEEN g.first_id AND g.last_id CROSS JOIN types t ON t.id = j.type
        WHERE NOT b.committed AND t.lane = 0 AND j.due_at <= j.pushed_at GROUP BY b.id, j.queue) AS counted
    WHERE counted.bulk = bulk_counts.bulk AND counted.queue = bulk_counts.queue;
UPDATE queues SET retrying_commands = counted.jobs
    FROM (SELECT j.queue, count(*) AS jobs FROM scheduled s CROSS JOIN jobs j ON j.id = s.id
        CROSS JOIN types t ON t.id = j.type WHERE s.tried AND t.lane = 0 GROUP BY j.queue) AS counted
    WHERE counted.queue = queues.id;
