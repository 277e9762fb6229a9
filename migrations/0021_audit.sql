-- Who has changed what, by hand. at: microseconds since 1970. who: NULL where the page knows a role only. affected: NULL where
-- nothing is counted. via: a number of `Via::ALL`. operation: an id of `operations`.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT,
    via INTEGER NOT NULL,
    role TEXT,
    address TEXT,
    verb TEXT NOT NULL,
    target TEXT NOT NULL,
    affected INTEGER,
    outcome TEXT NOT NULL,
    operation INTEGER
) STRICT;
CREATE INDEX audit_by_who ON audit (who);
CREATE INDEX audit_by_verb ON audit (verb);
