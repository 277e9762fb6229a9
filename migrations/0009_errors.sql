-- What a worker said of an error beside its text: the kind of error, its number, where it happened.
ALTER TABLE runs ADD COLUMN error_type TEXT;
ALTER TABLE runs ADD COLUMN error_code INTEGER;
ALTER TABLE runs ADD COLUMN backtrace TEXT;

-- The limit of attempts that was in force when the last run of the job ended without success.
ALTER TABLE tries ADD COLUMN max_attempts INTEGER;
