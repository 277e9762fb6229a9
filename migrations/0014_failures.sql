-- Failed runs by what they failed of: one record per queue and fingerprint (see src/model/fingerprint.rs), also of runs
-- whose jobs were tried again. Written in the transaction that records the run.
--
-- template: the message without its variable parts; NULL in the record that stands for all errors of a type past the most
-- that are told apart (see src/model/failure.rs). dead: jobs in `ended` with this queue and fingerprint. sample_run: the
-- last one, 0 for none. A record goes when none of its jobs is dead and its last run is past its time. The records of jobs
-- that are dead already are written along with this migration.
CREATE TABLE failures (
    id INTEGER PRIMARY KEY,
    fingerprint INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    type INTEGER NOT NULL,
    error_type TEXT,
    template TEXT,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    sample_run INTEGER NOT NULL
) STRICT;
-- Serves each failed run, and each dead job that leaves.
CREATE UNIQUE INDEX failures_by_fingerprint ON failures (fingerprint, queue);
-- Serves the bound per type.
CREATE INDEX failures_by_type ON failures (queue, type);
-- Serves retention: the oldest of those that may go.
CREATE INDEX failures_by_last ON failures (last_at) WHERE dead = 0;

-- Failed runs of a record in each ten minutes of the last day. at: since 1970, in ten minutes.
CREATE TABLE failure_rollups (
    failure INTEGER NOT NULL,
    at INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (failure, at)
) STRICT, WITHOUT ROWID;
