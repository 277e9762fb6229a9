//! The statements of the writing side, each with the key or index that serves it.
//!
//! Invariant: nothing here scans a table that grows with the number of jobs or runs.

/// The due time of the first ready job of each lane of a queue, and the earliest of them: one step into the key of `ready`
/// for each. Of the lanes of keys, which may be very many, that of one stands for all.
macro_rules! oldest_ready {
    () => {
        "nullif(min( \
         coalesce((SELECT due_at FROM ready WHERE queue = queues.id AND lane = 0 /*front: ready, queues.id, 0*/ \
             ORDER BY nprio, due_at, id LIMIT 1), 9223372036854775807), \
         coalesce((SELECT due_at FROM ready WHERE queue = queues.id AND lane = 1 /*front: ready, queues.id, 1*/ \
             ORDER BY nprio, due_at, id LIMIT 1), 9223372036854775807), \
         coalesce((SELECT due_at FROM ready WHERE queue = queues.id AND lane >= 1099511627776 \
             ORDER BY lane, nprio, due_at, id LIMIT 1), 9223372036854775807), \
         coalesce((SELECT min((SELECT due_at FROM ready r WHERE r.queue = l.queue AND r.lane = l.lane \
             /*front: r, l.queue, l.lane*/ ORDER BY r.nprio, r.due_at, r.id LIMIT 1)) FROM lanes l WHERE l.queue = queues.id), 9223372036854775807)), \
         9223372036854775807)"
    };
}

/// `queues.name` (unique).
pub(in crate::store) const QUEUE_ID: &str = "SELECT id FROM queues WHERE name = ?1";
/// Appends.
pub(in crate::store) const QUEUE_ADD: &str = "INSERT INTO queues (name, changed_at) VALUES (?1, ?2) RETURNING id";
/// `queues.id`.
pub(in crate::store) const QUEUE_NAME: &str = "SELECT name FROM queues WHERE id = ?1";
/// `queues.id`.
pub(in crate::store) const QUEUE_STATE: &str = "SELECT paused, ready, running FROM queues WHERE id = ?1";
/// `queues.id`; changes nothing if that is so already.
pub(in crate::store) const QUEUE_PAUSE: &str = "UPDATE queues SET paused = ?2 WHERE id = ?1 AND paused <> ?2";
/// `queues.id`, then one step into the key of `ready`; once per queue and batch that changes it.
pub(in crate::store) const QUEUE_COUNT: &str = concat!(
    "UPDATE queues SET ready = ready + ?2, scheduled = scheduled + ?3, \
     retrying = retrying + ?4, running = running + ?5, dead = dead + ?6, cancelled = cancelled + ?7, \
     succeeded_total = succeeded_total + ?8, failed_total = failed_total + ?9, \
     changed_at = max(changed_at, ?10), run_high = max(run_high, ?11), commands = commands + ?12, \
     retrying_commands = retrying_commands + ?13, pushed_total = pushed_total + ?14, blocked = blocked + ?15 WHERE id = ?1 \
     RETURNING name, paused, ready, scheduled, retrying, running, dead, succeeded_total, failed_total, commands, \
     retrying_commands, EXISTS (SELECT 1 FROM lanes WHERE queue = queues.id), pushed_total, blocked, ",
    oldest_ready!()
);
/// Onward by `queues.name`: a bounded number, and whether each is empty and unused for so long; ?3: a time, ?4: a run.
pub(in crate::store) const QUEUES_ONWARD: &str = "SELECT id, name, ready = 0 AND scheduled = 0 AND blocked = 0 AND running = 0 AND dead = 0 \
     AND cancelled = 0 AND paused = 0 AND changed_at < ?3 AND run_high < ?4 FROM queues WHERE name > ?1 \
     ORDER BY name LIMIT ?2";
