-- The last lines on stdout of a run that did not succeed; what a run that did printed is its result.
ALTER TABLE runs ADD COLUMN stdout_tail TEXT NOT NULL DEFAULT '';
