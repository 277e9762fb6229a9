-- Dictionary of labels, of which a job may have one. A label goes with the last of its jobs. The key on `name` serves the
-- look-up of a label by its name.
CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

ALTER TABLE jobs ADD COLUMN label INTEGER;

-- Serves "the jobs of this label", in the order of their ids, and "its last job". A job without a label costs nothing.
CREATE INDEX jobs_by_label ON jobs (label) WHERE label IS NOT NULL;

CREATE TRIGGER labels_forget AFTER DELETE ON jobs WHEN old.label IS NOT NULL BEGIN
    DELETE FROM labels WHERE id = old.label AND NOT EXISTS (SELECT 1 FROM jobs WHERE label = old.label);
END;