/// The few rows of `bulks`, with one step into the key of `bulk_counts` each.
pub(in crate::store) const QUEUE_STAGED: &str =
    "SELECT 1 FROM bulks b CROSS JOIN bulk_counts c ON c.bulk = b.id AND c.queue = ?1 LIMIT 1";
/// `queues.id`.
pub(in crate::store) const QUEUE_DELETE: &str = "DELETE FROM queues WHERE id = ?1";
/// One row.
pub(in crate::store) const QUEUES_SEEN_GET: &str = "SELECT queues_seen FROM pruned WHERE id = 1";
/// One row.
pub(in crate::store) const QUEUES_SEEN_SET: &str = "UPDATE pruned SET queues_seen = ?1 WHERE id = 1";
/// One row; once per transaction.
pub(in crate::store) const FORGOTTEN_GET: &str = "SELECT queues_forgotten FROM pruned WHERE id = 1";
/// One row; once per step that forgets a queue.
pub(in crate::store) const FORGOTTEN_ADD: &str =
    "UPDATE pruned SET queues_forgotten = queues_forgotten + ?1 WHERE id = 1";
/// All of `queues` (as many rows as there are queues), with one step into the key of `ready` each.
pub(in crate::store) const TOTALS: &str = concat!(
    "SELECT name, paused, ready, scheduled, retrying, running, dead, succeeded_total, failed_total, commands, \
     retrying_commands, EXISTS (SELECT 1 FROM lanes WHERE queue = queues.id), pushed_total, blocked, ",
    oldest_ready!(),
    " FROM queues ORDER BY name"
);

/// `queues.name`, the key of `lanes`, then `types.id`; of queues that have lanes of types.
pub(in crate::store) const LANES_OF: &str = "SELECT t.name, l.ready FROM queues q CROSS JOIN lanes l ON l.queue = q.id \
     CROSS JOIN types t ON t.id = l.lane - 1 WHERE q.name = ?1 AND l.ready > 0";
/// Key of `lanes`.
pub(in crate::store) const LANES_FORGET: &str = "DELETE FROM lanes WHERE queue = ?1";

/// `types.name` (unique).
pub(in crate::store) const TYPE_ID: &str = "SELECT id, lane FROM types WHERE name = ?1";
/// Appends.
pub(in crate::store) const TYPE_ADD: &str = "INSERT INTO types (name, lane) VALUES (?1, ?2) RETURNING id";
/// `types.id`.
pub(in crate::store) const TYPE_NAME: &str = "SELECT name, lane FROM types WHERE id = ?1";

/// Appends.
pub(in crate::store) const JOB_ADD: &str = "INSERT INTO jobs (id, queue, type, args, nprio, due_at, expires_at, timeout_us, \
     max_attempts, unique_key, pushed_at, wait_us, label, processor_run, trace, key) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
/// `labels.name` (unique).
pub(in crate::store) const LABEL_ID: &str = "SELECT id FROM labels WHERE name = ?1";
/// Appends.
pub(in crate::store) const LABEL_ADD: &str = "INSERT INTO labels (name) VALUES (?1) RETURNING id";
/// The last row of `jobs`, and one row; once per batch with a push.
pub(in crate::store) const JOB_HIGH: &str =
    "SELECT max(coalesce((SELECT max(id) FROM jobs), 0), (SELECT job_high FROM pruned WHERE id = 1))";
