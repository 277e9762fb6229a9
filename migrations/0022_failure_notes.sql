-- What people have said of an error: a note, and until when it is muted (microseconds since 1970). One row per fingerprint,
-- whichever queues have it; it goes with the last record of `failures` that has the fingerprint.
CREATE TABLE failure_notes (
    fingerprint INTEGER PRIMARY KEY,
    note TEXT,
    muted_until INTEGER
) STRICT;
