-- Keys of which no job starts, as an operator has said, JSON: by their names who and since when (see src/model/limit_record.rs).
-- NULL: none.
ALTER TABLE queue_limits ADD COLUMN paused_keys TEXT;