/// One row; once per batch with a deletion.
pub(in crate::store) const JOB_HIGH_KEEP: &str = "UPDATE pruned SET job_high = max(job_high, ?1) WHERE id = 1";
/// Point look-ups in the keys of `jobs`, `types`, `tries`, `running`, `ended`, `ready`, `scheduled` and `blocked`, and in
/// `key_lanes_by_key`.
pub(in crate::store) const JOB_PLACE: &str = "SELECT j.queue, j.nprio, coalesce(x.due_at, j.due_at) AS due, j.expires_at, \
     j.unique_key IS NOT NULL, x.job_id IS NOT NULL, r.job_id IS NOT NULL, e.state, \
     (SELECT lane FROM ready WHERE queue = j.queue AND lane IN (t.lane, 1, 1099511627776 + (SELECT id FROM key_lanes WHERE queue = j.queue AND key = coalesce(j.key, '') AND lane = t.lane \
         AND nprio = j.nprio), \
         1099511627776 + (SELECT id FROM key_lanes WHERE queue = j.queue AND key = coalesce(j.key, '') AND lane = 1 \
         AND nprio = j.nprio)) AND nprio = j.nprio \
         AND due_at = coalesce(x.due_at, j.due_at) AND id = j.id), \
     EXISTS (SELECT 1 FROM scheduled WHERE due_at = coalesce(x.due_at, j.due_at) AND id = j.id), coalesce(t.lane, 1), \
     j.processor_run, EXISTS (SELECT 1 FROM blocked WHERE job_id = j.id) \
     FROM jobs j LEFT JOIN types t ON t.id = j.type LEFT JOIN tries x ON x.job_id = j.id LEFT JOIN running r ON r.job_id = j.id \
     LEFT JOIN ended e ON e.job_id = j.id WHERE j.id = ?1";
/// `jobs.id`.
pub(in crate::store) const JOB_PRIO: &str = "SELECT nprio FROM jobs WHERE id = ?1";
/// `jobs.id`.
pub(in crate::store) const JOB_DELETE: &str = "DELETE FROM jobs WHERE id = ?1";

/// `jobs.id`.
pub(in crate::store) const JOBS_DELETE: &str = "DELETE FROM jobs WHERE id BETWEEN ?1 AND ?2";

/// All of the few rows.
pub(in crate::store) const BULKS: &str = "SELECT id, pid, pid_start, boot_id, committed FROM bulks ORDER BY id";
/// Appends.
pub(in crate::store) const BULK_ADD: &str =
    "INSERT INTO bulks (pid, pid_start, boot_id) VALUES (?1, ?2, ?3) RETURNING id";
/// `bulks.id`.
pub(in crate::store) const BULK_GET: &str =
    "SELECT committed, dropped, keyed, expiring, scheduled, linked FROM bulks WHERE id = ?1";
/// `bulks.id`.
pub(in crate::store) const BULK_MARK: &str = "UPDATE bulks SET keyed = max(keyed, ?2), expiring = max(expiring, ?3), \
     scheduled = max(scheduled, ?4), linked = max(linked, ?5) WHERE id = ?1";
/// `bulks.id`.
pub(in crate::store) const BULK_COMMIT: &str =
    "UPDATE bulks SET committed = 1 WHERE id = ?1 AND committed = 0 AND dropped = 0";
/// `bulks.id`.
pub(in crate::store) const BULK_DROP: &str = "UPDATE bulks SET dropped = 1 WHERE id = ?1";
/// `bulks.id`.
pub(in crate::store) const BULK_DELETE: &str = "DELETE FROM bulks WHERE id = ?1";
/// Key of `bulk_counts`.
pub(in crate::store) const BULK_COUNT: &str = "INSERT INTO bulk_counts (bulk, queue, ready, scheduled, commands, blocked) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (bulk, queue) DO UPDATE SET ready = bulk_counts.ready + excluded.ready, \
     scheduled = bulk_counts.scheduled + excluded.scheduled, commands = bulk_counts.commands + excluded.commands, \
     blocked = bulk_counts.blocked + excluded.blocked";
/// Key of `bulk_counts`.
pub(in crate::store) const BULK_COUNTS: &str =
    "SELECT queue, ready, scheduled, commands, blocked FROM bulk_counts WHERE bulk = ?1";
