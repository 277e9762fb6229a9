-- One row: which store this is.
--
-- id: random, the store's name for as long as it lives. device and inode: the file that it belongs to, 0 while that is not
-- known; a copy is found out by them, and is given an id of its own (see src/store/sqlite/identity.rs).
CREATE TABLE store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL
) STRICT;

INSERT INTO store (one, id, device, inode) VALUES (1, lower(hex(randomblob(16))), 0, 0);
