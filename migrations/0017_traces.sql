-- The trace that a job was pushed in: its traceparent, and behind a space its tracestate. Read along with the row, so a job
-- without one costs no look-up.
ALTER TABLE jobs ADD COLUMN trace TEXT;

-- The span of a run, in hexadecimal digits.
ALTER TABLE runs ADD COLUMN trace_id TEXT;
ALTER TABLE runs ADD COLUMN span_id TEXT;