/// Key of `bulk_counts`.
pub(in crate::store) const BULK_COUNTS_DELETE: &str = "DELETE FROM bulk_counts WHERE bulk = ?1";
/// `bulk_ranges.first_id`.
pub(in crate::store) const RANGE_ADD: &str = "INSERT INTO bulk_ranges (first_id, last_id, bulk) VALUES (?1, ?2, ?3)";
/// The last row by `bulk_ranges.first_id`.
pub(in crate::store) const RANGE_GROW: &str = "UPDATE bulk_ranges SET last_id = ?3 \
     WHERE first_id = (SELECT max(first_id) FROM bulk_ranges) AND bulk = ?1 AND last_id = ?2";
/// The few rows in the order of `bulk_ranges.first_id`.
pub(in crate::store) const RANGE_FIRST: &str =
    "SELECT first_id, last_id FROM bulk_ranges WHERE bulk = ?1 ORDER BY first_id LIMIT 1";
/// `bulk_ranges.first_id`.
pub(in crate::store) const RANGE_BEGIN: &str = "UPDATE bulk_ranges SET first_id = ?2 WHERE first_id = ?1";
/// `bulk_ranges.first_id`.
pub(in crate::store) const RANGE_DELETE: &str = "DELETE FROM bulk_ranges WHERE first_id = ?1";
/// One step into `bulk_ranges.first_id`: the range of a job, if it ends behind that.
pub(in crate::store) const RANGE_OF: &str =
    "SELECT first_id, last_id, bulk FROM bulk_ranges WHERE first_id <= ?1 ORDER BY first_id DESC LIMIT 1";
/// `jobs.id`.
pub(in crate::store) const KEYS_OF_RANGE: &str =
    "SELECT id, unique_key, queue, due_at > pushed_at, type FROM jobs WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
/// `jobs.id`.
pub(in crate::store) const KINDS_OF_RANGE: &str = "SELECT queue, type FROM jobs WHERE id BETWEEN ?1 AND ?2";
/// `jobs.id`.
pub(in crate::store) const READY_OF_RANGE: &str =
    "SELECT queue, type FROM jobs WHERE id BETWEEN ?1 AND ?2 AND due_at <= pushed_at";
/// `jobs.id`.
pub(in crate::store) const WAITING_OF_RANGE: &str = "SELECT queue, type, nprio, due_at, id FROM jobs \
     WHERE id BETWEEN ?1 AND ?2 AND due_at <= pushed_at ORDER BY id";
/// `jobs.id`, then the key of `ready`: where all of these jobs belong in one lane.
pub(in crate::store) const READY_OPEN: &str = "INSERT INTO ready (queue, lane, nprio, due_at, id, tried) \
     SELECT queue, ?3, nprio, due_at, id, 0 FROM jobs WHERE id BETWEEN ?1 AND ?2 AND due_at <= pushed_at";
/// `jobs.id`, `types.id`, then the key of `ready`.
pub(in crate::store) const READY_OPEN_MIXED: &str = "INSERT INTO ready (queue, lane, nprio, due_at, id, tried) \
     SELECT j.queue, t.lane, j.nprio, j.due_at, j.id, 0 FROM jobs j CROSS JOIN types t ON t.id = j.type \
     WHERE j.id BETWEEN ?1 AND ?2 AND j.due_at <= j.pushed_at";
/// `jobs.id`, then the key of `scheduled`.
pub(in crate::store) const SCHEDULED_OPEN: &str = "INSERT INTO scheduled (due_at, id, tried) \
     SELECT due_at, id, 0 FROM jobs WHERE id BETWEEN ?1 AND ?2 AND due_at > pushed_at";
/// `jobs.id`, then the key of `expiring`.
pub(in crate::store) const EXPIRING_OPEN: &str = "INSERT INTO expiring (expires_at, job_id) \
     SELECT expires_at, id FROM jobs WHERE id BETWEEN ?1 AND ?2 AND expires_at IS NOT NULL";

/// Key of `ready`.
pub(in crate::store) const READY_ADD: &str =
    "INSERT INTO ready (queue, lane, nprio, due_at, id, tried) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
