-- One row on a page of its own: a mark that the running master writes before each checkpoint. Read from the file itself it
-- tells whether the file is still the one that this master writes (see src/store/sqlite/seal.rs).
CREATE TABLE seal (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    mark TEXT NOT NULL
) STRICT;

INSERT INTO seal (one, mark) VALUES (1, '');
