-- How long a job was to wait, where that was given as a length (a delay: in `jobs`; a retry: in `scheduled`) and not as a
-- point in time: such a wait stays as long when the clock is set.
ALTER TABLE jobs ADD COLUMN wait_us INTEGER;
ALTER TABLE scheduled ADD COLUMN wait_us INTEGER;