/// Key of `ready`.
pub(in crate::store) const READY_DELETE: &str =
    "DELETE FROM ready WHERE queue = ?1 AND lane = ?2 AND nprio = ?3 AND due_at = ?4 AND id = ?5";
/// The front of a lane up to a row, by the key of `ready`: one statement for all rows of a claim in one lane.
pub(in crate::store) const READY_DELETE_FRONT: &str =
    "DELETE FROM ready WHERE queue = ?1 AND lane = ?2 AND (nprio, due_at, id) <= (?3, ?4, ?5)";

/// Key of `scheduled`.
pub(in crate::store) const SCHEDULED_ADD: &str =
    "INSERT INTO scheduled (due_at, id, tried, wait_us) VALUES (?1, ?2, ?3, ?4)";
/// Key of `scheduled`.
pub(in crate::store) const SCHEDULED_WAIT: &str = "SELECT wait_us FROM scheduled WHERE due_at = ?1 AND id = ?2";
/// Key of `scheduled`.
pub(in crate::store) const SCHEDULED_DELETE: &str = "DELETE FROM scheduled WHERE due_at = ?1 AND id = ?2";
/// Due jobs, by the key of `scheduled`, then `jobs.id`.
pub(in crate::store) const SCHEDULED_DUE: &str = "SELECT s.due_at, s.id, s.tried, j.queue, j.nprio, j.type \
     FROM scheduled s CROSS JOIN jobs j ON j.id = s.id WHERE s.due_at <= ?1 ORDER BY s.due_at, s.id LIMIT ?2";
/// Down the key of `scheduled`, then `jobs.id`.
pub(in crate::store) const SCHEDULED_DOWN: &str = "SELECT s.due_at, s.id, s.tried, s.wait_us, j.queue, j.nprio, j.wait_us, j.type \
     FROM scheduled s CROSS JOIN jobs j ON j.id = s.id WHERE (s.due_at, s.id) < (?1, ?2) \
     ORDER BY s.due_at DESC, s.id DESC LIMIT ?3";
/// Up the key of `scheduled`, then `jobs.id`.
pub(in crate::store) const SCHEDULED_UP: &str = "SELECT s.due_at, s.id, s.tried, s.wait_us, j.queue, j.nprio, j.wait_us, j.type \
     FROM scheduled s CROSS JOIN jobs j ON j.id = s.id WHERE (s.due_at, s.id) > (?1, ?2) \
     ORDER BY s.due_at, s.id LIMIT ?3";
/// `tries.job_id`; when the clock was set, or the time of a job.
pub(in crate::store) const TRIES_DUE: &str = "UPDATE tries SET due_at = ?2 WHERE job_id = ?1";
/// `jobs.id`.
pub(in crate::store) const JOB_MOVE: &str = "UPDATE jobs SET queue = ?2, nprio = ?3 WHERE id = ?1";
/// `jobs.id`.
pub(in crate::store) const JOB_WAIT: &str = "UPDATE jobs SET wait_us = ?2 WHERE id = ?1";
/// `jobs.id`; when the clock was set, or the time of a job.
pub(in crate::store) const JOB_DUE: &str = "UPDATE jobs SET due_at = ?2 WHERE id = ?1";
/// `jobs.id`; when the clock was set, or the time of a job.
pub(in crate::store) const JOB_EXPIRES: &str = "UPDATE jobs SET expires_at = ?2 WHERE id = ?1";
/// Down the key of `expiring`, then `jobs.id`.
pub(in crate::store) const EXPIRING_DOWN: &str = "SELECT e.expires_at, e.job_id, e.expires_at - j.pushed_at \
     FROM expiring e CROSS JOIN jobs j ON j.id = e.job_id WHERE (e.expires_at, e.job_id) < (?1, ?2) \
     ORDER BY e.expires_at DESC, e.job_id DESC LIMIT ?3";
