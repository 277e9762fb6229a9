-- state: where a job goes on at its next attempt, JSON; what its worker said last (see docs/workers.md).
ALTER TABLE progress ADD COLUMN state TEXT;
