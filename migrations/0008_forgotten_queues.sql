-- What tells whether a queue that is empty can be forgotten (see src/store/sqlite/forget.rs).
--
-- cancelled: jobs on record, as the other totals. changed_at: the last change of its totals. run_high: at that time the
-- highest id of a run of any queue, so that the queue has no run above it.
ALTER TABLE queues ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN run_high INTEGER NOT NULL DEFAULT 0;

-- queues_seen: the name up to which retention has walked through `queues`. queues_forgotten: how many it has removed; who
-- remembers ids of queues from before a change of this number must look them up anew, as an id may be given again.
ALTER TABLE pruned ADD COLUMN queues_seen TEXT NOT NULL DEFAULT '';
ALTER TABLE pruned ADD COLUMN queues_forgotten INTEGER NOT NULL DEFAULT 0;

UPDATE queues SET changed_at = unixepoch() * 1000000, run_high = max(
    coalesce((SELECT max(id) FROM runs), 0),
    coalesce((SELECT max(run_id) FROM running), 0),
    coalesce((SELECT max(run_high) FROM generations), 0));
-- 5: cancelled.
UPDATE queues SET cancelled = counted.jobs
    FROM (SELECT queue, count(*) AS jobs FROM ended WHERE state = 5 GROUP BY queue) AS counted
    WHERE counted.queue = queues.id;