/// Up the key of `expiring`, then `jobs.id`.
pub(in crate::store) const EXPIRING_UP: &str = "SELECT e.expires_at, e.job_id, e.expires_at - j.pushed_at \
     FROM expiring e CROSS JOIN jobs j ON j.id = e.job_id WHERE (e.expires_at, e.job_id) > (?1, ?2) \
     ORDER BY e.expires_at, e.job_id LIMIT ?3";
/// The first rows by the key of `scheduled`, by the key of `expiring`, by `queue_limits_until`, and of what does not wait:
/// `settling`, and searches in `batches_watching`.
pub(in crate::store) const NEXT_DUE: &str = "SELECT min(at) FROM (SELECT min(due_at) AS at FROM scheduled \
     UNION ALL SELECT min(expires_at) FROM expiring \
     UNION ALL SELECT min(set_until) FROM queue_limits WHERE set_until IS NOT NULL UNION ALL SELECT 0 FROM settling \
     UNION ALL SELECT 0 FROM batches WHERE watched = 0) AS dues";

/// Appends to a few pages. No worker is 0 in this table, as its first version allows no NULL; [`RUNNING_LEFT`] turns it back.
pub(in crate::store) const RUNNING_ADD: &str = "INSERT INTO running (job_id, run_id, worker, attempt, due_at, started_at, \
     generation, tried) VALUES (?1, ?2, coalesce(?3, CAST(0 AS BIGINT)), ?4, ?5, ?6, ?7, ?8)";
/// `running.job_id`; changes nothing if the run is not the current one.
pub(in crate::store) const RUNNING_DELETE: &str = "DELETE FROM running WHERE job_id = ?1 AND run_id = ?2";
/// `running.job_id`, then `jobs.id`.
pub(in crate::store) const RUNNING_TAKE: &str = "SELECT r.due_at, r.tried, j.queue, j.nprio, j.expires_at, j.type \
     FROM running r CROSS JOIN jobs j ON j.id = r.job_id WHERE r.job_id = ?1 AND r.run_id = ?2";
/// `running.job_id`.
pub(in crate::store) const RUNNING_ASSIGN: &str = "UPDATE running SET worker = ?3 WHERE job_id = ?1 AND run_id = ?2";
/// `running.job_id`.
pub(in crate::store) const RUNNING_IS: &str = "SELECT 1 FROM running WHERE job_id = ?1 AND run_id = ?2";
/// All of `running` (as many rows as are claimed) in the order of its key; only at the start of a master.
pub(in crate::store) const RUNNING_LEFT: &str = "SELECT r.job_id, r.run_id, nullif(r.worker, 0), r.attempt, r.due_at, r.started_at, \
     r.generation, j.queue, j.type, j.nprio, coalesce(x.attempts, 0), coalesce(x.crashes, 0), coalesce(x.releases, 0), \
     coalesce(x.releases_in_a_row, 0), x.max_attempts FROM running r CROSS JOIN jobs j ON j.id = r.job_id \
     LEFT JOIN tries x ON x.job_id = r.job_id \
     WHERE r.generation BETWEEN ?1 AND ?2 ORDER BY r.job_id LIMIT ?3";
/// All of `running` (as many rows as are claimed); at the start of a master and when pruning.
pub(in crate::store) const RUNNING_BOUNDS: &str = "SELECT min(run_id), max(run_id) FROM running";

/// `tries.job_id`.
pub(in crate::store) const TRIES_PUT: &str = "INSERT INTO tries (job_id, due_at, attempts, crashes, releases, \
     releases_in_a_row, max_attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
     ON CONFLICT (job_id) DO UPDATE SET due_at = excluded.due_at, attempts = excluded.attempts, crashes = excluded.crashes, releases = excluded.releases, releases_in_a_row = excluded.releases_in_a_row, max_attempts = excluded.max_attempts";
/// `tries.job_id`, then `progress.job_id`.
pub(in crate::store) const TRIES_GET: &str = "SELECT attempts, crashes, releases, releases_in_a_row, state FROM tries \
     LEFT JOIN progress USING (job_id) WHERE job_id = ?1";
