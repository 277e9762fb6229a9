-- A million jobs of the last 20 hours in the queues `images` and `mail` (ids 1 and 2; the types `resize` and `mail` likewise),
-- in states from 0 to 5 as src/store/sqlite/codes.rs numbers them, and their 800,000 runs. Of twenty jobs in a row 14 have
-- succeeded, two are dead of one of a hundred errors, one was cancelled, two are ready and one is due later.
PRAGMA synchronous = OFF;
PRAGMA cache_size = -200000;
BEGIN;
CREATE TEMP TABLE made (id INTEGER PRIMARY KEY, queue, type, state, error, at);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000),
    now(us) AS (SELECT unixepoch() * 1000000)
INSERT INTO made SELECT 10 + i, 1 + i / 20 % 2, 1 + i / 40 % 2,
    CASE WHEN i % 20 < 14 THEN 3 WHEN i % 20 < 16 THEN 4 WHEN i % 20 = 16 THEN 5 WHEN i % 20 < 19 THEN 1 ELSE 0 END,
    i / 20 % 100, us - (1000000 - i) * 72000 FROM n, now;

INSERT INTO jobs (id, queue, type, args, nprio, due_at, pushed_at)
    SELECT id, queue, type, '{"file":"p/' || id || '.png","customer":' || id % 999 || '}', 0, at + (state = 0) * 172800000000, at
    FROM made;
INSERT INTO ready (queue, lane, nprio, due_at, id, tried) SELECT queue, 1, 0, at, id, 0 FROM made WHERE state = 1 ORDER BY 1, 4;
INSERT INTO scheduled (due_at, id, tried) SELECT at + 172800000000, id, 0 FROM made WHERE state = 0;
INSERT INTO ended (job_id, queue, state, cause, error, ended_at, type, fingerprint)
    SELECT id, queue, state, iif(state = 4, 0, 5), iif(state = 4, 'host ' || char(97 + error % 26, 97 + error / 26) || ' does not answer', NULL),
    at + 5000, type, iif(state = 4, (error + 1) * 90071992547409, NULL) FROM made WHERE state > 3;
INSERT INTO runs (id, job_id, queue, type, worker, generation, attempt, outcome, cause, error, error_type, stderr_tail, started_at,
    ended_at, waited_us, peak_memory)
    SELECT m.id, m.id, m.queue, m.type, 1, 1, 1, m.state - 3, iif(m.state = 4, 7, NULL), e.error, iif(m.state = 4, 'Timeout', NULL),
    '', m.at, m.at + 5000 + m.id * 7919 % 100000, 100 + m.id % 9000, 9000000
    FROM made m LEFT JOIN ended e ON e.job_id = m.id WHERE m.state IN (3, 4) ORDER BY m.id;
-- As the writer of the store would have them: a map of runs by blocks of 2048 ids, errors, and the totals of queues.
INSERT INTO run_blocks (queue, outcome, block, ended_until) SELECT queue, outcome, id >> 11, max(ended_at) FROM runs GROUP BY 1, 2, 3;
INSERT INTO failures (id, fingerprint, queue, type, error_type, template, first_at, last_at, runs, dead, sample_run)
    SELECT min(m.error) + 1, e.fingerprint, m.queue, m.type, 'Timeout', e.error, min(m.at), max(m.at), count(*), count(*), max(m.id)
    FROM made m JOIN ended e ON e.job_id = m.id WHERE m.state = 4 GROUP BY e.fingerprint;
INSERT INTO failure_rollups (failure, at, runs) SELECT error + 1, at / 600000000, count(*) FROM made WHERE state = 4 GROUP BY 1, 2;
UPDATE queues SET ready = ready + s1, scheduled = scheduled + s0, dead = s4, cancelled = s5, succeeded_total = s3, failed_total = s4,
    pushed_total = pushed_total + total FROM (SELECT queue, sum(state = 0) AS s0, sum(state = 1) AS s1, sum(state = 3) AS s3,
    sum(state = 4) AS s4, sum(state = 5) AS s5, count(*) AS total FROM made GROUP BY queue) AS m WHERE m.queue = queues.id;
-- A master that has ended. The one that comes next counts its last runs for the charts.
INSERT INTO workers (id, pool, slot, pid, generation, started_at, ended_at, reason, jobs_done)
    SELECT 1, 'default', 1, 7, 1, min(at), max(at), 4, 800000 FROM made;
INSERT INTO generations (generation, pid, pid_start, boot_id, cookie, version, started_at, ended_at, run_high, worker_high)
    SELECT 1, 7, 1, '', '', '', min(at), max(at), max(id), 1 FROM made;
INSERT INTO counted (generation, run_high, open) SELECT 1, max(id) - 40000, '[]' FROM made;
COMMIT;
