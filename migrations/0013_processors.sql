-- Processors: tasks on an interval or by cron, and all their runs (see src/model/processor.rs).

-- One row per processor that was ever configured, switched, or begun outside. The key on `name` serves the look-up by name.
-- schedule: as it is written, '' until a master has armed it. enabled, changed_at, changed_by, reason: what an operator has
-- said; all NULL: the file decides. last_tick: every tick up to it has its run or was passed over. next_at: the next tick.
-- skipped: ticks without a run; skip_cause and skip_at: of the last of them.
CREATE TABLE processors (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    schedule TEXT NOT NULL DEFAULT '',
    enabled INTEGER,
    changed_at INTEGER,
    changed_by TEXT,
    reason TEXT,
    last_tick INTEGER,
    next_at INTEGER,
    skipped INTEGER NOT NULL DEFAULT 0,
    skip_cause INTEGER,
    skip_at INTEGER
) STRICT;

-- One row per run. The newest of a processor is never removed, so no id is given twice.
-- made_at: when it was put on record. state: of a run that is open, waiting if it has a job, else running; whether that job
-- runs is read from `running`. host, pid, pid_start, boot_id: of a run outside, its process. deadline: when it counts as lost.
CREATE TABLE processor_runs (
    id INTEGER PRIMARY KEY,
    processor INTEGER NOT NULL,
    tick INTEGER,
    source INTEGER NOT NULL,
    state INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    job_id INTEGER,
    started_at INTEGER,
    ended_at INTEGER,
    note TEXT,
    host TEXT,
    pid INTEGER,
    pid_start INTEGER,
    boot_id TEXT,
    deadline INTEGER
) STRICT;

-- Serves nothing but the rule: one run per tick.
CREATE UNIQUE INDEX processor_runs_tick ON processor_runs (processor, tick) WHERE tick IS NOT NULL;
-- Serves "the runs of this processor", "its newest run" and retention, in the order of id, which is the rowid.
CREATE INDEX processor_runs_by_processor ON processor_runs (processor);
-- Serves "the runs in this state".
CREATE INDEX processor_runs_by_state ON processor_runs (state);
-- Serves "the runs of this processor in this state".
CREATE INDEX processor_runs_by_processor_and_state ON processor_runs (processor, state);
-- Serves "is a run of this processor open" and "all open runs". Holds the few that are.
CREATE INDEX processor_runs_open ON processor_runs (processor) WHERE ended_at IS NULL;

-- The run of a processor whose job this is, which the end of the job ends. NULL: of all other jobs.
ALTER TABLE jobs ADD COLUMN processor_run INTEGER;