/// `tries.job_id`.
pub(in crate::store) const TRIES_DELETE: &str = "DELETE FROM tries WHERE job_id = ?1";

/// `jobs.id`, and an entry in each index of `ended`.
pub(in crate::store) const ENDED_ADD: &str = "INSERT INTO ended (job_id, queue, type, state, cause, error, ended_at, fingerprint) \
     SELECT id, queue, type, ?2, ?3, ?4, ?5, ?6 FROM jobs WHERE id = ?1";
/// `ended.job_id`.
pub(in crate::store) const ENDED_DELETE: &str = "DELETE FROM ended WHERE job_id = ?1 RETURNING fingerprint";
/// `ended_by_time`: the oldest of one state.
pub(in crate::store) const ENDED_BEFORE: &str =
    "SELECT job_id FROM ended WHERE state = ?1 AND ended_at < ?2 ORDER BY ended_at, job_id LIMIT ?3";

/// Key of `uniques`.
pub(in crate::store) const UNIQUE_GET: &str = "SELECT job_id FROM uniques WHERE key = ?1";
/// Key of `uniques`.
pub(in crate::store) const UNIQUE_ADD: &str = "INSERT INTO uniques (key, job_id) VALUES (?1, ?2)";
/// `jobs.id`, then the key of `uniques`.
pub(in crate::store) const UNIQUE_FREE: &str =
    "DELETE FROM uniques WHERE key = (SELECT unique_key FROM jobs WHERE id = ?1) AND job_id = ?1";
/// `jobs.id`, then the key of `uniques`: who has the key of this job.
pub(in crate::store) const UNIQUE_HOLDER: &str =
    "SELECT u.job_id FROM jobs j CROSS JOIN uniques u ON u.key = j.unique_key WHERE j.id = ?1";
/// `jobs.id`, then the key of `uniques`.
pub(in crate::store) const UNIQUE_RETAKE: &str =
    "INSERT INTO uniques (key, job_id) SELECT unique_key, id FROM jobs WHERE id = ?1";

/// Key of `expiring`.
pub(in crate::store) const EXPIRING_ADD: &str = "INSERT INTO expiring (expires_at, job_id) VALUES (?1, ?2)";
/// Key of `expiring`.
pub(in crate::store) const EXPIRING_DELETE: &str = "DELETE FROM expiring WHERE expires_at = ?1 AND job_id = ?2";
/// Key of `expiring`.
pub(in crate::store) const EXPIRING_DUE: &str =
    "SELECT job_id FROM expiring WHERE expires_at <= ?1 ORDER BY expires_at, job_id LIMIT ?2";

/// `progress.job_id`.
pub(in crate::store) const PROGRESS_PUT: &str = "INSERT INTO progress (job_id, percent, message, state) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (job_id) DO UPDATE SET percent = excluded.percent, message = excluded.message, \
     state = coalesce(excluded.state, progress.state)";
/// `progress.job_id`.
pub(in crate::store) const PROGRESS_DELETE: &str = "DELETE FROM progress WHERE job_id = ?1";

/// `runs_by_job`.
pub(in crate::store) const RUNS_DELETE_OF_JOB: &str = "DELETE FROM runs WHERE job_id = ?1";
/// `runs.id`.
pub(in crate::store) const RUN_HIGH: &str = "SELECT max(id) FROM runs";
/// `runs.id`: onward from where retention stopped.
pub(in crate::store) const RUNS_ONWARD: &str =
    "SELECT id, job_id, outcome, ended_at FROM runs WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3";
/// `runs.id`: among the oldest few, those past their time.
pub(in crate::store) const RUNS_PRUNE: &str = "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE id <= ?1 ORDER BY id \
     LIMIT ?2) AND ended_at < ?3";
