-- Lists of dead and cancelled jobs by type, by queue and by error, from keys. Each index is in the order of job_id, as lists
-- are, since that is the rowid.
--
-- fingerprint: of a dead job, the same for all that died of the same error (see src/model/fingerprint.rs). Those of jobs
-- that are dead already are written along with this migration.
ALTER TABLE ended ADD COLUMN type INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ended ADD COLUMN fingerprint INTEGER;
UPDATE ended SET type = coalesce((SELECT type FROM jobs WHERE id = job_id), 0);
CREATE INDEX ended_by_type ON ended (state, type);
CREATE INDEX ended_by_queue ON ended (state, queue);
-- Serves what the dead died of as well: how many have each fingerprint.
CREATE INDEX ended_by_fingerprint ON ended (fingerprint) WHERE fingerprint IS NOT NULL;
