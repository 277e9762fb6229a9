-- Jobs, runs, workers and generations.
--
-- Rows are written once. A job is in exactly one of `ready`, `running`, `scheduled` and `ended`, or in none of
-- them, which means that it succeeded. Times are microseconds since 1970, UTC. Outcomes, causes, states and
-- reasons are small numbers: see src/store/sqlite/codes.rs.

-- "QWRK": tells our files from those of other programs.
PRAGMA application_id = 1364677195;

-- One row per queue, with totals that are changed by differences (`ready = ready + ?`) in the transaction that
-- moves the jobs: several processes may push. The key on `name` serves the look-up of a queue by its name.
CREATE TABLE queues (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    paused INTEGER NOT NULL DEFAULT 0,
    ready INTEGER NOT NULL DEFAULT 0,
    scheduled INTEGER NOT NULL DEFAULT 0,
    retrying INTEGER NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    succeeded_total INTEGER NOT NULL DEFAULT 0,
    failed_total INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Dictionary of job types. The key on `name` serves the look-up of a type by its name.
CREATE TABLE types (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- What was pushed. Never updated. An id is never used again, also after a deletion: see `pruned`. (AUTOINCREMENT would
-- write to a table of its own for each job.)
-- nprio is -priority, so that one ascending key gives the order of a queue.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    type INTEGER NOT NULL,
    args TEXT NOT NULL,
    nprio INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    expires_at INTEGER,
    timeout_us INTEGER,
    max_attempts INTEGER,
    unique_key TEXT,
    pushed_at INTEGER NOT NULL
) STRICT;

-- The order of every queue. The key serves the claim: the first rows of one queue.
-- tried: 1 if `tries` has a row for the job, so that a fresh job costs no look-up.
CREATE TABLE ready (
    queue INTEGER NOT NULL,
    nprio INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    id INTEGER NOT NULL,
    tried INTEGER NOT NULL,
    PRIMARY KEY (queue, nprio, due_at, id)
) STRICT, WITHOUT ROWID;

-- Due later. The key serves the promotion: what is due first. tried = 1 means that it waits for a retry.
CREATE TABLE scheduled (
    due_at INTEGER NOT NULL,
    id INTEGER NOT NULL,
    tried INTEGER NOT NULL,
    PRIMARY KEY (due_at, id)
) STRICT, WITHOUT ROWID;

-- Handed out. A few pages, always cached. worker is 0 while a job is claimed ahead.
CREATE TABLE running (
    job_id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL,
    worker INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    tried INTEGER NOT NULL
) STRICT;

-- Dead and cancelled jobs.
CREATE TABLE ended (
    job_id INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    state INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    error TEXT,
    ended_at INTEGER NOT NULL
) STRICT;

-- Serves retention (the oldest of one state; the two states are kept for different times) and `retry --dead`.
CREATE INDEX ended_by_time ON ended (state, ended_at);

-- What was charged to a job, and when it is due now. Only for jobs with a past: a run that did not succeed, a
-- release, a retry by an operator. Without a row: no charges, due at jobs.due_at.
CREATE TABLE tries (
    job_id INTEGER PRIMARY KEY,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    releases INTEGER NOT NULL
) STRICT;

-- Who holds a unique key: an unfinished job. The key serves the push.
CREATE TABLE uniques (
    key TEXT PRIMARY KEY,
    job_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Jobs that have never started and lapse. The key serves the promotion: what expires first.
CREATE TABLE expiring (
    expires_at INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    PRIMARY KEY (expires_at, job_id)
) STRICT, WITHOUT ROWID;

-- What a job last said of itself. Kept as long as the job.
CREATE TABLE progress (
    job_id INTEGER PRIMARY KEY,
    percent REAL,
    message TEXT
) STRICT;

-- Every attempt that ended. Append only; removed by age.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    type INTEGER NOT NULL,
    worker INTEGER,
    generation INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    cause INTEGER,
    exit_code INTEGER,
    signal TEXT,
    error TEXT,
    stderr_tail TEXT NOT NULL,
    result TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    waited_us INTEGER NOT NULL,
    peak_memory INTEGER
) STRICT;

-- Serves "the runs of this job" and "the last run of this job". The only index here: each costs a write per run.
CREATE INDEX runs_by_job ON runs (job_id);

-- A map of `runs`, written once per thousands of them: some run of the queue with the outcome has its id in the block
-- (see src/store/sqlite/blocks.rs for its length), and none of those ended after `ended_until`. Serves the filters of
-- the list of runs.
CREATE TABLE run_blocks (
    queue INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    block INTEGER NOT NULL,
    ended_until INTEGER NOT NULL,
    PRIMARY KEY (queue, outcome, block)
) STRICT, WITHOUT ROWID;

-- Every worker process.
CREATE TABLE workers (
    id INTEGER PRIMARY KEY,
    pool TEXT NOT NULL,
    slot INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    reason INTEGER,
    exit_code INTEGER,
    signal INTEGER,
    jobs_done INTEGER NOT NULL DEFAULT 0,
    peak_memory INTEGER
) STRICT;

-- Serves recovery: the workers of a master that died. Holds the living only.
CREATE INDEX workers_living ON workers (id) WHERE ended_at IS NULL;

-- Every life of a master. batch: the last one that was applied. run_high and worker_high: the highest ids given
-- out so far; they are carried from row to row, so that pruning never makes an id free again.
CREATE TABLE generations (
    generation INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    pid_start INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    cookie TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    batch INTEGER NOT NULL DEFAULT 0,
    run_high INTEGER NOT NULL,
    worker_high INTEGER NOT NULL
) STRICT;

-- One row: how far retention has walked through `runs` in search of succeeded jobs, and the highest id of a job that was
-- ever deleted.
CREATE TABLE pruned (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    runs_seen INTEGER NOT NULL,
    job_high INTEGER NOT NULL
) STRICT;

INSERT INTO pruned (id, runs_seen, job_high) VALUES (1, 0, 0);