/// `runs.id`.
pub(in crate::store) const RUN_LOW: &str = "SELECT min(id) FROM runs";
/// Key of `run_blocks`; once per thousands of runs.
pub(in crate::store) const BLOCK_PUT: &str = "INSERT INTO run_blocks (queue, outcome, block, ended_until) \
     VALUES (?1, ?2, ?3, ?4) ON CONFLICT (queue, outcome, block) DO UPDATE \
     SET ended_until = max(run_blocks.ended_until, excluded.ended_until)";
/// Key of `run_blocks`.
pub(in crate::store) const BLOCKS_PRUNE: &str =
    "DELETE FROM run_blocks WHERE queue = ?1 AND outcome = ?2 AND block < ?3";
/// Key of `run_blocks`.
pub(in crate::store) const BLOCKS_FORGET: &str = "DELETE FROM run_blocks WHERE queue = ?1";
/// One row.
pub(in crate::store) const SEEN_GET: &str = "SELECT runs_seen FROM pruned WHERE id = 1";
/// One row.
pub(in crate::store) const SEEN_SET: &str = "UPDATE pruned SET runs_seen = ?1 WHERE id = 1";

/// Appends.
pub(in crate::store) const WORKER_ADD: &str =
    "INSERT INTO workers (id, pool, slot, pid, generation, started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
/// `workers.id`.
pub(in crate::store) const WORKER_END: &str = "UPDATE workers SET ended_at = ?2, reason = ?3, exit_code = ?4, signal = ?5, \
     jobs_done = ?6, peak_memory = ?7 WHERE id = ?1";
/// `workers_living`.
pub(in crate::store) const WORKERS_LOST: &str = "UPDATE workers SET ended_at = ?3, reason = ?4 WHERE id IN \
     (SELECT id FROM workers WHERE ended_at IS NULL AND generation BETWEEN ?1 AND ?2 LIMIT ?5)";
/// `workers.id`.
pub(in crate::store) const WORKER_HIGH: &str = "SELECT max(id) FROM workers";
/// `workers.id`: among the oldest few, those past their time.
pub(in crate::store) const WORKERS_PRUNE: &str =
    "DELETE FROM workers WHERE id IN (SELECT id FROM workers ORDER BY id LIMIT ?1) AND ended_at < ?2";

/// The last row by key.
pub(in crate::store) const GENERATION_LAST: &str = "SELECT generation, batch, run_high, worker_high, pid, pid_start, boot_id, \
     cookie, version, started_at, ended_at FROM generations ORDER BY generation DESC LIMIT 1";
/// One row.
pub(in crate::store) const STORE_ID: &str = "SELECT id FROM store WHERE one = 1";
/// Reads all of the few rows, twice per start.
pub(in crate::store) const GENERATIONS_CRASHED: &str = "SELECT generation, pid, pid_start, boot_id, cookie, version, \
     started_at FROM generations WHERE ended_at IS NULL ORDER BY generation";
/// `generations.generation`, up to one that is dead; once per recovery.
pub(in crate::store) const GENERATIONS_RECOVERED: &str =
    "UPDATE generations SET ended_at = ?2 WHERE generation <= ?1 AND ended_at IS NULL";
/// `generations.generation`; once per batch.
pub(in crate::store) const GENERATION_MARK: &str =
    "UPDATE generations SET batch = max(batch, ?2), run_high = ?3, worker_high = ?4 WHERE generation = ?1";
/// `generations.generation`.
pub(in crate::store) const GENERATION_END: &str = "UPDATE generations SET ended_at = ?2 WHERE generation = ?1";
/// `generations.generation`: among the oldest few, those past their time, never the last.
pub(in crate::store) const GENERATIONS_PRUNE: &str = "DELETE FROM generations WHERE generation IN \
     (SELECT generation FROM generations ORDER BY generation LIMIT ?1) AND ended_at < ?2 \
     AND generation < (SELECT max(generation) FROM generations)";
