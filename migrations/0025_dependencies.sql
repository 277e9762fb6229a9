-- Jobs that come after others, their parents.
--
-- A job with parents that are not done is `blocked`: it has a row in that table, and in none of the other places.

CREATE TABLE blocked (
    job_id INTEGER PRIMARY KEY
) STRICT;
ALTER TABLE queues ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;

-- Which job comes after which. Kept as long as the job, also when its parent is done: its result is given to the job.
-- name: the ref under which the parent was named; none: its id is its name.
-- open: 0 when the parent is done, 1 while it is not, 2 while it is dead or cancelled, 3 if it was deleted undone.
-- after_failed: a number of `AfterFailed::ALL`, the same in all rows of a job.
CREATE TABLE waits (
    job INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    name TEXT,
    open INTEGER NOT NULL,
    after_failed INTEGER NOT NULL,
    PRIMARY KEY (job, parent)
) STRICT, WITHOUT ROWID;
-- Serves the children of a job, in the order of their ids.
CREATE INDEX waits_by_parent ON waits (parent);
-- Serves the question whether a job waits for another still, and how.
CREATE INDEX waits_open ON waits (job, open) WHERE open > 0;

-- Jobs whose children are yet to be told what became of them, from the first after `child` on. Empty as a rule: only the
-- children of one that has very many are told in steps.
CREATE TABLE settling (
    parent INTEGER PRIMARY KEY,
    child INTEGER NOT NULL
) STRICT;

-- Of bulk pushes that are not committed: which job has which ref, and which jobs come after a ref that was not known when
-- they were staged.
CREATE TABLE bulk_refs (
    bulk INTEGER NOT NULL,
    name TEXT NOT NULL,
    job INTEGER NOT NULL,
    PRIMARY KEY (bulk, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE bulk_waits (
    bulk INTEGER NOT NULL,
    job INTEGER NOT NULL,
    name TEXT NOT NULL,
    after_failed INTEGER NOT NULL,
    PRIMARY KEY (bulk, job, name)
) STRICT, WITHOUT ROWID;
ALTER TABLE bulk_counts ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;
-- linked: whether any of its jobs has parents.
ALTER TABLE bulks ADD COLUMN linked INTEGER NOT NULL DEFAULT 0;
