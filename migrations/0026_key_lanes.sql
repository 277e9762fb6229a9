-- Ready jobs of queues that are fair, or have limits per key, wait in lanes of their own: one for each key, lane of a type and
-- priority, whose number in `ready` is 2^40 + id. See src/store/sqlite/key_lanes.rs.
--
-- key: '' for jobs without one. vtime: whose turn it is (see src/model/fair.rs). state: 0, nothing waits; 1, open; 2, closed, as
-- its key is at a limit.
CREATE TABLE key_lanes (
    id INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    nprio INTEGER NOT NULL,
    key TEXT NOT NULL,
    waiting INTEGER NOT NULL,
    vtime INTEGER NOT NULL,
    state INTEGER NOT NULL
) STRICT;

-- Serves the look-up of a lane at a push, and the lanes of a key.
CREATE UNIQUE INDEX key_lanes_by_key ON key_lanes (queue, key, lane, nprio);
-- Serves the claim: whose turn it is.
CREATE INDEX key_lanes_open ON key_lanes (queue, lane, nprio, vtime, key) WHERE state = 1;
-- Serves forgetting lanes that have nothing to remember.
CREATE INDEX key_lanes_idle ON key_lanes (queue, lane, nprio, vtime) WHERE state = 0;

-- The virtual time of a class of lanes: that of the last one that was taken from; and how long a run takes, on average.
CREATE TABLE key_turns (
    queue INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    nprio INTEGER NOT NULL,
    vtime INTEGER NOT NULL,
    PRIMARY KEY (queue, lane, nprio)
) STRICT, WITHOUT ROWID;

-- Keys of queues with limits per key, while some of their jobs run, or their bucket is not full. open_at: when a key that is closed
-- by its rate opens.
CREATE TABLE key_states (
    queue INTEGER NOT NULL,
    key TEXT NOT NULL,
    running INTEGER NOT NULL,
    tokens REAL,
    filled_at INTEGER,
    closed INTEGER NOT NULL DEFAULT 0,
    open_at INTEGER,
    PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;

-- Serves opening keys whose time has come.
CREATE INDEX key_states_opening ON key_states (queue, open_at) WHERE open_at IS NOT NULL;
-- Serves forgetting keys whose bucket is full again.
CREATE INDEX key_states_idle ON key_states (filled_at) WHERE running = 0;

-- The walk to the lanes where jobs belong goes through those of keys as well.
ALTER TABLE sorting ADD COLUMN lane INTEGER NOT NULL DEFAULT 1;
